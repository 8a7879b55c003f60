//! `dfd_haversine_km`: the great-circle distance between two points.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility, scalar_doc_sections::DOC_SECTION_MATH,
};

use crate::arguments::{any_null_literal, expect_arity, float64, nullable_field};

const NAME: &str = "dfd_haversine_km";

/// Mean radius of the Earth, R1 of the International Union of Geodesy and Geophysics.
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// `dfd_haversine_km(lat1, lon1, lat2, lon2)`, degrees in, kilometres out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct HaversineKm {
    signature: Signature,
}

impl HaversineKm {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: Signature::exact(vec![DataType::Float64; 4], Volatility::Immutable),
        }
    }
}

impl Default for HaversineKm {
    fn default() -> Self {
        Self::new()
    }
}

/// Null outside of the domain: latitudes within 90 degrees, all four finite.
fn distance(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> Option<f64> {
    let sound = |lat: f64, lon: f64| lat.abs() <= 90.0 && lon.is_finite();
    if !sound(lat1, lon1) || !sound(lat2, lon2) {
        return None;
    }
    let half_lat = (lat2 - lat1).to_radians() / 2.0;
    let half_lon = (lon2 - lon1).to_radians() / 2.0;
    let chord = half_lat.sin().powi(2)
        + lat1.to_radians().cos() * lat2.to_radians().cos() * half_lon.sin().powi(2);
    // Rounding can lift antipodes above 1, where the arcsine has no value.
    Some(2.0 * EARTH_RADIUS_KM * chord.min(1.0).sqrt().asin())
}

impl ScalarUDFImpl for HaversineKm {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        expect_arity(NAME, &args, 4)?;
        Ok(nullable_field(NAME, DataType::Float64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if any_null_literal(&args.args) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Float64(None)));
        }
        if let [
            ColumnarValue::Scalar(lat1),
            ColumnarValue::Scalar(lon1),
            ColumnarValue::Scalar(lat2),
            ColumnarValue::Scalar(lon2),
        ] = args.args.as_slice()
        {
            let values = [float64(lat1), float64(lon1), float64(lat2), float64(lon2)];
            let [Some(a), Some(b), Some(c), Some(d)] = values else {
                return exec_err!("{NAME} takes four Float64");
            };
            return Ok(ColumnarValue::Scalar(ScalarValue::Float64(distance(
                a, b, c, d,
            ))));
        }
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let columns: Vec<&Float64Array> = arrays
            .iter()
            .filter_map(|array| array.as_primitive_opt::<Float64Type>())
            .collect();
        let [lat1, lon1, lat2, lon2] = columns.as_slice() else {
            return exec_err!("{NAME} takes four Float64");
        };
        let distances: Float64Array = lat1
            .iter()
            .zip(lon1.iter())
            .zip(lat2.iter().zip(lon2.iter()))
            .map(|((a, b), (c, d))| distance(a?, b?, c?, d?))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(distances) as ArrayRef))
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOC: std::sync::LazyLock<Documentation> = std::sync::LazyLock::new(|| {
            Documentation::builder(
                DOC_SECTION_MATH,
                "Great-circle distance in kilometres on a sphere of radius 6371.0088 km. \
                 Null for a null argument, a latitude beyond 90 degrees or a value that isn't finite.",
                "dfd_haversine_km(lat1, lon1, lat2, lon2)",
            )
            .with_argument("lat1", "Latitude of the first point in degrees.")
            .with_argument("lon1", "Longitude of the first point in degrees.")
            .with_argument("lat2", "Latitude of the second point in degrees.")
            .with_argument("lon2", "Longitude of the second point in degrees.")
            .build()
        });
        Some(&DOC)
    }
}
