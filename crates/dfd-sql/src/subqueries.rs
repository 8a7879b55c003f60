//! Queries inside of an expression, and the expression with what they give in their place.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, Value as SqlValue, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use serde::{Deserialize, Serialize};

use crate::error::SyntaxError;
use crate::text::DIALECT;

/// What is asked of a query in an expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "asked", content = "query")]
pub enum Subquery {
    /// Its one value: `(SELECT max(a) FROM t)`.
    Scalar(String),
    /// All its values: `x IN (SELECT a FROM t)`.
    Values(String),
    /// Whether it has a row.
    Exists(String),
}

/// What a query gave, as SQL writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// One value.
    Scalar(String),
    /// All values.
    Values(Vec<String>),
    /// Whether there is a row.
    Exists(bool),
}

/// The outermost queries in an expression, in their order.
///
/// # Errors
/// It is no expression, or a query is in a place where it can't be run by itself.
pub fn subqueries(expression: &str) -> Result<Vec<Subquery>, SyntaxError> {
    let mut found = Vec::new();
    replace(&mut parsed(expression)?, &mut |query| {
        found.push(query);
        None
    })?;
    Ok(found)
}

/// The expression with values in place of its queries.
///
/// # Errors
/// It is no expression, or the values aren't those of its queries.
pub fn with_values(expression: &str, values: Vec<Value>) -> Result<String, SyntaxError> {
    let mut expr = parsed(expression)?;
    let mut values = values.into_iter();
    replace(&mut expr, &mut |_| values.next())?;
    Ok(expr.to_string())
}

fn parsed(expression: &str) -> Result<Expr, SyntaxError> {
    let start = Location { line: 1, column: 1 };
    let parsed = Parser::new(&DIALECT).try_with_sql(expression);
    let parsed = parsed.and_then(|mut parser| parser.parse_expr());
    parsed.map_err(|error| SyntaxError::of_parser(&error, start))
}

/// Puts what `value_of` gives in place of each query; leaves it where that is nothing.
fn replace(
    expr: &mut Expr,
    value_of: &mut dyn FnMut(Subquery) -> Option<Value>,
) -> Result<(), SyntaxError> {
    match expr.visit(&mut Replacing { depth: 0, value_of }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Replacing<'a> {
    /// In how many queries it is.
    depth: usize,
    value_of: &'a mut dyn FnMut(Subquery) -> Option<Value>,
}

impl VisitorMut for Replacing<'_> {
    type Break = SyntaxError;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SyntaxError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<SyntaxError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, node: &mut Expr) -> ControlFlow<SyntaxError> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match replaced(node, self.value_of) {
            Ok(Some(with)) => *node = with,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

fn replaced(
    node: &Expr,
    value_of: &mut dyn FnMut(Subquery) -> Option<Value>,
) -> Result<Option<Expr>, SyntaxError> {
    let text = |query: &Query| query.to_string();
    let (asked, negated, left) = match node {
        Expr::Subquery(query) => (Subquery::Scalar(text(query)), false, None),
        Expr::Exists { subquery, negated } => (Subquery::Exists(text(subquery)), *negated, None),
        Expr::InSubquery {
            expr,
            subquery,
            negated,
        } => (Subquery::Values(text(subquery)), *negated, Some(expr)),
        _ => return Ok(None),
    };
    Ok(match (value_of(asked), left) {
        (None, _) => None,
        (Some(Value::Exists(is_there)), _) => Some(boolean(is_there != negated)),
        (Some(Value::Values(values)), Some(_)) if values.is_empty() => Some(boolean(negated)),
        (Some(Value::Values(values)), Some(left)) => Some(Expr::InList {
            expr: left.clone(),
            list: values
                .iter()
                .map(|value| parsed(value))
                .collect::<Result<_, _>>()?,
            negated,
        }),
        (Some(Value::Scalar(value)), None) => Some(Expr::Nested(Box::new(parsed(&value)?))),
        (Some(_), _) => {
            let start = Location { line: 1, column: 1 };
            return Err(SyntaxError::new(
                "a query gave something else than was asked",
                start,
            ));
        }
    })
}

fn boolean(value: bool) -> Expr {
    Expr::Value(ValueWithSpan {
        value: SqlValue::Boolean(value),
        span: Span::empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_found_and_replaced() {
        let text = "a > (SELECT max(b) FROM t) AND NOT EXISTS (SELECT 1 FROM u) \
                    AND c NOT IN (SELECT d FROM v) AND e IN (SELECT f FROM w WHERE f IN (SELECT 1))";
        let found = subqueries(text).unwrap();
        let scalar = |text: &str| text.to_owned();
        let wanted = [
            Subquery::Scalar(scalar("SELECT max(b) FROM t")),
            Subquery::Exists(scalar("SELECT 1 FROM u")),
            Subquery::Values(scalar("SELECT d FROM v")),
            Subquery::Values(scalar("SELECT f FROM w WHERE f IN (SELECT 1)")),
        ];
        for query in &wanted {
            assert!(found.contains(query), "{found:?}");
        }
        assert_eq!(found.len(), 4);
        let value_of = |query: &Subquery| match query {
            Subquery::Scalar(_) => Value::Scalar("-5".to_owned()),
            Subquery::Exists(_) => Value::Exists(false),
            Subquery::Values(query) if query.contains('v') => Value::Values(Vec::new()),
            Subquery::Values(_) => Value::Values(vec!["'x'".to_owned(), "NULL".to_owned()]),
        };
        let made = with_values(text, found.iter().map(value_of).collect()).unwrap();
        assert_eq!(made, "a > (-5) AND true AND true AND e IN ('x', NULL)");
        assert!(
            subqueries("a in (1, 2) and b = 'select 1'")
                .unwrap()
                .is_empty()
        );
    }
}
