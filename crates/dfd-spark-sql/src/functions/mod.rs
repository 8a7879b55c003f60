//! Functions that Spark and DataFusion agree on.

pub(crate) mod datetime;
pub(crate) mod text;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::prelude as df;
use datafusion::sql::sqlparser::ast::{
    Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};

use crate::error::Error;
use crate::functions::datetime::{date_format, date_part, truncate};
use crate::functions::text::{concat, substring, trim, utf8};
use crate::literals::timestamp;
use crate::operators::{compare, conditional};
use crate::types::{TypedExpr, align, is_integer};

/// Translates a call of a function, by name and number of arguments.
///
/// `translate` is given the arguments that the function needs.
pub(crate) fn call(
    function: &Function,
    translate: &dyn Fn(&Sql) -> Result<TypedExpr, Error>,
) -> Result<TypedExpr, Error> {
    let name = function.name.to_string().to_ascii_lowercase();
    let arguments = arguments(function)?;
    let typed = |position: usize| translate(arguments[position]);
    let text = |position: usize| text_of(typed(position)?, arguments[position]);
    match (name.as_str(), arguments.len()) {
        (
            "year" | "quarter" | "month" | "day" | "dayofmonth" | "dayofyear" | "hour" | "minute",
            1,
        ) => date_part(&name, typed(0)?),
        ("to_date" | "date", 1) => typed(0)?.cast(&DataType::Date32),
        ("date_trunc", 2) => truncate(&typed(0)?, typed(1)?, &timestamp()),
        ("trunc", 2) => truncate(&typed(1)?, typed(0)?, &DataType::Date32),
        ("date_format", 2) => date_format(typed(0)?, &typed(1)?),
        ("length" | "char_length" | "character_length" | "len", 1) => Ok(TypedExpr::new(
            df::character_length(text(0)?),
            DataType::Int32,
        )),
        ("upper" | "ucase", 1) => Ok(utf8(df::upper(text(0)?))),
        ("lower" | "lcase", 1) => Ok(utf8(df::lower(text(0)?))),
        ("trim", 1) => trim(None, typed(0)?),
        ("ltrim", 1) => trim(Some(&TrimWhereField::Leading), typed(0)?),
        ("rtrim", 1) => trim(Some(&TrimWhereField::Trailing), typed(0)?),
        ("substring" | "substr", 2) => substring(typed(0)?, &typed(1)?, None),
        ("substring" | "substr", 3) => substring(typed(0)?, &typed(1)?, Some(&typed(2)?)),
        ("concat", count @ 1..) => concat((0..count).map(text)),
        ("abs", 1) => abs(typed(0)?),
        ("isnull", 1) => Ok(TypedExpr::boolean(typed(0)?.expr.is_null())),
        ("isnotnull", 1) => Ok(TypedExpr::boolean(typed(0)?.expr.is_not_null())),
        ("isnan", 1) => is_nan(typed(0)?),
        ("coalesce" | "ifnull" | "nvl", count @ 1..) => coalesce((0..count).map(typed)),
        ("if", 3) => {
            let condition = condition_of(typed(0)?, arguments[0])?;
            conditional(vec![(condition, typed(1)?)], Some(typed(2)?))
        }
        ("nullif", 2) => {
            let equal = compare(typed(0)?, Operator::Eq, typed(1)?)?.expr;
            let null = TypedExpr::literal(ScalarValue::Null);
            conditional(vec![(equal, null)], Some(typed(0)?))
        }
        ("greatest", 2) => greatest(typed(0)?, typed(1)?),
        _ => Err(Error::differs(format!("the function {name}"))),
    }
}

/// The arguments, if the call has nothing else.
fn arguments(function: &Function) -> Result<Vec<&Sql>, Error> {
    let unknown = || Error::unsupported(format!("`{function}` isn't understood"));
    let FunctionArguments::List(list) = &function.args else {
        return Err(unknown());
    };
    let is_plain = function.filter.is_none()
        && function.over.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None)
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty();
    let positional = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(sql)) => Some(sql),
        _ => None,
    });
    let all: Option<Vec<&Sql>> = positional.collect();
    all.filter(|_| is_plain).ok_or_else(unknown)
}

/// The expression of a condition: true, false or null.
pub(crate) fn condition_of(typed: TypedExpr, sql: &Sql) -> Result<Expr, Error> {
    match typed.data_type {
        DataType::Boolean => Ok(typed.expr),
        DataType::Null => Ok(Expr::Literal(ScalarValue::Boolean(None), None)),
        other => Err(Error::unsupported(format!(
            "`{sql}` is {other} and no condition"
        ))),
    }
}

/// The expression of a text.
pub(crate) fn text_of(typed: TypedExpr, sql: &Sql) -> Result<Expr, Error> {
    match typed.data_type {
        DataType::Utf8 => Ok(typed.expr),
        other => Err(Error::unsupported(format!(
            "`{sql}` is {other} and no text"
        ))),
    }
}

fn abs(of: TypedExpr) -> Result<TypedExpr, Error> {
    if !is_integer(&of.data_type) && of.data_type != DataType::Float64 {
        return Err(Error::differs(format!("abs of {}", of.data_type)));
    }
    Ok(TypedExpr::new(df::abs(of.expr), of.data_type))
}

fn is_nan(of: TypedExpr) -> Result<TypedExpr, Error> {
    if !of.data_type.is_floating() {
        return Err(Error::differs(format!("isnan of {}", of.data_type)));
    }
    // Spark's is false for null.
    Ok(TypedExpr::boolean(df::isnan(of.expr).is_true()))
}

/// Gives the first value that isn't null.
fn coalesce(values: impl Iterator<Item = Result<TypedExpr, Error>>) -> Result<TypedExpr, Error> {
    let with_condition = |value: Result<TypedExpr, Error>| {
        let typed = value?;
        Ok((typed.expr.clone().is_not_null(), typed))
    };
    let branches = values.map(with_condition).collect::<Result<_, Error>>()?;
    conditional(branches, None)
}

/// Gives the greater of two values; null only if both are.
fn greatest(left: TypedExpr, right: TypedExpr) -> Result<TypedExpr, Error> {
    let (left, right) = align(left, right)?;
    let is_greater = compare(left.clone(), Operator::GtEq, right.clone())?.expr;
    let is_left = right.expr.clone().is_null().or(is_greater);
    conditional(vec![(is_left, left)], Some(right))
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_values, refusal};

    #[test]
    fn nulls_are_replaced_and_made() {
        assert_values(&[
            ("coalesce(o, i > 0)", ["true", "false", "false", "null"]),
            ("nvl(i, 5L)", ["7", "-2147483648", "0", "5"]),
            ("nullif(i, 7)", ["null", "-2147483648", "0", "null"]),
            ("if(o, s, t)", ["Abc", " a ", "%_", "null"]),
            ("isnull(o)", ["false", "false", "true", "true"]),
            ("isnotnull(o)", ["true", "true", "false", "false"]),
        ]);
        refusal("if(i, s, t)");
    }

    #[test]
    fn numbers_have_amounts_and_order() {
        assert_values(&[
            ("abs(d)", ["2.5", "NaN", "0.0", "null"]),
            ("isnan(d)", ["false", "true", "false", "false"]),
            ("greatest(b, i)", ["7", "-128", "0", "null"]),
            ("greatest(i, NULL)", ["7", "-2147483648", "0", "null"]),
            ("greatest(d, 3e0)", ["3.0", "NaN", "3.0", "3.0"]),
        ]);
        for text in [
            "abs(m)",
            "abs(s)",
            "isnan(i)",
            "greatest(i)",
            "greatest(i, s)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn other_functions_and_other_calls_are_refused_by_name() {
        assert!(refusal("rand() > 0").contains("the function rand"));
        for text in [
            "concat()",
            "length(DISTINCT s)",
            "length(s) FILTER (WHERE o)",
            "length(s) OVER ()",
            "length(x => s)",
            "count(*)",
            "year(y, y)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn a_refused_function_is_told_before_its_arguments() {
        assert!(refusal("sha(rand())").contains("the function sha "));
    }
}
