//! Values of several clauses in one column, of which none becomes another on its way.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use dfd_arrow::exact_cast;

use crate::error::RuleViolation;

/// A value as the type of a column, or an error that names the column where it isn't one of that type.
pub(crate) fn exact_value(value: Expr, column: &str, to: &DataType) -> Expr {
    let cast = ExactValue {
        column: column.to_owned(),
        to: to.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    };
    ScalarUDF::new_from_impl(cast).call(vec![value])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactValue {
    column: String,
    to: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for ExactValue {
    fn name(&self) -> &str {
        "exact_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(array) = arrays.first() else {
            return Err(DataFusionError::Internal("a value is missing".to_owned()));
        };
        let cast = exact_cast(array, &self.to).map_err(|inexact| {
            let violation = RuleViolation::NewValue {
                column: format!("{}{}", self.column, inexact.path),
                reason: inexact.reason,
            };
            DataFusionError::External(Box::new(violation))
        })?;
        Ok(match &args.args[..] {
            [ColumnarValue::Scalar(_)] => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&cast, 0)?)
            }
            _ => ColumnarValue::Array(cast),
        })
    }
}
