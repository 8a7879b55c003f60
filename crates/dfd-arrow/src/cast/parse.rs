//! What gets lost when text is parsed: whether all of a text went into the value read from it.
//!
//! Arrow drops the digits that a decimal or a time stamp has no place for, and the time of a date,
//! and reads a number that is too large for a float as infinite.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use super::inexact::Inexact;
use super::strict::strict;

/// Fail at the first text of which something is missing in the value read from it.
pub(super) fn check_all_read(texts: &ArrayRef, read: &ArrayRef) -> Result<(), Inexact> {
    let to = read.data_type();
    let lost = match to {
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
            let places = places(*unit);
            first_lost(texts, |_, text| fraction_digits(text) > places)?
        }
        DataType::Date32 => first_lost(texts, |_, text| {
            let time = text
                .split_once(['T', 't', ' '])
                .map_or("", |(_, time)| time);
            time.contains(|c| ('1'..='9').contains(&c))
        })?,
        to if to.is_decimal() => {
            let written = strict(read, &DataType::Utf8)?;
            let numbers = written.as_string::<i32>();
            first_lost(texts, |row, text| {
                number(text).is_none() || number(text) != number(numbers.value(row))
            })?
        }
        to if to.is_floating() => {
            let wide = cast(read, &DataType::Float64)?;
            let floats = wide.as_primitive::<Float64Type>();
            first_lost(texts, |row, text| {
                floats.value(row).is_infinite() && text.contains(|c: char| c.is_ascii_digit())
            })?
        }
        _ => None,
    };
    match lost {
        None => Ok(()),
        Some(row) => Err(Inexact::value(texts, row, to)),
    }
}

/// The first row with a text of which something is lost.
fn first_lost(
    texts: &ArrayRef,
    is_lost: impl Fn(usize, &str) -> bool,
) -> Result<Option<usize>, Inexact> {
    let strings = strict(texts, &DataType::Utf8)?;
    let mut rows = strings.as_string::<i32>().iter().enumerate();
    Ok(rows.find_map(|(row, text)| is_lost(row, text?).then_some(row)))
}

/// The texts with numbers written without exponents, which Arrow reads wrongly into decimals.
pub(super) fn without_exponents(texts: &ArrayRef) -> Result<ArrayRef, Inexact> {
    let strings = strict(texts, &DataType::Utf8)?;
    let rows = strings.as_string::<i32>();
    if !rows.iter().flatten().any(|text| text.contains(['e', 'E'])) {
        return Ok(strings);
    }
    let plain = |text: &str| without_exponent(text).unwrap_or_else(|| text.to_owned());
    let written = rows.iter().map(|text| text.map(plain));
    Ok(Arc::new(written.collect::<StringArray>()))
}

/// The number without its exponent; None where it isn't one, or has more digits than a decimal.
fn without_exponent(text: &str) -> Option<String> {
    let (is_negative, digits, power) = number(text)?;
    let sign = if is_negative { "-" } else { "" };
    let zeros = usize::try_from(power.unsigned_abs()).ok()?;
    match power {
        ..-152 | 153.. => None,
        0.. => {
            let width = (digits.len() + zeros).max(1);
            Some(format!("{sign}{digits:0<width$}"))
        }
        _ => {
            let width = zeros + 1;
            let padded = format!("{digits:0>width$}");
            let (whole, fraction) = padded.split_at(padded.len() - zeros);
            Some(format!("{sign}{whole}.{fraction}"))
        }
    }
}

/// Digits of the fraction of a second that the unit has a place for.
fn places(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Digits of the fraction of a second, without zeros at its end.
fn fraction_digits(text: &str) -> usize {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap_or_default().trim_end_matches('0').len()
}

/// Sign, digits without zeros around them, and the power of ten of the last: equal for equal numbers.
fn number(text: &str) -> Option<(bool, String, i64)> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_negative = whole.starts_with('-');
    let all = format!("{}{fraction}", whole.trim_start_matches(['-', '+']));
    let integer = all.trim_start_matches('0');
    let digits = integer.trim_end_matches('0');
    if digits.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(integer.len() - digits.len()).ok()?;
    let power = exponent - i64::try_from(fraction.len()).ok()? + zeros;
    Some((is_negative, digits.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        for same in ["1.50", "+1.5", "15e-1", "0.15E1", "001.500", " 1.5"] {
            assert_eq!(number(same), number("1.5"), "{same}");
        }
        assert_eq!(number("-0.0"), number("0"));
        for other in ["-1.5", "1.51", "15", "0.15"] {
            assert_ne!(number(other), number("1.5"), "{other}");
        }
        assert_eq!(number("1e99999999999999999999"), None);
        for (folded, plain) in [
            ("15e-1", "1.5"),
            ("-1.5E2", "-150"),
            ("2e-3", "0.002"),
            ("0e9", "0"),
        ] {
            assert_eq!(without_exponent(folded).as_deref(), Some(plain));
        }
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    /// The row of the first text that Arrow reads less of than there is.
    fn lost(values: &[&str], to: &DataType) -> Option<usize> {
        let texts = texts(values);
        let read = strict(&texts, to).unwrap();
        check_all_read(&texts, &read).err().map(|error| error.row)
    }

    #[test]
    fn digits_that_a_decimal_has_no_place_for_are_missed() {
        let cents = DataType::Decimal128(10, 2);
        assert_eq!(lost(&["1.5", "-2.25", "3.10000", "007"], &cents), None);
        assert_eq!(lost(&["1.5", "2.251"], &cents), Some(1));
    }

    #[test]
    fn parts_of_seconds_that_a_unit_has_no_place_for_are_missed() {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        assert_eq!(lost(&["2020-01-01T00:00:00.120000"], &millis), None);
        assert_eq!(
            lost(&["2020-01-01", "2020-01-01T00:00:00.0001"], &millis),
            Some(1)
        );
        let seconds = DataType::Time32(TimeUnit::Second);
        assert_eq!(lost(&["10:00:00", "10:00:00.5"], &seconds), Some(1));
    }

    #[test]
    fn the_time_of_a_date_and_floats_out_of_range_are_missed() {
        let date = DataType::Date32;
        assert_eq!(lost(&["2020-01-01", "2020-01-01T00:00:00"], &date), None);
        assert_eq!(lost(&["2020-01-01", "2020-01-01T10:00:00"], &date), Some(1));
        let float = DataType::Float32;
        assert_eq!(lost(&["inf", "-inf", "NaN", "1e38"], &float), None);
        assert_eq!(lost(&["1e38", "1e39"], &float), Some(1));
    }

    #[test]
    fn exponents_are_written_out_and_nothing_else_changes() {
        let same = texts(&["1.5", "x"]);
        assert_eq!(&without_exponents(&same).unwrap(), &same);
        let written = without_exponents(&texts(&["1.5e1", "x", "e", "2E-1"])).unwrap();
        assert_eq!(&written, &texts(&["15", "x", "e", "0.2"]));
    }

    #[test]
    fn zeros_at_the_end_of_a_second_say_nothing() {
        assert_eq!(fraction_digits("2020-01-01T00:00:00.120000Z"), 2);
        assert_eq!(fraction_digits("2020-01-01 00:00:00+01:00"), 0);
    }
}
