//! Scalar functions for DataFusion that dfd ships.
//!
//! Each function is a file of its own. [`functions`] is the only list: what isn't in it is
//! neither exported nor documented, and everything in it passes `tests/udf_conformance.rs`.
//!
//! ```
//! let names: Vec<String> = dfd_udf::functions().iter().map(|f| f.name().to_owned()).collect();
//! assert_eq!(names, ["dfd_haversine_km", "dfd_hhmm_minutes"]);
//! ```

mod haversine;
mod hhmm;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::ScalarValue;
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarUDF};

pub use haversine::HaversineKm;
pub use hhmm::HhmmMinutes;

/// Every function of the crate, by name.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::from(HaversineKm::new())),
        Arc::new(ScalarUDF::from(HhmmMinutes::new())),
    ]
}

/// A field that is always nullable: the functions answer null to what lies outside their domain.
fn nullable_field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// True when an argument is the literal null, so that the result is null without a look at the rest.
fn any_null_literal(args: &[ColumnarValue]) -> bool {
    args.iter()
        .any(|arg| matches!(arg, ColumnarValue::Scalar(value) if value.is_null()))
}

/// `None` answers that a scalar isn't of the type the signature coerces to.
fn float64(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(Some(number)) => Some(*number),
        _ => None,
    }
}

/// Refuse a call with another number of arguments, for callers that skip the signature.
fn expect_arity(name: &str, args: &ReturnFieldArgs, arity: usize) -> datafusion_common::Result<()> {
    if args.arg_fields.len() == arity {
        return Ok(());
    }
    datafusion_common::plan_err!(
        "{name} takes {arity} arguments, not {}",
        args.arg_fields.len()
    )
}
