//! Expressions of Spark SQL, as the log has them, in DataFusion's terms.
//!
//! Only what is known to mean the same in both, for every value: the rest is refused. The session's
//! time zone, which some of Spark's functions go by, is UTC here.

use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Case, Expr, Like, Operator, lit, not};
use datafusion::prelude::get_field;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, Expr as Sql, Ident, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::SparkSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::spark_functions::{call, part, substring, trimmed};
use crate::spark_literals::{literal, sql_type};
use crate::spark_types::{
    Refused, Typed, aligned, arithmetic, binary, compare, converted_by_cast, is_integer, moment,
};

/// The expression over these columns.
///
/// # Errors
/// Why it isn't known to mean the same.
pub fn translate(text: &str, columns: &Schema) -> Result<Typed, Refused> {
    // Spark and sqlparser read escapes differently.
    if text.contains('\\') {
        return Err("it has a backslash".to_owned());
    }
    let parser = Parser::new(&SparkSqlDialect {}).try_with_sql(text);
    let mut parser = parser.map_err(|error| error.to_string())?;
    let sql = parser.parse_expr().map_err(|error| error.to_string())?;
    match parser.peek_token().token {
        Token::EOF => Translator { columns }.expr(&sql),
        rest => Err(format!("`{rest}` isn't understood")),
    }
}

pub struct Translator<'a> {
    columns: &'a Schema,
}

impl Translator<'_> {
    pub fn expr(&self, sql: &Sql) -> Result<Typed, Refused> {
        match sql {
            Sql::Nested(inner) => self.expr(inner),
            Sql::Identifier(name) => self.column(std::slice::from_ref(name)),
            Sql::CompoundIdentifier(path) => self.column(path),
            Sql::Value(value) => literal(&value.value, false),
            Sql::TypedString(typed) => match (sql_type(&typed.data_type)?, &typed.value.value) {
                (
                    to @ (DataType::Date32 | DataType::Timestamp(..)),
                    Value::SingleQuotedString(text),
                ) => moment(text, &to),
                _ => refused(sql),
            },
            Sql::UnaryOp { op, expr } => self.unary(*op, expr, sql),
            Sql::BinaryOp { left, op, right } => self.binary(left, op, right),
            Sql::IsNull(inner) => Ok(Typed::boolean(self.expr(inner)?.expr.is_null())),
            Sql::IsNotNull(inner) => Ok(Typed::boolean(self.expr(inner)?.expr.is_not_null())),
            Sql::IsTrue(inner) => Ok(Typed::boolean(self.condition(inner)?.is_true())),
            Sql::IsNotTrue(inner) => Ok(Typed::boolean(self.condition(inner)?.is_not_true())),
            Sql::IsFalse(inner) => Ok(Typed::boolean(self.condition(inner)?.is_false())),
            Sql::IsNotFalse(inner) => Ok(Typed::boolean(self.condition(inner)?.is_not_false())),
            Sql::IsDistinctFrom(left, right) => compare(
                self.expr(left)?,
                Operator::IsDistinctFrom,
                self.expr(right)?,
            ),
            Sql::IsNotDistinctFrom(left, right) => compare(
                self.expr(left)?,
                Operator::IsNotDistinctFrom,
                self.expr(right)?,
            ),
            Sql::InList {
                expr,
                list,
                negated,
            } => {
                let found = self.one_of(expr, list)?;
                Ok(Typed::boolean(if *negated { not(found) } else { found }))
            }
            Sql::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let low = compare(self.expr(expr)?, Operator::GtEq, self.expr(low)?)?;
                let high = compare(self.expr(expr)?, Operator::LtEq, self.expr(high)?)?;
                let within = low.expr.and(high.expr);
                Ok(Typed::boolean(if *negated { not(within) } else { within }))
            }
            Sql::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => {
                let (text, pattern) = (self.text(expr)?, self.text(pattern)?);
                let like = Like::new(*negated, Box::new(text), Box::new(pattern), None, false);
                Ok(Typed::boolean(Expr::Like(like)))
            }
            Sql::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let mut branches = Vec::new();
                for branch in conditions {
                    let condition = match operand {
                        Some(operand) => {
                            let (left, right) =
                                (self.expr(operand)?, self.expr(&branch.condition)?);
                            compare(left, Operator::Eq, right)?.expr
                        }
                        None => self.condition(&branch.condition)?,
                    };
                    branches.push((condition, self.expr(&branch.result)?));
                }
                let otherwise = else_result.as_ref().map(|sql| self.expr(sql)).transpose()?;
                conditional(branches, otherwise)
            }
            Sql::Cast {
                kind: CastKind::Cast,
                expr,
                data_type,
                array: false,
                format: None,
            } => converted_by_cast(self.expr(expr)?, &sql_type(data_type)?),
            Sql::Extract { field, expr, .. } => part(&field.to_string(), self.expr(expr)?),
            Sql::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let length = substring_for
                    .as_ref()
                    .map(|sql| self.expr(sql))
                    .transpose()?;
                substring(self.expr(expr)?, &self.expr(from)?, length.as_ref())
            }
            Sql::Trim {
                trim_where,
                trim_what: None,
                expr,
                trim_characters: None,
            } => trimmed(trim_where.as_ref(), self.expr(expr)?),
            Sql::Function(function) => call(self, function),
            _ => refused(sql),
        }
    }

    /// By the exact name, else by the one that differs in case alone.
    fn column(&self, path: &[Ident]) -> Result<Typed, Refused> {
        let mut fields: &[FieldRef] = self.columns.fields();
        let mut found: Option<Typed> = None;
        for ident in path {
            if !matches!(ident.quote_style, None | Some('`')) {
                return Err(format!("{ident} isn't understood"));
            }
            let exact = fields.iter().find(|field| *field.name() == ident.value);
            let field = exact.or_else(|| {
                let is_alike = |name: &str| name.eq_ignore_ascii_case(&ident.value);
                let mut alike = fields.iter().filter(|field| is_alike(field.name()));
                alike.next().filter(|_| alike.next().is_none())
            });
            let Some(field) = field else {
                return Err(format!("there is no column {ident}"));
            };
            let expr = match found {
                None => Expr::Column(Column::from_name(field.name())),
                Some(outer) => get_field(outer.expr, field.name().as_str()),
            };
            found = Some(Typed::new(expr, field.data_type().clone()));
            match field.data_type() {
                DataType::Struct(inner) => fields = inner,
                // Nothing is found in it.
                _ => fields = &[],
            }
        }
        found.ok_or_else(|| "a name is empty".to_owned())
    }

    /// A condition: true, false or null.
    pub fn condition(&self, sql: &Sql) -> Result<Expr, Refused> {
        let found = self.expr(sql)?;
        match found.data_type {
            DataType::Boolean => Ok(found.expr),
            DataType::Null => Ok(Expr::Literal(ScalarValue::Boolean(None), None)),
            other => Err(format!("`{sql}` is {other} and no condition")),
        }
    }

    pub fn text(&self, sql: &Sql) -> Result<Expr, Refused> {
        let found = self.expr(sql)?;
        match found.data_type {
            DataType::Utf8 => Ok(found.expr),
            other => Err(format!("`{sql}` is {other} and no text")),
        }
    }

    fn one_of(&self, expr: &Sql, list: &[Sql]) -> Result<Expr, Refused> {
        let mut any = lit(false);
        for item in list {
            let equal = compare(self.expr(expr)?, Operator::Eq, self.expr(item)?)?;
            any = any.or(equal.expr);
        }
        Ok(any)
    }

    fn unary(&self, op: UnaryOperator, inner: &Sql, sql: &Sql) -> Result<Typed, Refused> {
        match (op, inner) {
            (UnaryOperator::Not, _) => Ok(Typed::boolean(not(self.condition(inner)?))),
            (UnaryOperator::Minus, Sql::Value(value)) => literal(&value.value, true),
            (UnaryOperator::Minus, _) => {
                let zero = Typed::literal(ScalarValue::Int8(Some(0)));
                let operand = self.expr(inner)?;
                // Zero's sign would be lost.
                if operand.data_type.is_floating() {
                    let data_type = operand.data_type.clone();
                    return Ok(Typed::new(
                        Expr::Negative(Box::new(operand.expr)),
                        data_type,
                    ));
                }
                arithmetic(zero, Operator::Minus, operand)
            }
            _ => refused(sql),
        }
    }

    fn binary(&self, left: &Sql, op: &BinaryOperator, right: &Sql) -> Result<Typed, Refused> {
        use BinaryOperator as B;
        let comparison = match op {
            B::And => {
                let both = self.condition(left)?.and(self.condition(right)?);
                return Ok(Typed::boolean(both));
            }
            B::Or => {
                let either = self.condition(left)?.or(self.condition(right)?);
                return Ok(Typed::boolean(either));
            }
            B::Eq => Operator::Eq,
            B::NotEq => Operator::NotEq,
            B::Lt => Operator::Lt,
            B::LtEq => Operator::LtEq,
            B::Gt => Operator::Gt,
            B::GtEq => Operator::GtEq,
            B::Spaceship => Operator::IsNotDistinctFrom,
            B::Plus => return arithmetic(self.expr(left)?, Operator::Plus, self.expr(right)?),
            B::Minus => return arithmetic(self.expr(left)?, Operator::Minus, self.expr(right)?),
            B::Multiply => {
                return arithmetic(self.expr(left)?, Operator::Multiply, self.expr(right)?);
            }
            B::Divide | B::Modulo => return divided(self.expr(left)?, op, self.expr(right)?),
            B::StringConcat => {
                let joined = binary(self.text(left)?, Operator::StringConcat, self.text(right)?);
                return Ok(Typed::new(joined, DataType::Utf8));
            }
            other => return Err(format!("the operator {other} isn't known to mean the same")),
        };
        compare(self.expr(left)?, comparison, self.expr(right)?)
    }
}

fn refused<T>(sql: &Sql) -> Result<T, Refused> {
    Err(format!("`{sql}` isn't known to mean the same"))
}

/// By a literal other than zero: else Spark's answer depends on its settings.
fn divided(left: Typed, op: &BinaryOperator, right: Typed) -> Result<Typed, Refused> {
    let by = right
        .value()
        .and_then(|value| value.cast_to(&DataType::Float64).ok());
    let is_safe = matches!(by, Some(ScalarValue::Float64(Some(by))) if by != 0.0);
    let is_whole = is_integer(&left.data_type) && is_integer(&right.data_type);
    let is_plain = |of: &Typed| is_integer(&of.data_type) || of.data_type == DataType::Float64;
    match op {
        BinaryOperator::Modulo if is_safe && is_whole => {
            let (left, right) = aligned(left, right)?;
            let data_type = left.data_type.clone();
            Ok(Typed::new(
                binary(left.expr, Operator::Modulo, right.expr),
                data_type,
            ))
        }
        // Spark divides integers as doubles.
        BinaryOperator::Divide if is_safe && is_plain(&left) && is_plain(&right) => {
            let left = converted_by_cast(left, &DataType::Float64)?.expr;
            let right = converted_by_cast(right, &DataType::Float64)?.expr;
            Ok(Typed::new(
                binary(left, Operator::Divide, right),
                DataType::Float64,
            ))
        }
        _ => Err(format!(
            "{op} is known for a literal divisor alone, other than 0"
        )),
    }
}

/// The first branch whose condition is true.
pub fn conditional(
    branches: Vec<(Expr, Typed)>,
    otherwise: Option<Typed>,
) -> Result<Typed, Refused> {
    let mut widest = otherwise
        .clone()
        .unwrap_or_else(|| Typed::literal(ScalarValue::Null));
    for (_, result) in &branches {
        widest = aligned(widest, result.clone())?.0;
    }
    let to = widest.data_type.clone();
    let same = |result: Typed| aligned(result, widest.clone()).map(|pair| Box::new(pair.0.expr));
    let branches = branches
        .into_iter()
        .map(|(condition, result)| Ok((Box::new(condition), same(result)?)))
        .collect::<Result<Vec<_>, Refused>>()?;
    let otherwise = otherwise.map(same).transpose()?;
    Ok(Typed::new(
        Expr::Case(Case::new(None, branches, otherwise)),
        to,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn translated(text: &str) -> Result<String, Refused> {
        let field = |name, data_type| Field::new(name, data_type, true);
        let inner = DataType::Struct(vec![field("x y", DataType::Int64)].into());
        let columns = Schema::new(vec![
            field("i", DataType::Int32),
            field("b", DataType::Int8),
            field("s", DataType::Utf8),
            field("R", inner),
        ]);
        translate(text, &columns).map(|typed| typed.expr.to_string())
    }

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
            ("r.`X Y` IN (1, 2)", "get_field"),
        ] {
            let found = translated(text);
            assert!(
                found.as_ref().is_ok_and(|found| found.contains(wanted)),
                "{found:?}"
            );
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
        ] {
            assert!(translated(text).is_err(), "{text}");
        }
    }
}
