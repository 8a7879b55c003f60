//! Functions that Spark and DataFusion agree on.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, cast, lit};
use datafusion::prelude as df;
use datafusion::sql::sqlparser::ast::{
    Expr as Sql, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};

use crate::spark_sql::{Translator, conditional};
use crate::spark_types::{
    Refused, TIMESTAMP, Typed, aligned, binary, compare, converted_by_cast, is_integer,
};

/// A call of a function by name.
pub fn call(translator: &Translator, function: &Function) -> Result<Typed, Refused> {
    let name = function.name.to_string().to_ascii_lowercase();
    let arguments = arguments(function)?;
    let typed = |position: usize| translator.expr(arguments[position]);
    let text = |position: usize| translator.text(arguments[position]);
    match (name.as_str(), arguments.len()) {
        (
            "year" | "quarter" | "month" | "day" | "dayofmonth" | "dayofyear" | "hour" | "minute",
            1,
        ) => part(&name, typed(0)?),
        ("to_date" | "date", 1) => converted_by_cast(typed(0)?, &DataType::Date32),
        ("date_trunc", 2) => truncated(&typed(0)?, typed(1)?, &TIMESTAMP()),
        ("trunc", 2) => truncated(&typed(1)?, typed(0)?, &DataType::Date32),
        ("date_format", 2) => formatted(typed(0)?, &typed(1)?),
        ("length" | "char_length" | "character_length" | "len", 1) => {
            Ok(Typed::new(df::character_length(text(0)?), DataType::Int32))
        }
        ("upper" | "ucase", 1) => Ok(of_text(df::upper(text(0)?))),
        ("lower" | "lcase", 1) => Ok(of_text(df::lower(text(0)?))),
        ("trim", 1) => trimmed(None, typed(0)?),
        ("ltrim", 1) => trimmed(Some(&TrimWhereField::Leading), typed(0)?),
        ("rtrim", 1) => trimmed(Some(&TrimWhereField::Trailing), typed(0)?),
        ("substring" | "substr", 2) => substring(typed(0)?, &typed(1)?, None),
        ("substring" | "substr", 3) => substring(typed(0)?, &typed(1)?, Some(&typed(2)?)),
        ("concat", 1..) => {
            let mut joined = text(0)?;
            for position in 1..arguments.len() {
                joined = binary(joined, Operator::StringConcat, text(position)?);
            }
            Ok(Typed::new(joined, DataType::Utf8))
        }
        ("abs", 1) => {
            let of = typed(0)?;
            if !is_integer(&of.data_type) && of.data_type != DataType::Float64 {
                return Err(format!(
                    "abs of {} isn't known to mean the same",
                    of.data_type
                ));
            }
            Ok(Typed::new(df::abs(of.expr), of.data_type))
        }
        ("isnull", 1) => Ok(Typed::boolean(typed(0)?.expr.is_null())),
        ("isnotnull", 1) => Ok(Typed::boolean(typed(0)?.expr.is_not_null())),
        ("isnan", 1) => {
            let of = typed(0)?;
            if !of.data_type.is_floating() {
                return Err(format!(
                    "isnan of {} isn't known to mean the same",
                    of.data_type
                ));
            }
            // Spark's is false for null.
            Ok(Typed::boolean(df::isnan(of.expr).is_true()))
        }
        ("coalesce" | "ifnull" | "nvl", 1..) => {
            let mut branches = Vec::new();
            for position in 0..arguments.len() {
                let value = typed(position)?;
                branches.push((value.expr.clone().is_not_null(), value));
            }
            conditional(branches, None)
        }
        ("if", 3) => {
            let condition = translator.condition(arguments[0])?;
            conditional(vec![(condition, typed(1)?)], Some(typed(2)?))
        }
        ("nullif", 2) => {
            let equal = compare(typed(0)?, Operator::Eq, typed(1)?)?.expr;
            let null = Typed::literal(ScalarValue::Null);
            conditional(vec![(equal, null)], Some(typed(0)?))
        }
        ("greatest", 2) => {
            let (left, right) = aligned(typed(0)?, typed(1)?)?;
            let is_first = compare(left.clone(), Operator::GtEq, right.clone())?.expr;
            let is_first = right.expr.clone().is_null().or(is_first);
            conditional(vec![(is_first, left)], Some(right))
        }
        _ => Err(format!("the function {name} isn't known to mean the same")),
    }
}

fn arguments(function: &Function) -> Result<Vec<&Sql>, Refused> {
    let unknown = || Err(format!("`{function}` isn't understood"));
    let FunctionArguments::List(list) = &function.args else {
        return unknown();
    };
    let is_plain = function.filter.is_none()
        && function.over.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None)
        && list.duplicate_treatment.is_none()
        && list.clauses.is_empty();
    let arguments: Option<Vec<&Sql>> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(sql)) => Some(sql),
            _ => None,
        })
        .collect();
    match arguments.filter(|_| is_plain) {
        Some(arguments) => Ok(arguments),
        None => unknown(),
    }
}

/// DataFusion gives some texts as views.
fn of_text(expr: Expr) -> Typed {
    Typed::new(cast(expr, DataType::Utf8), DataType::Utf8)
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

/// A part of a date or a time.
pub fn part(name: &str, of: Typed) -> Result<Typed, Refused> {
    let name = name.to_ascii_lowercase();
    let of_day = ["hour", "minute"].contains(&name.as_str());
    let known = match name.as_str() {
        "year" | "quarter" | "month" | "day" | "hour" | "minute" => name.as_str(),
        "dayofmonth" => "day",
        "dayofyear" | "doy" => "doy",
        _ => return Err(format!("the part {name} isn't known to mean the same")),
    };
    if !is_moment(&of.data_type) || of_day && of.data_type == DataType::Date32 {
        return Err(format!(
            "{name} of {} isn't known to mean the same",
            of.data_type
        ));
    }
    Ok(Typed::new(
        df::date_part(lit(known), of.expr),
        DataType::Int32,
    ))
}

/// The begin of the year, the hour or what is between, in which a date or a time is.
fn truncated(unit: &Typed, of: Typed, to: &DataType) -> Result<Typed, Refused> {
    let unit = unit.text().unwrap_or_default().to_ascii_lowercase();
    if of.data_type != DataType::Date32 && of.data_type != TIMESTAMP() {
        let kind = of.data_type;
        return Err(format!("a truncated {kind} isn't known to mean the same"));
    }
    if *to != DataType::Date32 {
        let micros = match unit.as_str() {
            "hour" => 3_600_000_000,
            "minute" => 60_000_000,
            "second" => 1_000_000,
            _ => 0_i64,
        };
        if micros > 0 {
            let at = cast(converted_by_cast(of, to)?.expr, DataType::Int64);
            let begin = cast(floored(at, lit(0_i64), lit(micros)), to.clone());
            return Ok(Typed::new(begin, to.clone()));
        }
    }
    let day = converted_by_cast(of, &DataType::Date32)?.expr;
    let part = |name: &str| df::date_part(lit(name), day.clone());
    // DataFusion's own truncation fails before 1677.
    let begin = match unit.as_str() {
        "year" | "yyyy" | "yy" => df::make_date(part("year"), lit(1), lit(1)),
        "quarter" => {
            let months = binary(part("quarter"), Operator::Multiply, lit(3));
            let month = binary(months, Operator::Minus, lit(2));
            df::make_date(part("year"), month, lit(1))
        }
        "month" | "mm" | "mon" => df::make_date(part("year"), part("month"), lit(1)),
        // Days are counted from a Thursday, and weeks begin on Mondays.
        "week" => {
            let days = cast(day.clone(), DataType::Int32);
            cast(floored(days, lit(3), lit(7)), DataType::Date32)
        }
        "day" | "dd" if *to != DataType::Date32 => day,
        _ => return Err(format!("the unit `{unit}` isn't known to mean the same")),
    };
    converted_by_cast(Typed::new(begin, DataType::Date32), to)
}

/// The largest value up to `of` that is a multiple of `by` after `shift`.
fn floored(of: Expr, shift: Expr, by: Expr) -> Expr {
    let shifted = binary(of.clone(), Operator::Plus, shift);
    let rest = binary(shifted, Operator::Modulo, by.clone());
    let positive = binary(
        binary(rest, Operator::Plus, by.clone()),
        Operator::Modulo,
        by,
    );
    binary(of, Operator::Minus, positive)
}

/// `date_format` with the letters that have one meaning.
fn formatted(of: Typed, pattern: &Typed) -> Result<Typed, Refused> {
    if !is_moment(&of.data_type) {
        return Err(format!(
            "date_format of {} isn't known to mean the same",
            of.data_type
        ));
    }
    let pattern = pattern.text().unwrap_or_default();
    let mut format = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let known = [
            ("yyyy", "%Y"),
            ("MM", "%m"),
            ("dd", "%d"),
            ("HH", "%H"),
            ("mm", "%M"),
            ("ss", "%S"),
        ];
        let found = known.iter().find(|(letters, _)| rest.starts_with(letters));
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
            return Err(format!(
                "the format '{pattern}' isn't known to mean the same"
            ));
        }
    }
    let to = match of.data_type {
        DataType::Date32 => TIMESTAMP(),
        ref other => other.clone(),
    };
    let at = converted_by_cast(of, &to)?;
    Ok(of_text(df::to_char(at.expr, lit(format))))
}

/// From a literal position, counted from 1.
pub fn substring(of: Typed, from: &Typed, length: Option<&Typed>) -> Result<Typed, Refused> {
    let whole = |of: &Typed| match of.value() {
        Some(ScalarValue::Int32(Some(value))) => Some(i64::from(*value)),
        _ => None,
    };
    let from = whole(from).filter(|from| *from >= 1);
    let length = length.map(|length| whole(length).filter(|length| *length >= 0));
    match (of.data_type, from, length) {
        (DataType::Utf8, Some(from), None) => Ok(of_text(df::substr(of.expr, lit(from)))),
        (DataType::Utf8, Some(from), Some(Some(length))) => {
            Ok(of_text(df::substring(of.expr, lit(from), lit(length))))
        }
        _ => Err("substring is known for a text and literal positions from 1 on".to_owned()),
    }
}

/// Without the spaces at its ends.
pub fn trimmed(ends: Option<&TrimWhereField>, of: Typed) -> Result<Typed, Refused> {
    if of.data_type != DataType::Utf8 {
        return Err(format!(
            "trim of {} isn't known to mean the same",
            of.data_type
        ));
    }
    Ok(of_text(match ends {
        None | Some(TrimWhereField::Both) => df::btrim(vec![of.expr]),
        Some(TrimWhereField::Leading) => df::ltrim(vec![of.expr]),
        Some(TrimWhereField::Trailing) => df::rtrim(vec![of.expr]),
    }))
}
