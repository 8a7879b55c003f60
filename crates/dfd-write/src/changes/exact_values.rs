//! New values of a column, of which none becomes another on its way.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use dfd_arrow::{castable, exact_cast};

use crate::error::{Error, RuleViolation};
use crate::schema::local_times::refuse_mixed_times;
use crate::schema::scope::Scope;
use crate::schema::type_pairs::each_pair;

/// A value in a column of a type; computing it is an error where it isn't one of that type.
///
/// A constant local time is a moment of UTC, as it is wherever it is compared with one.
///
/// # Errors
/// No value of its type is one of the column's.
pub(crate) fn exact_value(
    value: Expr,
    scope: &Scope<'_>,
    column: &str,
    to: &DataType,
) -> Result<Expr, Error> {
    let found = scope.type_of(&value)?;
    if found == *to {
        return Ok(value);
    }
    let is_constant = value.column_refs().is_empty();
    let mixed = || match is_constant {
        true => Ok(()),
        false => refuse_mixed_times(&found, to),
    };
    castable(&found, to)
        .and_then(|()| mixed())
        .map_err(|reason| RuleViolation::Type {
            column: column.to_owned(),
            reason,
        })?;
    let cast = ExactValue {
        column: column.to_owned(),
        to: to.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    };
    Ok(ScalarUDF::new_from_impl(cast).call(vec![value]))
}

/// Refuses a value that has only some fields of the column's struct: those that the row has would be lost.
///
/// # Errors
/// Which field is missing, at any depth; or the value has no type.
pub(crate) fn refuse_lost_fields(
    value: &Expr,
    scope: &Scope<'_>,
    column: &str,
    to: &DataType,
) -> Result<(), Error> {
    let checked = each_pair(&scope.type_of(value)?, to, &|from, to| {
        let (DataType::Struct(from), DataType::Struct(to)) = (from, to) else {
            return Ok(());
        };
        match to.iter().find(|field| from.find(field.name()).is_none()) {
            None => Ok(()),
            Some(lost) => Err(format!(
                " has no field `{0}`, and that of the row would be lost; give it one, be it null: \
                 named_struct('{0}', ...)",
                lost.name()
            )),
        }
    });
    checked.map_err(|reason| {
        let column = column.to_owned();
        RuleViolation::LostField { column, reason }.into()
    })
}

/// A constant local time as the moment that [`exact_value`] makes of it, or the other way round; any other value as it is.
///
/// # Errors
/// The value has no type.
pub(crate) fn exact_time(
    value: Expr,
    scope: &Scope<'_>,
    column: &str,
    to: &DataType,
) -> Result<Expr, Error> {
    let is_mixed = refuse_mixed_times(&scope.type_of(&value)?, to).is_err();
    match is_mixed && value.column_refs().is_empty() {
        true => exact_value(value, scope, column, to),
        false => Ok(value),
    }
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

    fn return_type(&self, _given: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::error::Result<ColumnarValue> {
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
