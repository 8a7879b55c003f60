//! MIN and MAX of groups of floating-point numbers.
//!
//! DataFusion 55 compares the numbers of a group so that NaN takes the place of whatever was before it, and gives
//! way to whatever comes after; and it begins with the greatest finite number, so that a group of
//! infinities has it as its least (apache/datafusion#24432). Here groups have the order of Arrow, as
//! everything that isn't grouped has it: NaN is the greatest.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::ArrowNativeTypeOp;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// MIN and MAX, to be registered in place of DataFusion's.
pub(crate) fn min_and_max() -> [Arc<AggregateUDF>; 2] {
    [min_udaf(), max_udaf()].map(|inner| Arc::new(AggregateUDF::from(TotalOrder { inner })))
}

/// DataFusion's MIN or MAX, but for the groups of floating-point numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TotalOrder {
    inner: Arc<AggregateUDF>,
}

impl TotalOrder {
    fn of_groups<T: ArrowPrimitiveType + Send>(
        &self,
        kind: &DataType,
    ) -> Box<dyn GroupsAccumulator> {
        let (wanted, first) = match self.inner.is_descending() {
            Some(true) => (Ordering::Greater, T::Native::MIN_TOTAL_ORDER),
            _ => (Ordering::Less, T::Native::MAX_TOTAL_ORDER),
        };
        let accumulator = PrimitiveGroupsAccumulator::<T, _>::new(kind, move |found, value| {
            if value.compare(*found) == wanted {
                *found = value;
            }
        });
        Box::new(accumulator.with_starting_value(first))
    }
}

impl AggregateUDFImpl for TotalOrder {
    fn create_groups_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match arguments.return_field.data_type() {
            kind @ DataType::Float16 => Ok(self.of_groups::<Float16Type>(kind)),
            kind @ DataType::Float32 => Ok(self.of_groups::<Float32Type>(kind)),
            kind @ DataType::Float64 => Ok(self.of_groups::<Float64Type>(kind)),
            _ => self.inner.create_groups_accumulator(arguments),
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.inner.return_type(kinds)
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_sliding_accumulator(
        &self,
        arguments: AccumulatorArgs,
    ) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(arguments)
    }

    fn coerce_types(&self, kinds: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(kinds)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        self.inner.value_from_stats(statistics)
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(kind)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};

    use super::*;
    use crate::testing::{batch, in_memory, numbers, physical, rows, session};

    const GROUPS: [(&str, &[f64], [f64; 2]); 5] = [
        (
            "NaN between",
            &[-5.0, f64::NAN, 3.0, 9.0, f64::NAN, 4.0],
            [-5.0, f64::NAN],
        ),
        ("NaN first", &[f64::NAN, 1.0], [1.0, f64::NAN]),
        ("NaN alone", &[f64::NAN, f64::NAN], [f64::NAN, f64::NAN]),
        (
            "infinities",
            &[f64::INFINITY, f64::INFINITY],
            [f64::INFINITY; 2],
        ),
        (
            "less than all",
            &[f64::NEG_INFINITY],
            [f64::NEG_INFINITY; 2],
        ),
    ];

    fn found(values: ArrayRef, sql: &str) -> Vec<f64> {
        let session = session();
        for function in min_and_max() {
            session.register_udaf(function.as_ref().clone());
        }
        let groups = numbers(std::iter::repeat_n(1, values.len()));
        // Each half in a partition of its own.
        let table = batch(vec![("g", groups), ("v", values)]);
        let half = table.num_rows() / 2;
        let halves = [
            table.slice(0, half),
            table.slice(half, table.num_rows() - half),
        ];
        session.register_table("t", in_memory(&halves)).unwrap();
        let rows = rows(physical(&session, sql), &session.state());
        let columns = rows.columns().iter();
        columns
            .map(|column| column.as_primitive::<Float64Type>().value(0))
            .collect()
    }

    fn same(found: &[f64], wanted: [f64; 2]) -> bool {
        found
            .iter()
            .map(|value| value.to_bits())
            .eq(wanted.map(f64::to_bits))
    }

    #[test]
    fn groups_are_compared_as_columns_are() {
        for (name, values, wanted) in GROUPS {
            let doubles: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
            #[allow(clippy::cast_possible_truncation)]
            let floats = values.iter().map(|value| *value as f32);
            let floats: ArrayRef = Arc::new(Float32Array::from_iter_values(floats));
            for (values, cast) in [(doubles, "v"), (floats, "v::double")] {
                for by in ["", " GROUP BY g"] {
                    let sql =
                        format!("SELECT min(w), max(w) FROM (SELECT g, {cast} AS w FROM t){by}");
                    let found = found(Arc::clone(&values), &sql);
                    assert!(same(&found, wanted), "{name}{by}: {found:?}");
                }
                let sql = "SELECT min(v)::double, max(v)::double FROM t GROUP BY g";
                let found = found(values, sql);
                assert!(same(&found, wanted), "{name}: {found:?}");
            }
        }
    }
}
