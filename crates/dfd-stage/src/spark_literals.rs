//! Literals and names of types as Spark reads them.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo, TimezoneInfo, Value};

use crate::spark_types::{LOCAL_TIMESTAMP, Refused, TIMESTAMP, Typed};

/// A literal, with a minus before it or not.
pub fn literal(value: &Value, is_negative: bool) -> Result<Typed, Refused> {
    let scalar = match value {
        Value::Number(text, is_long) => return number(text, *is_long, is_negative),
        // A doubled quote is one quote to some versions of Spark, and nothing to others.
        Value::SingleQuotedString(text) if !is_negative && !text.contains('\'') => {
            ScalarValue::Utf8(Some(text.clone()))
        }
        Value::DoubleQuotedString(text) if !is_negative && !text.contains('"') => {
            ScalarValue::Utf8(Some(text.clone()))
        }
        Value::Boolean(value) if !is_negative => ScalarValue::Boolean(Some(*value)),
        Value::Null if !is_negative => ScalarValue::Null,
        other => return Err(format!("the literal {other} isn't understood")),
    };
    Ok(Typed::literal(scalar))
}

/// `1` is an int, or a bigint where it doesn't fit or has an L; `1.0` a decimal; `1e0` a double.
fn number(text: &str, is_long: bool, is_negative: bool) -> Result<Typed, Refused> {
    let signed = if is_negative {
        format!("-{text}")
    } else {
        text.to_owned()
    };
    let unknown = || format!("the number {signed} isn't understood");
    let scalar = if let Some(value) = signed.parse::<i32>().ok().filter(|_| !is_long) {
        ScalarValue::Int32(Some(value))
    } else if let Ok(value) = signed.parse::<i64>() {
        ScalarValue::Int64(Some(value))
    } else if text.contains(['e', 'E']) {
        ScalarValue::Float64(Some(signed.parse().map_err(|_| unknown())?))
    } else {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let scale = i8::try_from(fraction.len()).map_err(|_| unknown())?;
        let precision = u8::try_from(digits.len().max(fraction.len()).max(1));
        let precision = precision
            .ok()
            .filter(|found| *found <= 38)
            .ok_or_else(unknown)?;
        let unscaled = if digits.is_empty() {
            0
        } else {
            digits.parse::<i128>().map_err(|_| unknown())?
        };
        let unscaled = if is_negative { -unscaled } else { unscaled };
        ScalarValue::Decimal128(Some(unscaled), precision, scale)
    };
    Ok(Typed::literal(scalar))
}

/// The type that a cast or a typed literal names.
pub fn sql_type(sql: &SqlType) -> Result<DataType, Refused> {
    Ok(match sql {
        SqlType::TinyInt(None) => DataType::Int8,
        SqlType::SmallInt(None) => DataType::Int16,
        SqlType::Int(None) | SqlType::Integer(None) => DataType::Int32,
        SqlType::BigInt(None) => DataType::Int64,
        SqlType::Float(ExactNumberInfo::None) | SqlType::Real => DataType::Float32,
        SqlType::Double(ExactNumberInfo::None) => DataType::Float64,
        SqlType::Boolean => DataType::Boolean,
        SqlType::String(None) => DataType::Utf8,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp(None, TimezoneInfo::None) => TIMESTAMP(),
        SqlType::TimestampNtz(None) => LOCAL_TIMESTAMP,
        SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            let precision = u8::try_from(*precision).ok().filter(|found| *found <= 38);
            let scale = i8::try_from(*scale).ok();
            let (Some(precision), Some(scale)) = (precision, scale) else {
                return Err(format!("the type {sql} isn't understood"));
            };
            DataType::Decimal128(precision, scale)
        }
        other => return Err(format!("the type {other} isn't understood")),
    })
}
