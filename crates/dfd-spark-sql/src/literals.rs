//! Literals and type names as Spark reads them.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo, TimezoneInfo, Value};

use crate::error::Error;

/// The most digits that a decimal has.
const MAX_PRECISION: u8 = 38;

/// Spark's TIMESTAMP_NTZ: a time without a zone.
pub(crate) const TIMESTAMP_NTZ: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// Spark's TIMESTAMP: an instant.
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The value of a literal, with a minus before it or not.
pub(crate) fn literal(value: &Value, is_negative: bool) -> Result<ScalarValue, Error> {
    match value {
        Value::Number(text, is_long) => number(text, *is_long, is_negative),
        // A doubled quote is one quote to some versions of Spark, and nothing to others.
        Value::SingleQuotedString(text) if !is_negative && !text.contains('\'') => {
            Ok(ScalarValue::Utf8(Some(text.clone())))
        }
        Value::DoubleQuotedString(text) if !is_negative && !text.contains('"') => {
            Ok(ScalarValue::Utf8(Some(text.clone())))
        }
        Value::Boolean(value) if !is_negative => Ok(ScalarValue::Boolean(Some(*value))),
        Value::Null if !is_negative => Ok(ScalarValue::Null),
        other => Err(Error::unsupported(format!(
            "the literal {other} isn't understood"
        ))),
    }
}

/// `1` is an int, or a bigint where it doesn't fit or has an L; `1.0` a decimal; `1e0` a double.
fn number(text: &str, is_long: bool, is_negative: bool) -> Result<ScalarValue, Error> {
    let sign = if is_negative { "-" } else { "" };
    let signed = format!("{sign}{text}");
    if let Some(value) = signed.parse::<i32>().ok().filter(|_| !is_long) {
        return Ok(ScalarValue::Int32(Some(value)));
    }
    if let Ok(value) = signed.parse::<i64>() {
        return Ok(ScalarValue::Int64(Some(value)));
    }
    let parsed = if text.contains(['e', 'E']) {
        let value = signed.parse::<f64>().ok();
        value.map(|value| ScalarValue::Float64(Some(value)))
    } else {
        decimal(text, is_negative)
    };
    parsed.ok_or_else(|| Error::unsupported(format!("the number {signed} isn't understood")))
}

/// A decimal of as many digits as are written, but for zeros at the front.
fn decimal(text: &str, is_negative: bool) -> Option<ScalarValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let written = format!("{whole}{fraction}");
    let digits = written.trim_start_matches('0');
    let scale = i8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(digits.len().max(fraction.len()).max(1)).ok()?;
    if precision > MAX_PRECISION {
        return None;
    }
    let magnitude: i128 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    let unscaled = if is_negative { -magnitude } else { magnitude };
    Some(ScalarValue::Decimal128(Some(unscaled), precision, scale))
}

/// The value of a date or a time in ISO 8601; times without a zone are UTC.
pub(crate) fn datetime(text: &str, to: &DataType) -> Result<ScalarValue, Error> {
    if !is_iso(text, to) {
        return Err(Error::unsupported(format!(
            "the text '{text}' is read as {to} in a way of Spark's own"
        )));
    }
    Ok(ScalarValue::try_from_string(text.to_owned(), to)?)
}

/// Whether a text is in the one form that every version of Spark reads alike.
fn is_iso(text: &str, to: &DataType) -> bool {
    let has_zone = !matches!(to, DataType::Timestamp(_, None));
    let as_zero = |character: char| match character.is_ascii_digit() {
        true => '0',
        false => character,
    };
    let shape: String = text.chars().map(as_zero).collect();
    let local = match shape.strip_suffix('Z') {
        Some(before_zone) if has_zone => before_zone,
        _ => &shape,
    };
    let Some(time) = local.strip_prefix("0000-00-00") else {
        return false;
    };
    if time.is_empty() {
        // A date has no zone.
        return text.len() == 10;
    }
    let seconds = time
        .strip_prefix([' ', 'T'])
        .and_then(|time| time.strip_prefix("00:00:00"));
    let is_fraction =
        |digits: &str| (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit == b'0');
    *to != DataType::Date32
        && seconds
            .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(is_fraction))
}

/// The type that a cast or a typed literal names.
pub(crate) fn sql_type(sql: &SqlType) -> Result<DataType, Error> {
    let unknown = || Error::unsupported(format!("the type {sql} isn't understood"));
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
        SqlType::Timestamp(None, TimezoneInfo::None) => timestamp(),
        SqlType::TimestampNtz(None) => TIMESTAMP_NTZ,
        SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            let within = u8::try_from(*precision)
                .ok()
                .filter(|found| *found <= MAX_PRECISION);
            let precision = within.ok_or_else(unknown)?;
            let scale = i8::try_from(*scale).map_err(|_| unknown())?;
            DataType::Decimal128(precision, scale)
        }
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_values, refusal, typed, values};

    #[test]
    fn integers_are_ints_unless_they_are_too_large_or_long() {
        let wanted = [
            ("1", ScalarValue::Int32(Some(1))),
            ("-2147483648", ScalarValue::Int32(Some(i32::MIN))),
            ("2147483648", ScalarValue::Int64(Some(1 << 31))),
            ("5L", ScalarValue::Int64(Some(5))),
            ("-9223372036854775808", ScalarValue::Int64(Some(i64::MIN))),
        ];
        for (text, value) in wanted {
            assert_eq!(typed(text).value(), Some(&value), "{text}");
        }
    }

    #[test]
    fn decimals_have_the_digits_that_are_written() {
        let wanted = [
            ("1.0", ScalarValue::Decimal128(Some(10), 2, 1)),
            ("-001.25", ScalarValue::Decimal128(Some(-125), 3, 2)),
            ("0.001", ScalarValue::Decimal128(Some(1), 3, 3)),
            ("0.0", ScalarValue::Decimal128(Some(0), 1, 1)),
            (
                "9223372036854775808",
                ScalarValue::Decimal128(Some(1 << 63), 19, 0),
            ),
        ];
        for (text, value) in wanted {
            assert_eq!(typed(text).value(), Some(&value), "{text}");
        }
        assert!(refusal(&"9".repeat(39)).contains("isn't understood"));
    }

    #[test]
    fn an_exponent_makes_a_double() {
        for (text, value) in [("1e0", 1.0), ("-1.5E-3", -0.0015)] {
            assert_eq!(typed(text).value(), Some(&ScalarValue::from(value)));
        }
    }

    #[test]
    fn texts_have_either_quote_and_none_inside() {
        assert_eq!(typed("'a\"b'").text(), Some("a\"b"));
        assert_eq!(typed("\"it's\"").text(), Some("it's"));
        for text in ["'it''s'", "\"a\"\"b\"", r"'a\nb'", "-'a'", "X'00'"] {
            refusal(text);
        }
    }

    #[test]
    fn dates_and_times_are_read_in_one_form() {
        let date = typed("DATE '2020-02-29'");
        assert_eq!(date.value(), Some(&ScalarValue::Date32(Some(18_321))));
        let micros = Some(1_500_000);
        let utc = Some("UTC".into());
        for text in ["1970-01-01 00:00:01.5", "1970-01-01T00:00:01.500000Z"] {
            let found = typed(&format!("TIMESTAMP '{text}'"));
            let wanted = ScalarValue::TimestampMicrosecond(micros, utc.clone());
            assert_eq!(found.value(), Some(&wanted));
        }
        let local = typed("TIMESTAMP_NTZ '1970-01-01 00:00:01.5'");
        let wanted = ScalarValue::TimestampMicrosecond(micros, None);
        assert_eq!(local.value(), Some(&wanted));
    }

    #[test]
    fn other_forms_of_dates_and_times_are_refused() {
        for text in [
            "DATE '2020-2-9'",
            "DATE '2020-02-29Z'",
            "DATE '2020-02-30'",
            "DATE '2020-02-29 00:00:00'",
            "TIMESTAMP '2020-02-29 00:00'",
            "TIMESTAMP '2020-02-29 00:00:00+01:00'",
            "TIMESTAMP '2020-02-29 00:00:00.1234567'",
            "TIMESTAMP_NTZ '2020-02-29 00:00:00Z'",
            "y > 'today'",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn names_of_types_are_sparks() {
        assert_values(&[
            ("CAST(b AS smallint)", ["1", "-128", "0", "null"]),
            ("CAST(b AS STRING)", ["1", "-128", "0", "null"]),
            ("CAST(b AS decimal(5, 1))", ["1.0", "-128.0", "0.0", "null"]),
            ("CAST(b AS float)", ["1.0", "-128.0", "0.0", "null"]),
        ]);
        for kind in ["decimal", "decimal(39, 0)", "char(3)", "interval", "int[]"] {
            refusal(&format!("CAST(b AS {kind})"));
        }
    }

    #[test]
    fn true_and_null_are_literals() {
        assert_eq!(values("TRUE"), ["true"; 4]);
        assert_eq!(typed("NULL").data_type, DataType::Null);
    }
}
