//! Operands brought to the types that Spark compares and computes in.
//!
//! The rules are Spark's of ANSI mode. Where its answer would depend on a setting, the value is an
//! error when it is computed; where it would depend on rounding, the expression is refused.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, cast, lit, when};
use datafusion::prelude::isnan;

/// An expression and its type.
#[derive(Debug, Clone)]
pub struct Typed {
    pub expr: Expr,
    pub data_type: DataType,
}

/// Why an expression isn't known to mean the same here as in Spark.
pub type Refused = String;

impl Typed {
    pub fn new(expr: Expr, data_type: DataType) -> Self {
        Self { expr, data_type }
    }

    pub fn literal(value: ScalarValue) -> Self {
        let data_type = value.data_type();
        Self::new(Expr::Literal(value, None), data_type)
    }

    pub fn boolean(expr: Expr) -> Self {
        Self::new(expr, DataType::Boolean)
    }

    /// The value of a literal.
    pub fn value(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        self.value()?.try_as_str().flatten()
    }

    /// The same value in a type that holds all values of this one.
    fn widened(self, to: &DataType) -> Result<Self, Refused> {
        if self.data_type == *to {
            return Ok(self);
        }
        if let Some(value) = self.value() {
            let wide = value.cast_to(to).map_err(|error| error.to_string())?;
            return Ok(Self::literal(wide));
        }
        Ok(Self::new(cast(self.expr, to.clone()), to.clone()))
    }
}

pub const TIMESTAMP: fn() -> DataType =
    || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
pub const LOCAL_TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

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

pub fn is_integer(data_type: &DataType) -> bool {
    digits(data_type).is_some()
}

fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        other => digits(other).map(|digits| (digits, 0)),
    }
}

/// The decimal that holds the values of both.
fn common_decimal(left: (u8, i8), right: (u8, i8)) -> Option<DataType> {
    let scale = left.1.max(right.1);
    let whole = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let precision = whole(left).max(whole(right)) + i16::from(scale);
    let precision = u8::try_from(precision).ok().filter(|found| *found <= 38)?;
    Some(DataType::Decimal128(precision, scale))
}

/// The type in which both are compared, or become one result.
pub fn aligned(left: Typed, right: Typed) -> Result<(Typed, Typed), Refused> {
    let to = common(&left, &right)?;
    Ok((converted(left, &to)?, converted(right, &to)?))
}

fn common(left: &Typed, right: &Typed) -> Result<DataType, Refused> {
    use DataType as T;
    let (a, b) = (&left.data_type, &right.data_type);
    let refused = || Err(format!("{a} and {b} are compared in a way of Spark's own"));
    if a == b {
        return if a.is_nested() {
            refused()
        } else {
            Ok(a.clone())
        };
    }
    match (a, b) {
        (T::Null, other) | (other, T::Null) => Ok(other.clone()),
        (T::Utf8, T::Date32 | T::Timestamp(..)) if left.text().is_some() => Ok(b.clone()),
        (T::Date32 | T::Timestamp(..), T::Utf8) if right.text().is_some() => Ok(a.clone()),
        (T::Date32, T::Timestamp(..)) => Ok(b.clone()),
        (T::Timestamp(..), T::Date32) => Ok(a.clone()),
        (T::Float64, T::Float32) | (T::Float32, T::Float64) => Ok(T::Float64),
        // Spark's own common type is a float for some, but a literal is the same in both.
        (T::Float32, T::Decimal128(..)) if right.value().is_some() => Ok(T::Float64),
        (T::Decimal128(..), T::Float32) if left.value().is_some() => Ok(T::Float64),
        (T::Float64, T::Decimal128(..)) if right.value().is_some() => Ok(T::Float64),
        (T::Decimal128(..), T::Float64) if left.value().is_some() => Ok(T::Float64),
        (T::Float64, other) | (other, T::Float64) if is_integer(other) => Ok(T::Float64),
        (T::Float32, other) if is_integer(other) && is_exact_float(right) => Ok(T::Float32),
        (other, T::Float32) if is_integer(other) && is_exact_float(left) => Ok(T::Float32),
        _ => match (digits(a), digits(b), as_decimal(a), as_decimal(b)) {
            (Some(left), Some(right), ..) => Ok(if left > right { a.clone() } else { b.clone() }),
            (.., Some(left), Some(right)) => common_decimal(left, right).map_or_else(refused, Ok),
            _ => refused(),
        },
    }
}

/// Whether a literal integer is the same as a 32-bit float.
fn is_exact_float(literal: &Typed) -> bool {
    let value = literal
        .value()
        .and_then(|value| value.cast_to(&DataType::Int64).ok());
    matches!(value, Some(ScalarValue::Int64(Some(value))) if value.unsigned_abs() <= 1 << 24)
}

fn converted(from: Typed, to: &DataType) -> Result<Typed, Refused> {
    match (from.text(), from.value(), to) {
        (Some(text), _, DataType::Date32 | DataType::Timestamp(..)) => moment(text, to),
        // Through the text, which rounds once, as Java does.
        (_, Some(value @ ScalarValue::Decimal128(Some(_), ..)), DataType::Float64) => {
            let value = value.to_string().parse::<f64>();
            let value = value.map_err(|error| error.to_string())?;
            Ok(Typed::literal(ScalarValue::Float64(Some(value))))
        }
        _ => from.widened(to),
    }
}

/// A date or a time of its ISO text; times without a zone are UTC.
pub fn moment(text: &str, to: &DataType) -> Result<Typed, Refused> {
    let is_date = text.len() == 10;
    let shape: String = text
        .chars()
        .map(|character| {
            if character.is_ascii_digit() {
                '0'
            } else {
                character
            }
        })
        .collect();
    let is_local = matches!(to, DataType::Timestamp(_, None));
    let known = match shape
        .strip_suffix('Z')
        .filter(|_| !is_local)
        .unwrap_or(&shape)
    {
        "0000-00-00" => is_date,
        time => match time
            .strip_prefix("0000-00-00")
            .and_then(|time| time.strip_prefix([' ', 'T']))
        {
            Some(time) => {
                let fraction = time.strip_prefix("00:00:00");
                fraction.is_some_and(|fraction| {
                    fraction.is_empty()
                        || fraction.strip_prefix('.').is_some_and(|digits| {
                            (1..=6).contains(&digits.len())
                                && digits.bytes().all(|digit| digit == b'0')
                        })
                }) && *to != DataType::Date32
            }
            None => false,
        },
    };
    if !known {
        return Err(format!(
            "the text '{text}' is read as {to} in a way of Spark's own"
        ));
    }
    let value = ScalarValue::try_from_string(text.to_owned(), to);
    Ok(Typed::literal(value.map_err(|error| error.to_string())?))
}

/// `left op right` by Spark's order: NaN is the largest and equals itself, and the zeros are equal.
pub fn compare(left: Typed, op: Operator, right: Typed) -> Result<Typed, Refused> {
    let (left, right) = aligned(left, right)?;
    Ok(Typed::boolean(binary(ordered(left), op, ordered(right))))
}

pub fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn ordered(typed: Typed) -> Expr {
    let (nan, zero) = match typed.data_type {
        DataType::Float32 => (lit(f32::NAN), lit(0_f32)),
        DataType::Float64 => (lit(f64::NAN), lit(0_f64)),
        _ => return typed.expr,
    };
    let sum = binary(typed.expr.clone(), Operator::Plus, zero);
    let normal = when(isnan(typed.expr.clone()), nan).otherwise(sum);
    normal.unwrap_or(typed.expr)
}

/// `+`, `-`, `*`; integers raise where they overflow.
pub fn arithmetic(left: Typed, op: Operator, right: Typed) -> Result<Typed, Refused> {
    use DataType as T;
    let refused = |left: &Typed, right: &Typed| {
        let (a, b) = (&left.data_type, &right.data_type);
        Err(format!("{a} {op} {b} has a type of Spark's own"))
    };
    let is_number = |of: &Typed| of.data_type.is_numeric() || of.data_type == T::Null;
    if !is_number(&left) || !is_number(&right) {
        return refused(&left, &right);
    }
    if let (T::Decimal128(..), _) | (_, T::Decimal128(..)) = (&left.data_type, &right.data_type)
        && let (Some(a), Some(b)) = (as_decimal(&left.data_type), as_decimal(&right.data_type))
    {
        let whole = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
        let digits = match op {
            Operator::Multiply => i16::from(a.0) + i16::from(b.0) + 1,
            _ => whole(a).max(whole(b)) + i16::from(a.1.max(b.1)) + 1,
        };
        // Beyond that Spark gives up digits of the scale.
        if digits > 38 {
            return refused(&left, &right);
        }
        let left = left.widened(&T::Decimal128(a.0, a.1))?.expr;
        let right = right.widened(&T::Decimal128(b.0, b.1))?.expr;
        let scale = match op {
            Operator::Multiply => a.1 + b.1,
            _ => a.1.max(b.1),
        };
        let precision = u8::try_from(digits).unwrap_or(38);
        return Ok(Typed::new(
            binary(left, op, right),
            T::Decimal128(precision, scale),
        ));
    }
    // What a float and an integer make is a float to some versions and a double to others.
    let is_float = |of: &Typed| of.data_type == T::Float32;
    let is_other = |of: &Typed| !of.data_type.is_floating();
    if is_float(&left) && is_other(&right) || is_other(&left) && is_float(&right) {
        return refused(&left, &right);
    }
    let (left, right) = aligned(left, right)?;
    let data_type = left.data_type.clone();
    Ok(Typed::new(binary(left.expr, op, right.expr), data_type))
}

/// A cast of which Spark and DataFusion have the same idea, or of which a value that differs is an error.
pub fn converted_by_cast(from: Typed, to: &DataType) -> Result<Typed, Refused> {
    use DataType as T;
    let is_same = match (&from.data_type, to) {
        (a, b) if a == b => true,
        (T::Null, _) | (T::Date32, T::Utf8 | T::Timestamp(..)) | (T::Timestamp(..), T::Date32) => {
            true
        }
        (T::Utf8, T::Date32 | T::Timestamp(..)) => match from.text() {
            Some(text) => return moment(text, to),
            None => false,
        },
        (T::Float32, T::Float64) | (T::Boolean, T::Utf8) => true,
        (a, T::Float32 | T::Float64 | T::Utf8 | T::Decimal128(..)) if is_integer(a) => true,
        (T::Decimal128(p, s), T::Decimal128(to_p, to_s)) => {
            to_s >= s && i16::from(*to_p) - i16::from(*to_s) >= i16::from(*p) - i16::from(*s)
        }
        (a, b) => is_integer(a) && is_integer(b),
    };
    if !is_same {
        return Err(format!(
            "a cast of {} to {to} is Spark's own",
            from.data_type
        ));
    }
    let expr = match &from.expr {
        _ if from.data_type == *to => from.expr,
        Expr::Literal(value, _) if value.is_null() => {
            let null = ScalarValue::try_from(to).map_err(|error| error.to_string())?;
            Expr::Literal(null, None)
        }
        _ => cast(from.expr, to.clone()),
    };
    Ok(Typed::new(expr, to.clone()))
}
