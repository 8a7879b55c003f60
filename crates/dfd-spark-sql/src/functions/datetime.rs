//! Functions of dates and times.

use arrow::datatypes::DataType;
use datafusion::logical_expr::{Expr, Operator, cast, lit};
use datafusion::prelude as df;

use crate::error::Error;
use crate::functions::text::utf8;
use crate::literals::timestamp;
use crate::operators::binary;
use crate::types::TypedExpr;

fn is_datetime(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

/// Gives a part of a date or a time, like its year.
pub(crate) fn date_part(name: &str, of: TypedExpr) -> Result<TypedExpr, Error> {
    let unit = name.to_ascii_lowercase();
    let (part, is_of_day) = match unit.as_str() {
        "year" | "quarter" | "month" | "day" => (unit.as_str(), false),
        "hour" | "minute" => (unit.as_str(), true),
        "dayofmonth" => ("day", false),
        "dayofyear" | "doy" => ("doy", false),
        _ => return Err(Error::differs(format!("the part {unit}"))),
    };
    if !is_datetime(&of.data_type) || is_of_day && of.data_type == DataType::Date32 {
        return Err(Error::differs(format!("{unit} of {}", of.data_type)));
    }
    Ok(TypedExpr::new(
        df::date_part(lit(part), of.expr),
        DataType::Int32,
    ))
}

/// Gives the begin of the year, the hour or what is between, in which a date or a time is.
pub(crate) fn truncate(unit: &TypedExpr, of: TypedExpr, to: &DataType) -> Result<TypedExpr, Error> {
    let name = unit.text().unwrap_or_default().to_ascii_lowercase();
    if of.data_type != DataType::Date32 && of.data_type != timestamp() {
        return Err(Error::differs(format!("a truncated {}", of.data_type)));
    }
    match name.as_str() {
        "hour" | "minute" | "second" if *to != DataType::Date32 => {
            truncate_in_day(&name, of.cast(to)?)
        }
        _ => truncate_to_day(&name, of.cast(&DataType::Date32)?.expr, to),
    }
}

fn truncate_in_day(unit: &str, of: TypedExpr) -> Result<TypedExpr, Error> {
    let micros = match unit {
        "hour" => 3_600_000_000,
        "minute" => 60_000_000,
        _ => 1_000_000_i64,
    };
    let begin = floor(cast(of.expr, DataType::Int64), lit(0_i64), lit(micros));
    Ok(TypedExpr::new(
        cast(begin, of.data_type.clone()),
        of.data_type,
    ))
}

fn truncate_to_day(unit: &str, day: Expr, to: &DataType) -> Result<TypedExpr, Error> {
    let part = |name: &str| df::date_part(lit(name), day.clone());
    // DataFusion's own truncation fails before 1677.
    let begin = match unit {
        "year" | "yyyy" | "yy" => df::make_date(part("year"), lit(1), lit(1)),
        "quarter" => {
            let months = binary(part("quarter"), Operator::Multiply, lit(3));
            let month = binary(months, Operator::Minus, lit(2));
            df::make_date(part("year"), month, lit(1))
        }
        "month" | "mm" | "mon" => df::make_date(part("year"), part("month"), lit(1)),
        // Days are counted from a Thursday, and weeks begin on Mondays.
        "week" => {
            let days = cast(day, DataType::Int32);
            cast(floor(days, lit(3), lit(7)), DataType::Date32)
        }
        "day" | "dd" if *to != DataType::Date32 => day,
        _ => return Err(Error::differs(format!("the unit `{unit}`"))),
    };
    TypedExpr::new(begin, DataType::Date32).cast(to)
}

/// Gives the largest value up to `of` that is a multiple of `by` after `shift`.
fn floor(of: Expr, shift: Expr, by: Expr) -> Expr {
    let shifted = binary(of.clone(), Operator::Plus, shift);
    let rest = binary(shifted, Operator::Modulo, by.clone());
    let positive = binary(
        binary(rest, Operator::Plus, by.clone()),
        Operator::Modulo,
        by,
    );
    binary(of, Operator::Minus, positive)
}

/// Formats a date or a time.
pub(crate) fn date_format(of: TypedExpr, pattern: &TypedExpr) -> Result<TypedExpr, Error> {
    if !is_datetime(&of.data_type) {
        return Err(Error::differs(format!("date_format of {}", of.data_type)));
    }
    let format = strftime_format(pattern.text().unwrap_or_default())?;
    let to = match of.data_type {
        DataType::Date32 => timestamp(),
        ref other => other.clone(),
    };
    Ok(utf8(df::to_char(of.cast(&to)?.expr, lit(format))))
}

/// Gives chrono's format for a pattern of letters that have one meaning.
fn strftime_format(pattern: &str) -> Result<String, Error> {
    const LETTERS: [(&str, &str); 6] = [
        ("yyyy", "%Y"),
        ("MM", "%m"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("mm", "%M"),
        ("ss", "%S"),
    ];
    let mut format = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let found = LETTERS
            .iter()
            .find(|(letters, _)| rest.starts_with(letters));
        let length = match found {
            Some((letters, chrono)) => {
                format.push_str(chrono);
                letters.len()
            }
            None if "-/:. _".contains(first) => {
                format.push(first);
                1
            }
            None => 0,
        };
        rest = &rest[length..];
        // A letter more is another meaning.
        if length == 0 || found.is_some() && rest.starts_with(first) {
            return Err(Error::differs(format!("the format '{pattern}'")));
        }
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_values, refusal};

    #[test]
    fn parts_of_dates_and_times() {
        assert_values(&[
            ("year(y)", ["2020", "1", "1970", "null"]),
            ("QUARTER(wall)", ["1", "4", "1", "null"]),
            ("dayofyear(y)", ["60", "1", "1", "null"]),
            ("dayofmonth(at)", ["29", "31", "1", "null"]),
            ("hour(at)", ["23", "12", "0", "null"]),
            ("EXTRACT(minute FROM wall)", ["59", "30", "0", "null"]),
        ]);
        for text in [
            "hour(y)",
            "second(at)",
            "dayofweek(y)",
            "year(s)",
            "EXTRACT(week FROM y)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn the_unit_is_the_first_argument_of_date_trunc_and_the_second_of_trunc() {
        assert_values(&[
            (
                "trunc(y, 'MM')",
                ["2020-02-01", "0001-01-01", "1970-01-01", "null"],
            ),
            (
                "date_trunc('HOUR', at)",
                [
                    "2020-02-29T23:00:00Z",
                    "1900-12-31T12:00:00Z",
                    "1970-01-01T00:00:00Z",
                    "null",
                ],
            ),
        ]);
        for text in ["trunc('MM', y)", "date_trunc(at, 'HOUR')", "trunc(y, s)"] {
            refusal(text);
        }
    }

    #[test]
    fn units_of_truncation() {
        assert_values(&[
            (
                "trunc(y, 'year')",
                ["2020-01-01", "0001-01-01", "1970-01-01", "null"],
            ),
            (
                "trunc(y, 'quarter')",
                ["2020-01-01", "0001-01-01", "1970-01-01", "null"],
            ),
            (
                "trunc(y, 'week')",
                ["2020-02-24", "0001-01-01", "1969-12-29", "null"],
            ),
            (
                "date_trunc('second', at)",
                [
                    "2020-02-29T23:59:59Z",
                    "1900-12-31T12:30:45Z",
                    "1970-01-01T00:00:00Z",
                    "null",
                ],
            ),
            (
                "date_trunc('dd', y)",
                [
                    "2020-02-29T00:00:00Z",
                    "0001-01-01T00:00:00Z",
                    "1970-01-01T00:00:00Z",
                    "null",
                ],
            ),
        ]);
        for text in [
            "trunc(y, 'day')",
            "trunc(y, 'hour')",
            "date_trunc('decade', at)",
            "date_trunc('day', wall)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn dates_are_formatted_by_letters_of_one_meaning() {
        assert_values(&[
            (
                "date_format(y, 'yyyy-MM')",
                ["2020-02", "0001-01", "1970-01", "null"],
            ),
            (
                "date_format(at, 'dd.MM.yyyy HH:mm:ss')",
                [
                    "29.02.2020 23:59:59",
                    "31.12.1900 12:30:45",
                    "01.01.1970 00:00:00",
                    "null",
                ],
            ),
        ]);
        for text in [
            "date_format(y, 'yy')",
            "date_format(y, 'yyyyy')",
            "date_format(y, 'E')",
            "date_format(s, 'yyyy')",
            "date_format(y, 'é')",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn dates_of_times_and_literals() {
        assert_values(&[
            (
                "to_date(at)",
                ["2020-02-29", "1900-12-31", "1970-01-01", "null"],
            ),
            ("date('2020-01-01')", ["2020-01-01"; 4]),
        ]);
        refusal("to_date(s, 'yyyy')");
    }
}
