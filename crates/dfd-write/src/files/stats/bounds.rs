//! Bounds of a column's values, as the log writes them.

use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use chrono::{Datelike, NaiveDateTime};
use datafusion::common::ScalarValue;
use serde_json::Value;

/// Characters of a text in a bound; longer texts are cut.
const MAX_CHARACTERS: usize = 32;

/// The most that is kept of a text to find an upper bound, in the units of UTF-16 that Java counts.
const MAX_UTF16_UNITS: usize = 2 * MAX_CHARACTERS;

/// How long bounds in the footer must be: [`MAX_UTF16_UNITS`] and more, of four bytes each. Parquet's own
/// default is less.
pub(crate) const FOOTER_BOUND_BYTES: usize = 512;

/// The largest character of ASCII, which a cut text ends in if what follows is ASCII.
const ASCII_MAX: char = '\u{7f}';

/// Which end of a column's values a bound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The lower one.
    Min,
    /// The upper one.
    Max,
}

/// Gives a bound as JSON; None where there is no text for it that readers understand.
///
/// A bound that isn't exact is a text that Parquet has cut.
pub(crate) fn bound_json(bound: &ScalarValue, end: End, is_exact: bool) -> Option<String> {
    use ScalarValue as S;
    Some(match bound {
        S::Int8(Some(value)) => value.to_string(),
        S::Int16(Some(value)) => value.to_string(),
        S::Int32(Some(value)) => value.to_string(),
        S::Int64(Some(value)) => value.to_string(),
        // The digits of a 32-bit float, not those that it has as a 64-bit one.
        S::Float32(Some(value)) => float_json(value.to_string().parse().ok()?)?,
        S::Float64(Some(value)) => float_json(*value)?,
        S::Decimal128(Some(_), ..) => bound.to_string(),
        S::Date32(Some(days)) => {
            let date = four_digit_year(date32_to_datetime(*days)?)?;
            quoted(&date.format("%Y-%m-%d").to_string())
        }
        // Cut to milliseconds at both ends: protocol.
        S::TimestampMicrosecond(Some(micros), zone) => {
            let whole_millis = micros.checked_sub(micros.rem_euclid(1000))?;
            let time = four_digit_year(timestamp_us_to_datetime(whole_millis)?)?;
            let suffix = if zone.is_some() { "Z" } else { "" };
            quoted(&format!("{}{suffix}", time.format("%Y-%m-%dT%H:%M:%S%.3f")))
        }
        S::Utf8(Some(text)) => match end {
            End::Min => quoted(&prefix(text, MAX_CHARACTERS)),
            End::Max => quoted(&upper_bound(text, is_exact)?),
        },
        _ => return None,
    })
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Gives a float as JSON, which has no infinities; of the zeros, which Parquet keeps apart, one is enough.
fn float_json(value: f64) -> Option<String> {
    let number = serde_json::Number::from_f64(value + 0.0)?;
    Some(number.to_string())
}

/// Gives the time if its year has four digits; beyond, readers differ.
fn four_digit_year(time: NaiveDateTime) -> Option<NaiveDateTime> {
    (1..=9999).contains(&time.year()).then_some(time)
}

fn prefix(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// Gives a text that is no less than this one and all that begin alike.
///
/// As Delta-Spark makes it: the first characters, and one that is larger than the next. Where the next is
/// the largest there is, it is kept too; None where that would become too long.
fn upper_bound(text: &str, is_exact: bool) -> Option<String> {
    // Where Parquet has cut a text and made it larger, its first characters are as they were.
    if !is_exact && text.chars().nth(MAX_UTF16_UNITS).is_none() {
        return None;
    }
    let mut kept = MAX_CHARACTERS;
    loop {
        match text.chars().nth(kept) {
            None => return Some(text.to_owned()),
            Some(char::MAX) => kept += 1,
            Some(next) => {
                let tie_breaker = if next < ASCII_MAX {
                    ASCII_MAX
                } else {
                    char::MAX
                };
                let mut upper = prefix(text, kept);
                upper.push(tie_breaker);
                return Some(upper);
            }
        }
        if prefix(text, kept).encode_utf16().count() > MAX_UTF16_UNITS {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_after_32_characters() {
        let text = |text: &str| ScalarValue::from(text);
        let both = |value: &str| {
            let upper = bound_json(&text(value), End::Max, true);
            (bound_json(&text(value), End::Min, true), upper)
        };
        let short = "é".repeat(32);
        let same = Some(format!("\"{short}\""));
        assert_eq!(both(&short), (same.clone(), same));
        let ascii = format!("{}{}", "a".repeat(32), "b");
        let upper = format!("\"{}\u{7f}\"", "a".repeat(32));
        assert_eq!(
            both(&ascii),
            (Some(format!("\"{}\"", "a".repeat(32))), Some(upper))
        );
        let wide = format!("{}{}", "a".repeat(32), "\u{7f}");
        let upper = format!("\"{}\u{10ffff}\"", "a".repeat(32));
        assert_eq!(both(&wide).1, Some(upper));
        let largest = format!("{}{}", "a".repeat(32), char::MAX);
        assert_eq!(both(&largest).1, Some(format!("\"{largest}\"")));
        assert_eq!(
            both(&format!("{}z", char::MAX.to_string().repeat(80))).1,
            None
        );
    }

    #[test]
    fn times_are_cut_downwards() {
        let at = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        for end in [End::Min, End::Max] {
            let text = "\"1969-12-31T23:59:59.999Z\"";
            assert_eq!(bound_json(&at(-1), end, true).as_deref(), Some(text));
        }
        assert_eq!(bound_json(&at(i64::MIN), End::Min, true), None);
        let local = ScalarValue::TimestampMicrosecond(Some(1_500), None);
        let text = bound_json(&local, End::Min, true);
        assert_eq!(text.as_deref(), Some("\"1970-01-01T00:00:00.001\""));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let decimal =
            ScalarValue::Decimal128(Some(-12_345_678_901_234_567_890_123_456_789), 38, 10);
        let text = bound_json(&decimal, End::Min, true);
        assert_eq!(text.as_deref(), Some("-1234567890123456789.0123456789"));
        let float = bound_json(&ScalarValue::Float32(Some(0.1)), End::Min, true);
        assert_eq!(float.as_deref(), Some("0.1"));
        assert_eq!(
            bound_json(&ScalarValue::Float64(Some(-0.0)), End::Min, true).as_deref(),
            Some("0.0")
        );
        assert_eq!(
            bound_json(&ScalarValue::Float64(Some(f64::INFINITY)), End::Max, true),
            None
        );
    }

    #[test]
    fn years_of_other_than_four_digits_have_no_bound() {
        let date = |days| bound_json(&ScalarValue::Date32(Some(days)), End::Min, true);
        assert_eq!(date(0).as_deref(), Some("\"1970-01-01\""));
        assert_eq!(date(-719_162).as_deref(), Some("\"0001-01-01\""));
        assert_eq!(date(-719_163), None);
        assert_eq!(date(2_932_896).as_deref(), Some("\"9999-12-31\""));
        assert_eq!(date(2_932_897), None);
    }

    #[test]
    fn types_without_an_order_that_readers_know_have_no_bound() {
        for value in [
            ScalarValue::from(true),
            ScalarValue::Binary(Some(b"x".to_vec())),
        ] {
            assert_eq!(bound_json(&value, End::Max, true), None);
        }
        assert_eq!(bound_json(&ScalarValue::Int64(None), End::Min, true), None);
    }

    #[test]
    fn texts_are_quoted_as_json() {
        let text = ScalarValue::from("a\"b\n");
        assert_eq!(
            bound_json(&text, End::Min, true).as_deref(),
            Some(r#""a\"b\n""#)
        );
    }

    #[test]
    fn a_text_that_parquet_has_cut_is_an_upper_bound_only_where_it_is_long() {
        let short = ScalarValue::from("a".repeat(40).as_str());
        assert_eq!(bound_json(&short, End::Max, false), None);
        assert!(bound_json(&short, End::Max, true).is_some());
        let long = ScalarValue::from("a".repeat(128).as_str());
        let upper = format!("\"{}\u{7f}\"", "a".repeat(32));
        assert_eq!(bound_json(&long, End::Max, false), Some(upper));
    }
}
