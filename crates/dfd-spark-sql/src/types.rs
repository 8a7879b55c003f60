//! Types of expressions, and the common type that Spark gives two of them.
//!
//! The rules are Spark's of ANSI mode. Where its answer would depend on a setting, the value is an
//! error when it is computed; where it would depend on rounding, the expression is refused.

use std::num::ParseFloatError;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast};

use crate::error::Error;
use crate::literals::datetime;

/// Integers up to this are floats of 32 bits too.
const MAX_EXACT_FLOAT: u64 = 1 << 24;

/// An expression of DataFusion and the type of its values.
#[derive(Debug, Clone)]
pub struct TypedExpr {
    /// The expression.
    pub expr: Expr,
    /// The type of its values, as Spark has it.
    pub data_type: DataType,
}

impl TypedExpr {
    /// Pairs an expression with its type.
    pub fn new(expr: Expr, data_type: DataType) -> Self {
        Self { expr, data_type }
    }

    pub(crate) fn literal(value: ScalarValue) -> Self {
        let data_type = value.data_type();
        Self::new(Expr::Literal(value, None), data_type)
    }

    pub(crate) fn boolean(expr: Expr) -> Self {
        Self::new(expr, DataType::Boolean)
    }

    /// The value, if the expression is a literal.
    pub fn value(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        }
    }

    /// The text, if the expression is a literal that is one.
    pub fn text(&self) -> Option<&str> {
        self.value()?.try_as_str().flatten()
    }

    /// Gives the same values in a type that holds all values of this one.
    pub(crate) fn widen(self, to: &DataType) -> Result<Self, Error> {
        if self.data_type == *to {
            return Ok(self);
        }
        match self.value() {
            Some(value) => Ok(Self::literal(value.cast_to(to)?)),
            None => Ok(Self::new(cast(self.expr, to.clone()), to.clone())),
        }
    }

    /// Casts as Spark's CAST does.
    ///
    /// # Errors
    /// The two engines have different ideas of the cast, and not only of whether it fails.
    pub fn cast(self, to: &DataType) -> Result<Self, Error> {
        if self.data_type == *to {
            return Ok(self);
        }
        if let (DataType::Date32 | DataType::Timestamp(..), Some(text)) = (to, self.text()) {
            return Ok(Self::literal(datetime(text, to)?));
        }
        if !is_same_cast(&self.data_type, to) {
            let from = self.data_type;
            return Err(Error::unsupported(format!(
                "a cast of {from} to {to} is Spark's own"
            )));
        }
        match &self.expr {
            Expr::Literal(value, _) if value.is_null() => {
                Ok(Self::literal(ScalarValue::try_from(to)?))
            }
            _ => Ok(Self::new(cast(self.expr, to.clone()), to.clone())),
        }
    }
}

/// Whether DataFusion casts as Spark does, or fails where Spark's value is another.
fn is_same_cast(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Null, _)
        | (T::Date32, T::Utf8 | T::Timestamp(..))
        | (T::Timestamp(..), T::Date32)
        | (T::Float32, T::Float64)
        | (T::Boolean, T::Utf8) => true,
        (T::Decimal128(p, s), T::Decimal128(to_p, to_s)) => {
            to_s >= s && whole_digits((*to_p, *to_s)) >= whole_digits((*p, *s))
        }
        (integer, T::Float32 | T::Float64 | T::Utf8 | T::Decimal128(..)) => is_integer(integer),
        (a, b) => is_integer(a) && is_integer(b),
    }
}

/// An integer's width in decimal digits.
fn digits(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    }
}

pub(crate) fn is_integer(data_type: &DataType) -> bool {
    digits(data_type).is_some()
}

/// Precision and scale of the decimal that holds the type's values.
pub(crate) fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        other => digits(other).map(|digits| (digits, 0)),
    }
}

/// Digits before the point of a decimal of this precision and scale.
pub(crate) fn whole_digits((precision, scale): (u8, i8)) -> i16 {
    i16::from(precision) - i16::from(scale)
}

/// The decimal that holds the values of both.
fn common_decimal(left: (u8, i8), right: (u8, i8)) -> Option<DataType> {
    let scale = left.1.max(right.1);
    let precision = whole_digits(left).max(whole_digits(right)) + i16::from(scale);
    let within = u8::try_from(precision).ok().filter(|found| *found <= 38)?;
    Some(DataType::Decimal128(within, scale))
}

/// Brings both to the type in which Spark compares them, or in which they become one result.
pub(crate) fn align(left: TypedExpr, right: TypedExpr) -> Result<(TypedExpr, TypedExpr), Error> {
    let to = common_type(&left, &right)?;
    Ok((convert(left, &to)?, convert(right, &to)?))
}

fn common_type(left: &TypedExpr, right: &TypedExpr) -> Result<DataType, Error> {
    use DataType as T;
    let (a, b) = (&left.data_type, &right.data_type);
    let found = match (a, b) {
        _ if a == b => (!a.is_nested()).then(|| a.clone()),
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (T::Utf8, T::Date32 | T::Timestamp(..)) if left.text().is_some() => Some(b.clone()),
        (T::Date32 | T::Timestamp(..), T::Utf8) if right.text().is_some() => Some(a.clone()),
        (T::Date32, T::Timestamp(..)) => Some(b.clone()),
        (T::Timestamp(..), T::Date32) => Some(a.clone()),
        _ => common_number(left, right),
    };
    found.ok_or_else(|| {
        Error::unsupported(format!("{a} and {b} are compared in a way of Spark's own"))
    })
}

/// The common type of two numbers of different types.
fn common_number(left: &TypedExpr, right: &TypedExpr) -> Option<DataType> {
    use DataType as T;
    let (a, b) = (&left.data_type, &right.data_type);
    match (a, b) {
        (T::Float64, T::Float32) | (T::Float32, T::Float64) => Some(T::Float64),
        // Spark's own common type is a float for some, but a literal is the same in both.
        (T::Float32 | T::Float64, T::Decimal128(..)) => right.value().map(|_| T::Float64),
        (T::Decimal128(..), T::Float32 | T::Float64) => left.value().map(|_| T::Float64),
        (T::Float64, other) | (other, T::Float64) => is_integer(other).then_some(T::Float64),
        (T::Float32, other) => (is_integer(other) && is_exact_float(right)).then_some(T::Float32),
        (other, T::Float32) => (is_integer(other) && is_exact_float(left)).then_some(T::Float32),
        _ => match (digits(a), digits(b)) {
            (Some(left), Some(right)) => Some(if left > right { a.clone() } else { b.clone() }),
            _ => common_decimal(as_decimal(a)?, as_decimal(b)?),
        },
    }
}

/// Whether a literal integer is the same as a 32-bit float.
fn is_exact_float(literal: &TypedExpr) -> bool {
    let value = literal
        .value()
        .and_then(|value| value.cast_to(&DataType::Int64).ok());
    matches!(value, Some(ScalarValue::Int64(Some(value))) if value.unsigned_abs() <= MAX_EXACT_FLOAT)
}

fn convert(from: TypedExpr, to: &DataType) -> Result<TypedExpr, Error> {
    match (from.text(), from.value(), to) {
        (Some(text), _, DataType::Date32 | DataType::Timestamp(..)) => {
            Ok(TypedExpr::literal(datetime(text, to)?))
        }
        // Through the text, which rounds once, as Java does.
        (_, Some(value @ ScalarValue::Decimal128(Some(_), ..)), DataType::Float64) => {
            let text = value.to_string();
            let number = text
                .parse()
                .map_err(|error: ParseFloatError| Error::unsupported(error.to_string()))?;
            Ok(TypedExpr::literal(ScalarValue::Float64(Some(number))))
        }
        _ => from.widen(to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_values, refusal, typed};

    fn aligned(left: &str, right: &str) -> Result<DataType, String> {
        let pair = align(typed(left), typed(right)).map_err(|error| error.to_string())?;
        assert_eq!(pair.0.data_type, pair.1.data_type);
        Ok(pair.0.data_type)
    }

    #[test]
    fn the_wider_integer_is_the_common_type() {
        assert_eq!(aligned("b", "i"), Ok(DataType::Int32));
        assert_eq!(aligned("l", "i"), Ok(DataType::Int64));
        assert_eq!(aligned("NULL", "b"), Ok(DataType::Int8));
    }

    #[test]
    fn decimals_hold_both_operands_or_are_refused() {
        assert_eq!(aligned("m", "b"), Ok(DataType::Decimal128(9, 2)));
        assert_eq!(aligned("l", "m"), Ok(DataType::Decimal128(21, 2)));
        let wide = "CAST(m AS decimal(38, 19))";
        assert_eq!(aligned(wide, "l"), Ok(DataType::Decimal128(38, 19)));
        assert!(aligned("CAST(m AS decimal(38, 20))", "l").is_err());
    }

    #[test]
    fn floats_meet_other_numbers_where_no_value_is_rounded() {
        assert_eq!(aligned("f", "d"), Ok(DataType::Float64));
        assert_eq!(aligned("d", "l"), Ok(DataType::Float64));
        assert_eq!(aligned("f", "16777216"), Ok(DataType::Float32));
        assert!(aligned("f", "16777217").is_err());
        assert!(aligned("f", "i").is_err());
        assert_eq!(aligned("0.1", "f"), Ok(DataType::Float64));
        assert!(aligned("m", "d").is_err());
    }

    #[test]
    fn a_decimal_literal_is_rounded_to_a_double_once() {
        assert_values(&[("d = 2.5", ["true", "false", "false", "null"])]);
        let (decimal, _) = align(typed("0.1"), typed("d")).unwrap();
        assert_eq!(decimal.value(), Some(&ScalarValue::from(0.1)));
    }

    #[test]
    fn dates_meet_times_and_literal_texts() {
        assert_eq!(
            aligned("y", "at"),
            Ok(DataType::clone(&typed("at").data_type))
        );
        assert_eq!(aligned("'2020-01-01'", "y"), Ok(DataType::Date32));
        assert!(aligned("s", "y").is_err());
        assert!(aligned("s", "i").is_err());
    }

    #[test]
    fn structs_are_not_compared() {
        assert!(refusal("r = r").contains("Spark's own"));
    }

    #[test]
    fn casts_keep_the_value_or_raise() {
        assert_values(&[
            ("CAST(f AS double)", ["1.5", "NaN", "-0.0", "null"]),
            ("CAST(o AS string)", ["true", "false", "null", "null"]),
            (
                "CAST(m AS decimal(11, 3))",
                ["1.250", "-9999999.990", "0.000", "null"],
            ),
            (
                "CAST(at AS date)",
                ["2020-02-29", "1900-12-31", "1970-01-01", "null"],
            ),
            ("CAST('2020-01-01' AS date)", ["2020-01-01"; 4]),
            ("CAST(NULL AS int)", ["null"; 4]),
            ("CAST(s AS string)", ["Abc", "", "日本語", "null"]),
        ]);
    }

    #[test]
    fn casts_of_another_meaning_are_refused() {
        for text in [
            "CAST(d AS int)",
            "CAST(d AS string)",
            "CAST(m AS decimal(9, 1))",
            "CAST(m AS decimal(9, 3))",
            "CAST(m AS double)",
            "CAST(s AS int)",
            "CAST(s AS date)",
            "CAST(at AS string)",
            "CAST(i AS boolean)",
            "TRY_CAST(i AS bigint)",
        ] {
            refusal(text);
        }
    }
}
