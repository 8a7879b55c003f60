//! From the text of an expression to DataFusion's.

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, Like, Operator, lit, not};
use datafusion::prelude::get_field;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, Expr as Sql, Ident, TypedString, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::Error;
use crate::functions::datetime::date_part;
use crate::functions::text::{substring, trim};
use crate::functions::{call, condition_of, text_of};
use crate::literals::{datetime, literal, sql_type};
use crate::operators::{arithmetic, binary, compare, conditional, divide, negate};
use crate::types::TypedExpr;

/// Translates an expression over these columns.
///
/// A column is found by its exact name, else by the one name that differs in case alone.
///
/// # Errors
/// The text isn't an expression, names no column, or isn't known to mean the same to DataFusion.
pub fn translate(text: &str, columns: &Schema) -> Result<TypedExpr, Error> {
    // Spark and sqlparser read escapes differently.
    if text.contains('\\') {
        return Err(Error::unsupported("it has a backslash"));
    }
    let syntax = |error: ParserError| Error::Syntax(error.to_string());
    let tokenized = Parser::new(&SparkSqlDialect {}).try_with_sql(text);
    let mut parser = tokenized.map_err(syntax)?;
    let sql = parser.parse_expr().map_err(syntax)?;
    match parser.peek_token().token {
        Token::EOF => Translator { columns }.expr(&sql),
        rest => Err(Error::Syntax(format!("`{rest}` isn't understood"))),
    }
}

struct Translator<'a> {
    columns: &'a Schema,
}

impl Translator<'_> {
    fn expr(&self, sql: &Sql) -> Result<TypedExpr, Error> {
        match sql {
            Sql::Nested(inner) => self.expr(inner),
            Sql::Identifier(name) => self.column(std::slice::from_ref(name)),
            Sql::CompoundIdentifier(path) => self.column(path),
            Sql::Value(value) => Ok(TypedExpr::literal(literal(&value.value, false)?)),
            Sql::TypedString(typed) => typed_string(typed, sql),
            Sql::UnaryOp { op, expr } => self.unary(*op, expr, sql),
            Sql::BinaryOp { left, op, right } => self.binary(left, op, right),
            Sql::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Sql::Cast {
                kind: CastKind::Cast,
                expr,
                data_type,
                array: false,
                format: None,
            } => self.expr(expr)?.cast(&sql_type(data_type)?),
            Sql::Extract { field, expr, .. } => date_part(&field.to_string(), self.expr(expr)?),
            Sql::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let length = substring_for
                    .as_deref()
                    .map(|sql| self.expr(sql))
                    .transpose()?;
                substring(self.expr(expr)?, &self.expr(from)?, length.as_ref())
            }
            Sql::Trim {
                trim_where,
                trim_what: None,
                expr,
                trim_characters: None,
            } => trim(trim_where.as_ref(), self.expr(expr)?),
            Sql::Function(function) => call(function, &|argument| self.expr(argument)),
            _ => self.predicate(sql),
        }
    }

    /// Translates what SQL has own syntax for and is true, false or null.
    fn predicate(&self, sql: &Sql) -> Result<TypedExpr, Error> {
        let found = match sql {
            Sql::IsNull(inner) => self.expr(inner)?.expr.is_null(),
            Sql::IsNotNull(inner) => self.expr(inner)?.expr.is_not_null(),
            Sql::IsTrue(inner) => self.condition(inner)?.is_true(),
            Sql::IsNotTrue(inner) => self.condition(inner)?.is_not_true(),
            Sql::IsFalse(inner) => self.condition(inner)?.is_false(),
            Sql::IsNotFalse(inner) => self.condition(inner)?.is_not_false(),
            Sql::IsDistinctFrom(left, right) => {
                self.compare(left, Operator::IsDistinctFrom, right)?
            }
            Sql::IsNotDistinctFrom(left, right) => {
                self.compare(left, Operator::IsNotDistinctFrom, right)?
            }
            Sql::InList {
                expr,
                list,
                negated,
            } => negated_if(*negated, self.one_of(expr, list)?),
            Sql::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let from = self.compare(expr, Operator::GtEq, low)?;
                let to = self.compare(expr, Operator::LtEq, high)?;
                negated_if(*negated, from.and(to))
            }
            Sql::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => {
                let text = Box::new(self.text(expr)?);
                let pattern = Box::new(self.text(pattern)?);
                Expr::Like(Like::new(*negated, text, pattern, None, false))
            }
            _ => return Err(not_known(sql)),
        };
        Ok(TypedExpr::boolean(found))
    }

    /// Finds a column, or a field in it, by the exact name, else by the one that differs in case alone.
    fn column(&self, path: &[Ident]) -> Result<TypedExpr, Error> {
        let mut fields: &[FieldRef] = self.columns.fields();
        let mut found: Option<TypedExpr> = None;
        for ident in path {
            if !matches!(ident.quote_style, None | Some('`')) {
                return Err(Error::unsupported(format!("{ident} isn't understood")));
            }
            let field = field_of(fields, &ident.value)
                .ok_or_else(|| Error::UnknownColumn(ident.to_string()))?;
            let expr = match found {
                None => Expr::Column(Column::from_name(field.name())),
                Some(outer) => get_field(outer.expr, field.name().as_str()),
            };
            found = Some(TypedExpr::new(expr, field.data_type().clone()));
            fields = match field.data_type() {
                DataType::Struct(inner) => inner,
                // Nothing is found in it.
                _ => &[],
            };
        }
        found.ok_or_else(|| Error::unsupported("a name is empty"))
    }

    fn condition(&self, sql: &Sql) -> Result<Expr, Error> {
        condition_of(self.expr(sql)?, sql)
    }

    fn text(&self, sql: &Sql) -> Result<Expr, Error> {
        text_of(self.expr(sql)?, sql)
    }

    fn compare(&self, left: &Sql, op: Operator, right: &Sql) -> Result<Expr, Error> {
        Ok(compare(self.expr(left)?, op, self.expr(right)?)?.expr)
    }

    fn one_of(&self, expr: &Sql, list: &[Sql]) -> Result<Expr, Error> {
        let mut any = lit(false);
        for item in list {
            any = any.or(self.compare(expr, Operator::Eq, item)?);
        }
        Ok(any)
    }

    fn case(
        &self,
        operand: Option<&Sql>,
        conditions: &[CaseWhen],
        otherwise: Option<&Sql>,
    ) -> Result<TypedExpr, Error> {
        let mut branches = Vec::with_capacity(conditions.len());
        for branch in conditions {
            let condition = match operand {
                Some(operand) => self.compare(operand, Operator::Eq, &branch.condition)?,
                None => self.condition(&branch.condition)?,
            };
            branches.push((condition, self.expr(&branch.result)?));
        }
        let last = otherwise.map(|sql| self.expr(sql)).transpose()?;
        conditional(branches, last)
    }

    fn unary(&self, op: UnaryOperator, inner: &Sql, sql: &Sql) -> Result<TypedExpr, Error> {
        match (op, inner) {
            (UnaryOperator::Not, _) => Ok(TypedExpr::boolean(not(self.condition(inner)?))),
            (UnaryOperator::Minus, Sql::Value(value)) => {
                Ok(TypedExpr::literal(literal(&value.value, true)?))
            }
            (UnaryOperator::Minus, _) => negate(self.expr(inner)?),
            _ => Err(not_known(sql)),
        }
    }

    fn binary(&self, left: &Sql, op: &BinaryOperator, right: &Sql) -> Result<TypedExpr, Error> {
        let both = || Ok::<_, Error>((self.expr(left)?, self.expr(right)?));
        match operator(op)? {
            found @ (Operator::And | Operator::Or) => {
                let joined = binary(self.condition(left)?, found, self.condition(right)?);
                Ok(TypedExpr::boolean(joined))
            }
            found @ (Operator::Plus | Operator::Minus | Operator::Multiply) => {
                let (left, right) = both()?;
                arithmetic(left, found, right)
            }
            found @ (Operator::Divide | Operator::Modulo) => {
                let (left, right) = both()?;
                divide(left, found, right)
            }
            Operator::StringConcat => {
                let joined = binary(self.text(left)?, Operator::StringConcat, self.text(right)?);
                Ok(TypedExpr::new(joined, DataType::Utf8))
            }
            comparison => Ok(TypedExpr::boolean(self.compare(left, comparison, right)?)),
        }
    }
}

/// Finds a field by the exact name, else by the one that differs in case alone.
fn field_of<'a>(fields: &'a [FieldRef], name: &str) -> Option<&'a FieldRef> {
    let exact = fields.iter().find(|field| field.name() == name);
    exact.or_else(|| {
        let is_alike = |field: &&FieldRef| field.name().eq_ignore_ascii_case(name);
        let mut alike = fields.iter().filter(is_alike);
        alike.next().filter(|_| alike.next().is_none())
    })
}

fn typed_string(typed: &TypedString, sql: &Sql) -> Result<TypedExpr, Error> {
    match (sql_type(&typed.data_type)?, &typed.value.value) {
        (to @ (DataType::Date32 | DataType::Timestamp(..)), Value::SingleQuotedString(text)) => {
            Ok(TypedExpr::literal(datetime(text, &to)?))
        }
        _ => Err(not_known(sql)),
    }
}

/// The operator of DataFusion that stands for one of Spark.
fn operator(op: &BinaryOperator) -> Result<Operator, Error> {
    Ok(match op {
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::Spaceship => Operator::IsNotDistinctFrom,
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::StringConcat => Operator::StringConcat,
        other => return Err(Error::differs(format!("the operator {other}"))),
    })
}

fn negated_if(is_negated: bool, condition: Expr) -> Expr {
    if is_negated {
        not(condition)
    } else {
        condition
    }
}

fn not_known(sql: &Sql) -> Error {
    Error::differs(format!("`{sql}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    use crate::testing::{assert_values, refusal, typed, values};

    #[test]
    fn operands_are_brought_to_the_type_that_spark_uses() {
        for (text, wanted) in [
            ("b + 1 > 2", "CAST(b AS Int32) + Int32(1) > Int32(2)"),
            (
                "i / 2 = 1e0",
                "CAST(i AS Float64) / CAST(Int32(2) AS Float64)",
            ),
            ("i <=> NULL", "i IS NOT DISTINCT FROM Int32(NULL)"),
            (
                "NOT I = 1 AND s LIKE 'a%'",
                "NOT i = Int32(1) AND s LIKE Utf8(\"a%\")",
            ),
            ("r.`b C` IN ('1', '2')", "get_field"),
        ] {
            let found = typed(text).expr.to_string();
            assert!(found.contains(wanted), "{found}");
        }
    }

    #[test]
    fn another_meaning_is_refused() {
        for text in [
            "i DIV 2 = 1",
            "i / b > 1",
            "s RLIKE 'a'",
            "! (i = 1)",
            "s = 'it''s'",
            "rand() > 0",
            "s > 1",
            "substring(s, 0, 1) = ''",
            "none = 1",
            "i = 1 1",
            r"s = '\n'",
            "r = r",
            "s ILIKE 'a'",
            "s LIKE ANY ('a')",
            "s LIKE 'a' ESCAPE '/'",
            "i IN (SELECT 1)",
            "EXISTS (SELECT 1)",
            "i & 1 = 1",
            "+i > 0",
            "i::bigint > 0",
            "INTERVAL 1 DAY",
            "(i, b) = (1, 2)",
        ] {
            refusal(text);
        }
    }

    #[test]
    fn operators_bind_as_in_sql() {
        assert_values(&[
            ("2 + 3 * 4 - 1", ["13"; 4]),
            ("(2 + 3) * 4", ["20"; 4]),
            ("10 - 4 - 3", ["3"; 4]),
            (
                "NOT i = 7 AND o IS NULL",
                ["false", "false", "true", "null"],
            ),
            ("true OR false AND false", ["true"; 4]),
            ("i = 7 OR i = 0 AND o", ["true", "false", "null", "null"]),
            ("s || t = 'Abcabc'", ["true", "false", "false", "null"]),
        ]);
    }

    #[test]
    fn comparisons_and_ranges() {
        assert_values(&[
            ("i <> 7", ["false", "true", "true", "null"]),
            ("i BETWEEN 0 AND b + 6", ["true", "false", "true", "null"]),
            ("i NOT BETWEEN 1 AND 9", ["false", "true", "true", "null"]),
            ("y > '1970-01-01'", ["true", "false", "false", "null"]),
            ("m < b + 1", ["true", "true", "true", "null"]),
        ]);
    }

    #[test]
    fn lists_follow_null_as_sql_has_it() {
        assert_values(&[
            ("i IN (7, NULL)", ["true", "null", "null", "null"]),
            ("i NOT IN (7, 8)", ["false", "true", "true", "null"]),
            ("i IN (b, 7L)", ["true", "false", "true", "null"]),
            ("s IN ('Abc', \"\")", ["true", "true", "false", "null"]),
        ]);
    }

    #[test]
    fn patterns_know_percent_and_underscore() {
        assert_values(&[
            ("s LIKE 'A_c'", ["true", "false", "false", "null"]),
            ("t NOT LIKE '%a%'", ["false", "false", "true", "null"]),
            ("s LIKE '__語'", ["false", "false", "true", "null"]),
        ]);
        assert!(refusal("i LIKE '7'").contains("no text"));
    }

    #[test]
    fn truth_and_null_are_asked_for() {
        assert_values(&[
            ("o IS TRUE", ["true", "false", "false", "false"]),
            ("o IS NOT TRUE", ["false", "true", "true", "true"]),
            ("o IS FALSE", ["false", "true", "false", "false"]),
            ("o IS NOT FALSE", ["true", "false", "true", "true"]),
            ("o IS NULL", ["false", "false", "true", "true"]),
            ("r IS NOT NULL", ["true", "true", "false", "true"]),
            ("i IS DISTINCT FROM 7", ["false", "true", "true", "true"]),
            (
                "i IS NOT DISTINCT FROM r.a",
                ["true", "false", "false", "true"],
            ),
        ]);
    }

    #[test]
    fn both_forms_of_case() {
        assert_values(&[
            (
                "CASE i WHEN 7 THEN 'seven' WHEN NULL THEN 'never' ELSE 'other' END",
                ["seven", "other", "other", "other"],
            ),
            (
                "CASE WHEN i < 0 THEN -1 WHEN i > 0 THEN 1 END",
                ["1", "-1", "null", "null"],
            ),
        ]);
        assert!(refusal("CASE WHEN i THEN 1 END").contains("no condition"));
    }

    #[test]
    fn names_differ_in_case_and_have_backticks() {
        assert_values(&[
            ("I", ["7", "-2147483648", "0", "null"]),
            ("`i`", ["7", "-2147483648", "0", "null"]),
            ("r.A", ["7", "-1", "null", "null"]),
            ("R.`b c`", ["x", "y", "null", "null"]),
        ]);
        // To Spark, a text in double quotes is a text.
        assert_eq!(values("\"i\""), ["i"; 4]);
        assert_eq!(refusal("`i j` = 1"), "there is no column `i j`");
        assert_eq!(refusal("r.z = 1"), "there is no column z");
        assert_eq!(refusal("i.z = 1"), "there is no column z");
    }

    #[test]
    fn the_exact_name_wins_and_two_others_are_refused() {
        let field = |name| Field::new(name, DataType::Int32, true);
        let both = Schema::new(vec![field("a"), field("A"), field("a.b`c")]);
        let found = |text| translate(text, &both).map(|typed| typed.expr.to_string());
        assert_eq!(found("A").ok().as_deref(), Some("A"));
        assert_eq!(found("a").ok().as_deref(), Some("a"));
        assert_eq!(found("`a.b``c`").ok().as_deref(), Some("a.b`c"));
        let others = Schema::new(vec![field("Ab"), field("aB")]);
        assert!(
            matches!(translate("ab", &others), Err(Error::UnknownColumn(name)) if name == "ab")
        );
    }

    #[test]
    fn kinds_of_errors_are_told_apart() {
        let kind = |text| translate(text, &Schema::empty()).unwrap_err();
        for text in ["1 +", "1 1", "(", ""] {
            assert!(matches!(kind(text), Error::Syntax(_)), "{text}");
        }
        assert!(matches!(kind("a"), Error::UnknownColumn(_)));
        assert!(matches!(kind("rand()"), Error::Unsupported(_)));
    }
}
