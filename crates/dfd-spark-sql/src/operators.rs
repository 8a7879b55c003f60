//! Operators with Spark's types and order of values.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator, lit, when};
use datafusion::prelude::isnan;

use crate::error::Error;
use crate::types::{TypedExpr, align, as_decimal, is_integer, whole_digits};

/// The most digits that a decimal has.
const MAX_PRECISION: u8 = 38;

/// Makes a binary expression of operands that have the operator's types.
pub(crate) fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Compares by Spark's order: NaN is the largest and equals itself, and the zeros are equal.
///
/// # Errors
/// The types have no common one that both engines agree on.
pub fn compare(left: TypedExpr, op: Operator, right: TypedExpr) -> Result<TypedExpr, Error> {
    let (left, right) = align(left, right)?;
    Ok(TypedExpr::boolean(binary(
        normalize_floats(left),
        op,
        normalize_floats(right),
    )))
}

/// Gives all NaNs one form, and both zeros.
fn normalize_floats(typed: TypedExpr) -> Expr {
    let (nan, zero) = match typed.data_type {
        DataType::Float32 => (lit(f32::NAN), lit(0_f32)),
        DataType::Float64 => (lit(f64::NAN), lit(0_f64)),
        _ => return typed.expr,
    };
    let sum = binary(typed.expr.clone(), Operator::Plus, zero);
    let normal = when(isnan(typed.expr.clone()), nan).otherwise(sum);
    normal.unwrap_or(typed.expr)
}

/// Adds, subtracts or multiplies; integers raise where they overflow.
pub(crate) fn arithmetic(
    left: TypedExpr,
    op: Operator,
    right: TypedExpr,
) -> Result<TypedExpr, Error> {
    use DataType as T;
    let (a, b) = (&left.data_type, &right.data_type);
    let is_number = |of: &T| of.is_numeric() || *of == T::Null;
    // What a float and an integer make is a float to some versions and a double to others.
    let is_mixed = |float: &T, other: &T| *float == T::Float32 && !other.is_floating();
    if !is_number(a) || !is_number(b) {
        return Err(own_type(&left, op, &right));
    }
    if let (T::Decimal128(..), _) | (_, T::Decimal128(..)) = (a, b)
        && let (Some(a), Some(b)) = (as_decimal(a), as_decimal(b))
    {
        return decimal_arithmetic((left, a), op, (right, b));
    }
    if is_mixed(a, b) || is_mixed(b, a) {
        return Err(own_type(&left, op, &right));
    }
    let (left, right) = align(left, right)?;
    let data_type = left.data_type.clone();
    Ok(TypedExpr::new(binary(left.expr, op, right.expr), data_type))
}

/// An operand, and its precision and scale.
type DecimalOperand = (TypedExpr, (u8, i8));

fn decimal_arithmetic(
    (left, a): DecimalOperand,
    op: Operator,
    (right, b): DecimalOperand,
) -> Result<TypedExpr, Error> {
    let is_product = op == Operator::Multiply;
    let scale = if is_product { a.1 + b.1 } else { a.1.max(b.1) };
    let digits = if is_product {
        i16::from(a.0) + i16::from(b.0) + 1
    } else {
        whole_digits(a).max(whole_digits(b)) + i16::from(scale) + 1
    };
    // Beyond that Spark gives up digits of the scale.
    let precision = match u8::try_from(digits) {
        Ok(precision) if precision <= MAX_PRECISION => precision,
        _ => return Err(own_type(&left, op, &right)),
    };
    let left = left.widen(&DataType::Decimal128(a.0, a.1))?;
    let right = right.widen(&DataType::Decimal128(b.0, b.1))?;
    Ok(TypedExpr::new(
        binary(left.expr, op, right.expr),
        DataType::Decimal128(precision, scale),
    ))
}

fn own_type(left: &TypedExpr, op: Operator, right: &TypedExpr) -> Error {
    let (a, b) = (&left.data_type, &right.data_type);
    Error::unsupported(format!("{a} {op} {b} has a type of Spark's own"))
}

/// Divides, or takes the rest, by a literal other than zero: else Spark's answer depends on its settings.
pub(crate) fn divide(left: TypedExpr, op: Operator, right: TypedExpr) -> Result<TypedExpr, Error> {
    let divisor = right
        .value()
        .and_then(|value| value.cast_to(&DataType::Float64).ok());
    let is_safe = matches!(divisor, Some(ScalarValue::Float64(Some(value))) if value != 0.0);
    let is_whole = is_integer(&left.data_type) && is_integer(&right.data_type);
    let is_divisible =
        |of: &TypedExpr| is_integer(&of.data_type) || of.data_type == DataType::Float64;
    match op {
        Operator::Modulo if is_safe && is_whole => {
            let (left, right) = align(left, right)?;
            let data_type = left.data_type.clone();
            Ok(TypedExpr::new(binary(left.expr, op, right.expr), data_type))
        }
        // Spark divides integers as doubles.
        Operator::Divide if is_safe && is_divisible(&left) && is_divisible(&right) => {
            let left = left.cast(&DataType::Float64)?;
            let right = right.cast(&DataType::Float64)?;
            let quotient = binary(left.expr, op, right.expr);
            Ok(TypedExpr::new(quotient, DataType::Float64))
        }
        _ => Err(Error::unsupported(format!(
            "{op} is known for a literal divisor alone, other than 0"
        ))),
    }
}

/// Changes the sign.
pub(crate) fn negate(operand: TypedExpr) -> Result<TypedExpr, Error> {
    // Zero's sign would be lost.
    if operand.data_type.is_floating() {
        let negative = Expr::Negative(Box::new(operand.expr));
        return Ok(TypedExpr::new(negative, operand.data_type));
    }
    let zero = TypedExpr::literal(ScalarValue::Int8(Some(0)));
    arithmetic(zero, Operator::Minus, operand)
}

/// Gives the first branch whose condition is true, all of one type.
pub(crate) fn conditional(
    branches: Vec<(Expr, TypedExpr)>,
    otherwise: Option<TypedExpr>,
) -> Result<TypedExpr, Error> {
    let mut widest = match &otherwise {
        Some(otherwise) => otherwise.clone(),
        None => TypedExpr::literal(ScalarValue::Null),
    };
    for (_, result) in &branches {
        (widest, _) = align(widest, result.clone())?;
    }
    let widen = |result: TypedExpr| -> Result<Box<Expr>, Error> {
        let (wide, _) = align(result, widest.clone())?;
        Ok(Box::new(wide.expr))
    };
    let mut when_then = Vec::with_capacity(branches.len());
    for (condition, result) in branches {
        when_then.push((Box::new(condition), widen(result)?));
    }
    let case = Case::new(None, when_then, otherwise.map(widen).transpose()?);
    Ok(TypedExpr::new(Expr::Case(case), widest.data_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_values, refusal, try_values, typed};

    #[test]
    fn nan_is_the_largest_and_zeros_are_equal() {
        assert_values(&[
            ("d > 1e308", ["false", "true", "false", "null"]),
            ("d = d", ["true", "true", "true", "null"]),
            ("f = 0", ["false", "false", "true", "null"]),
            ("d < 0", ["false", "false", "false", "null"]),
        ]);
    }

    #[test]
    fn two_nulls_are_the_same_to_the_spaceship_alone() {
        assert_values(&[
            ("i <=> NULL", ["false", "false", "false", "true"]),
            ("i = NULL", ["null"; 4]),
            ("o <=> (i = 7)", ["true", "true", "false", "true"]),
        ]);
    }

    #[test]
    fn conditions_have_three_values() {
        assert_values(&[
            ("o AND i > 0", ["true", "false", "false", "null"]),
            ("o OR i = 0", ["true", "false", "true", "null"]),
            ("NOT o", ["false", "true", "null", "null"]),
            ("o AND NULL", ["null", "false", "null", "null"]),
        ]);
        assert!(refusal("i AND o").contains("no condition"));
    }

    #[test]
    fn integers_are_computed_in_the_wider_type() {
        assert_values(&[
            ("b + 1", ["2", "-127", "1", "null"]),
            ("2L * b", ["2", "-256", "0", "null"]),
        ]);
        assert_eq!(typed("b - i").data_type, DataType::Int32);
    }

    #[test]
    fn an_overflow_raises() {
        for text in ["i - 1", "l * 2", "-b", "b + b", "-i"] {
            assert!(try_values(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_keep_all_digits_or_are_refused() {
        assert_values(&[
            ("m + 1", ["2.25", "-9999998.99", "1.00", "null"]),
            ("m * 0.5", ["0.625", "-4999999.995", "0.000", "null"]),
            ("-m", ["-1.25", "9999999.99", "0.00", "null"]),
        ]);
        assert_eq!(typed("m * m").data_type, DataType::Decimal128(19, 4));
        assert_eq!(typed("m - l").data_type, DataType::Decimal128(22, 2));
        let wide = "CAST(l AS decimal(38, 0))";
        assert!(refusal(&format!("{wide} + m")).contains("Spark's own"));
    }

    #[test]
    fn what_is_no_number_is_not_computed() {
        for text in ["y + 1", "s + 1", "o * 2", "f + i", "f * NULL"] {
            refusal(text);
        }
    }

    #[test]
    fn integers_are_divided_as_doubles_by_literals() {
        assert_values(&[
            ("i / 2", ["3.5", "-1073741824.0", "0.0", "null"]),
            ("i % 4", ["3", "0", "0", "null"]),
            ("-7 % 4", ["-3"; 4]),
            ("d / 2", ["1.25", "NaN", "-0.0", "null"]),
        ]);
        for text in ["i / 0", "i / b", "i % b", "d % 2", "m / 2", "i / NULL"] {
            refusal(text);
        }
    }

    #[test]
    fn a_minus_keeps_the_sign_of_zero() {
        assert_values(&[("-d", ["-2.5", "NaN", "0.0", "null"])]);
    }

    #[test]
    fn branches_have_one_type() {
        assert_values(&[
            (
                "CASE WHEN i > 0 THEN b WHEN i = 0 THEN l ELSE 5 END",
                ["1", "5", "0", "5"],
            ),
            ("CASE WHEN o THEN m END", ["1.25", "null", "null", "null"]),
        ]);
        assert_eq!(
            typed("CASE WHEN o THEN b ELSE 1 END").data_type,
            DataType::Int32
        );
        refusal("CASE WHEN o THEN 1 ELSE 'a' END");
    }
}
