//! Arguments and results that functions have in common.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::ScalarValue;
use datafusion_expr::{ColumnarValue, ReturnFieldArgs};

/// A field that is always nullable: the functions answer null to what lies outside their domain.
pub(crate) fn nullable_field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// True when an argument is the literal null, so that the result is null without a look at the rest.
pub(crate) fn any_null_literal(args: &[ColumnarValue]) -> bool {
    args.iter()
        .any(|arg| matches!(arg, ColumnarValue::Scalar(value) if value.is_null()))
}

/// The number of a scalar; none where it isn't of the type that the signature coerces to.
pub(crate) fn float64(value: &ScalarValue) -> Option<f64> {
    match value {
        ScalarValue::Float64(Some(number)) => Some(*number),
        _ => None,
    }
}

/// Refuse a call with another number of arguments, for callers that skip the signature.
pub(crate) fn expect_arity(
    name: &str,
    args: &ReturnFieldArgs,
    arity: usize,
) -> datafusion_common::Result<()> {
    if args.arg_fields.len() == arity {
        return Ok(());
    }
    datafusion_common::plan_err!(
        "{name} takes {arity} arguments, not {}",
        args.arg_fields.len()
    )
}
