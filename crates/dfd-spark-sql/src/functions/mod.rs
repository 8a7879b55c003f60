//! Functions that Spark and DataFusion agree on.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, cast, lit};
use datafusion::prelude as df;
use datafusion::sql::sqlparser::ast::{
    Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};

use crate::error::Error;
use crate::literals::timestamp;
use crate::operators::{binary, compare, conditional};
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

/// Casts to the one type of texts here: DataFusion gives some as views.
fn utf8(expr: Expr) -> TypedExpr {
    TypedExpr::new(cast(expr, DataType::Utf8), DataType::Utf8)
}

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
fn truncate(unit: &TypedExpr, of: TypedExpr, to: &DataType) -> Result<TypedExpr, Error> {
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
fn date_format(of: TypedExpr, pattern: &TypedExpr) -> Result<TypedExpr, Error> {
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

/// Cuts a text from a literal position, counted from 1, and to a literal length.
pub(crate) fn substring(
    of: TypedExpr,
    from: &TypedExpr,
    length: Option<&TypedExpr>,
) -> Result<TypedExpr, Error> {
    let at_least = |least: i64, of: &TypedExpr| match of.value() {
        Some(ScalarValue::Int32(Some(value))) => Some(i64::from(*value)).filter(|n| *n >= least),
        _ => None,
    };
    let end = length.map(|length| at_least(0, length));
    match (&of.data_type, at_least(1, from), end) {
        (DataType::Utf8, Some(first), None) => Ok(utf8(df::substr(of.expr, lit(first)))),
        (DataType::Utf8, Some(first), Some(Some(count))) => {
            Ok(utf8(df::substring(of.expr, lit(first), lit(count))))
        }
        _ => Err(Error::unsupported(
            "substring is known for a text and literal positions from 1 on",
        )),
    }
}

/// Takes the spaces at a text's ends away.
pub(crate) fn trim(ends: Option<&TrimWhereField>, of: TypedExpr) -> Result<TypedExpr, Error> {
    if of.data_type != DataType::Utf8 {
        return Err(Error::differs(format!("trim of {}", of.data_type)));
    }
    Ok(utf8(match ends {
        None | Some(TrimWhereField::Both) => df::btrim(vec![of.expr]),
        Some(TrimWhereField::Leading) => df::ltrim(vec![of.expr]),
        Some(TrimWhereField::Trailing) => df::rtrim(vec![of.expr]),
    }))
}

/// Joins texts; null if one is.
fn concat(texts: impl Iterator<Item = Result<Expr, Error>>) -> Result<TypedExpr, Error> {
    let all = texts.collect::<Result<Vec<_>, _>>()?;
    let joined = all
        .into_iter()
        .reduce(|left, right| binary(left, Operator::StringConcat, right));
    let text = joined.ok_or_else(|| Error::unsupported("concat of nothing"))?;
    Ok(TypedExpr::new(text, DataType::Utf8))
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

    #[test]
    fn texts_are_counted_and_cut_by_characters() {
        assert_values(&[
            ("length(s)", ["3", "0", "3", "null"]),
            ("substring(s, 2)", ["bc", "", "本語", "null"]),
            ("substr(s, 1, 2)", ["Ab", "", "日本", "null"]),
            ("SUBSTRING(s FROM 3 FOR 5)", ["c", "", "語", "null"]),
        ]);
        for text in [
            "substring(s, 0)",
            "substring(s, -2, 1)",
            "substring(s, b)",
            "substring(i, 1)",
            "length(i)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn texts_are_joined_trimmed_and_changed_in_case() {
        assert_values(&[
            (
                "concat(s, '-', t)",
                ["Abc-abc", "- a ", "日本語-%_", "null"],
            ),
            ("s || t", ["Abcabc", " a ", "日本語%_", "null"]),
            ("upper(t)", ["ABC", " A ", "%_", "null"]),
            ("lcase(s)", ["abc", "", "日本語", "null"]),
            ("trim(t)", ["abc", "a", "%_", "null"]),
            ("ltrim(t)", ["abc", "a ", "%_", "null"]),
            ("rtrim(t)", ["abc", " a", "%_", "null"]),
        ]);
        for text in ["trim('x' FROM t)", "concat(s, i)", "s || i", "trim(i)"] {
            refusal(text);
        }
    }

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
