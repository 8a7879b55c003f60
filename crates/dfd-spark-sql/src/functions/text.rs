//! Functions of texts.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, cast, lit};
use datafusion::prelude as df;
use datafusion::sql::sqlparser::ast::TrimWhereField;

use crate::error::Error;
use crate::operators::binary;
use crate::types::TypedExpr;

/// Casts to the one type of texts here: DataFusion gives some as views.
pub(crate) fn utf8(expr: Expr) -> TypedExpr {
    TypedExpr::new(cast(expr, DataType::Utf8), DataType::Utf8)
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
pub(crate) fn concat(texts: impl Iterator<Item = Result<Expr, Error>>) -> Result<TypedExpr, Error> {
    let all = texts.collect::<Result<Vec<_>, _>>()?;
    let joined = all
        .into_iter()
        .reduce(|left, right| binary(left, Operator::StringConcat, right));
    let text = joined.ok_or_else(|| Error::unsupported("concat of nothing"))?;
    Ok(TypedExpr::new(text, DataType::Utf8))
}

#[cfg(test)]
mod tests {
    use crate::testing::{assert_values, refusal};

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
}
