//! Texts of SQL as expressions over the columns of a table.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, ExprWithAlias, Ident, Value, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use dfd_delta::{exact_comparisons, told};

use crate::error::RuleViolation;

/// A double has these decimal digits, whatever they are.
const DIGITS_OF_DOUBLE: usize = 15;
/// A decimal has no more.
const MOST_DIGITS: usize = 38;

/// The columns that a text may name, with those who plan it.
pub(crate) struct Scope<'a> {
    state: &'a SessionState,
    columns: DFSchema,
}

impl<'a> Scope<'a> {
    /// Texts over these columns.
    pub(crate) fn new(state: &'a SessionState, columns: DFSchema) -> Self {
        Self { state, columns }
    }

    /// The text as a condition; `what` says what it is for.
    ///
    /// # Errors
    /// It isn't one expression of these columns, or no condition.
    pub(crate) fn condition(&self, text: &str, what: &str) -> Result<Expr, RuleViolation> {
        let refused = |reason: String| refusal(text, what, reason);
        let condition = self.value(text, what)?;
        let found = condition.get_type(&self.columns);
        let found = found.map_err(|error| refused(told(&error)))?;
        match found {
            DataType::Boolean => Ok(condition),
            DataType::Null => Ok(cast(condition, DataType::Boolean)),
            found => Err(refused(format!("It is no condition, but {found}."))),
        }
    }

    /// The text as a value; `what` says what it is for. Names are found without regard to case.
    ///
    /// # Errors
    /// It isn't one expression of these columns.
    pub(crate) fn value(&self, text: &str, what: &str) -> Result<Expr, RuleViolation> {
        let refused = |reason: String| refusal(text, what, reason);
        let unplanned = |error: DataFusionError| refused(told(&error));
        let mut parsed = parsed(text).map_err(|error| refused(error.to_string()))?;
        let found = visit_expressions_mut(&mut parsed, |node| match node {
            SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => {
                ControlFlow::Break(())
            }
            SqlExpr::Identifier(name) => {
                self.spell(std::slice::from_mut(name));
                ControlFlow::Continue(())
            }
            SqlExpr::CompoundIdentifier(names) => {
                self.spell(names);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        });
        if found.is_break() {
            let reason = "It has a subquery: compute that first, or MERGE what it gives.";
            return Err(refused(reason.to_owned()));
        }
        let _visited: ControlFlow<()> = visit_expressions_mut(&mut parsed, |node| {
            self.keep_digits(node);
            ControlFlow::Continue(())
        });
        let planned = self.planned(parsed).map_err(unplanned)?;
        if let Some(reason) = over_other_rows(&planned) {
            return Err(refused(reason.to_owned()));
        }
        // Comparisons say of which type they are once both sides have one.
        let context = SimplifyContext::builder().with_schema(Arc::new(self.columns.clone()));
        let coerced = ExprSimplifier::new(context.build()).coerce(planned, &self.columns);
        let coerced = coerced.map_err(unplanned)?;
        let exact = exact_comparisons(coerced, &self.columns)
            .map_err(unplanned)?
            .data;
        // What can't be computed at all is told before anything is read.
        let physical = self
            .state
            .create_physical_expr(exact.clone(), &self.columns);
        physical.map_err(unplanned)?;
        Ok(exact)
    }

    fn planned(&self, parsed: SqlExpr) -> Result<Expr, DataFusionError> {
        let named = ExprWithAlias {
            expr: parsed,
            alias: None,
        };
        self.state
            .create_logical_expr_from_sql_expr(named, &self.columns)
    }

    /// Makes decimals of numbers beside decimals that have more digits than a double.
    fn keep_digits(&self, node: &mut SqlExpr) {
        let mut operands: Vec<&mut SqlExpr> = match node {
            SqlExpr::BinaryOp { left, right, .. } => vec![left, right],
            SqlExpr::Between {
                expr, low, high, ..
            } => vec![expr, low, high],
            SqlExpr::InList { expr, list, .. } => list.iter_mut().chain([&mut **expr]).collect(),
            _ => return,
        };
        let is_decimal = |operand: &&mut SqlExpr| {
            let planned = self.planned((**operand).clone());
            let found = planned.and_then(|planned| planned.get_type(&self.columns));
            found.is_ok_and(|found| found.is_decimal())
        };
        let has_long = operands
            .iter_mut()
            .any(|operand| long_number(operand).is_some());
        if has_long && operands.iter().any(is_decimal) {
            let numbers = operands
                .iter_mut()
                .filter_map(|operand| long_number(operand));
            for number in numbers {
                if let Some(decimal) = as_decimal(number) {
                    *number = decimal;
                }
            }
        }
    }

    /// The type of a value.
    ///
    /// # Errors
    /// It isn't one of these columns.
    pub(crate) fn type_of(&self, value: &Expr) -> Result<DataType, DataFusionError> {
        value.get_type(&self.columns)
    }

    /// Spells a name as the columns have it; one that they don't know, or of several, stays.
    fn spell(&self, names: &mut [Ident]) {
        let relations = self.columns.iter().filter_map(|(relation, _)| relation);
        let mut relations: Vec<_> = relations.map(|relation| relation.table()).collect();
        relations.dedup();
        let mut of = None;
        let mut names = names;
        if names.len() > 1 && spell(&mut names[0], relations) {
            of = Some(names[0].value.clone());
            names = &mut names[1..];
        }
        let known = self.columns.iter().filter(|(relation, _)| {
            let is_of_it = |of: &String| relation.is_some_and(|found| found.table() == of);
            of.as_ref().is_none_or(is_of_it)
        });
        if let Some(name) = names.first_mut() {
            spell(
                name,
                known.map(|(_, field)| field.name().as_str()).collect(),
            );
        }
    }
}

/// A number as it is written that would lose digits as a double, without its sign.
fn long_number(operand: &mut SqlExpr) -> Option<&mut SqlExpr> {
    match operand {
        SqlExpr::Nested(expr) | SqlExpr::UnaryOp { expr, .. } => long_number(expr),
        SqlExpr::Value(value) => match &value.value {
            Value::Number(text, _) if is_long(text) => Some(operand),
            _ => None,
        },
        _ => None,
    }
}

fn is_long(text: &str) -> bool {
    let digits = text
        .trim_start_matches(['0', '.'])
        .bytes()
        .filter(u8::is_ascii_digit);
    text.parse::<u64>().is_err()
        && text
            .bytes()
            .all(|letter| letter.is_ascii_digit() || letter == b'.')
        && digits.count() > DIGITS_OF_DOUBLE
}

/// A number as a decimal of its digits; None where no decimal has as many.
fn as_decimal(number: &SqlExpr) -> Option<SqlExpr> {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.trim_start_matches('0').len();
    let (precision, scale) = (whole + fraction.len(), fraction.len());
    let decimal = format!("CAST('{text}' AS DECIMAL({precision}, {scale}))");
    (precision <= MOST_DIGITS).then(|| parsed(&decimal).ok())?
}

/// Spells a name as it is known, if as one of these alone; says whether.
fn spell(name: &mut Ident, known: Vec<&str>) -> bool {
    let is_exact = known.contains(&name.value.as_str());
    let mut alike = known
        .into_iter()
        .filter(|known| known.eq_ignore_ascii_case(&name.value));
    let spelt = match (is_exact, alike.next(), alike.next()) {
        (true, _, _) => name.value.clone(),
        (false, Some(one), None) => one.to_owned(),
        _ => return false,
    };
    *name = Ident::with_quote('"', spelt);
    true
}

/// Refuses values of columns that the table doesn't have.
pub(crate) fn refuse_unknown(
    values: &[(String, String)],
    table: &Schema,
) -> Result<(), RuleViolation> {
    let unknown = values
        .iter()
        .find(|(name, _)| table.index_of(name).is_err());
    match unknown {
        Some((name, _)) => Err(RuleViolation::NoSuchColumn(name.clone())),
        None => Ok(()),
    }
}

/// A session that plans texts as [`Scope`] has them.
pub(crate) fn statement_state() -> SessionState {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let mut state = dfd_runtime::session(config).state();
    // When the statement is, `current_date` is asked for.
    state.mark_start_execution();
    state
}

/// One expression, and nothing after it.
fn parsed(text: &str) -> Result<SqlExpr, ParserError> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text)?;
    let parsed = parser.parse_expr()?;
    match parser.peek_token() {
        end if end.token == Token::EOF => Ok(parsed),
        more => Err(ParserError::ParserError(format!(
            "it ends before {more}{}",
            more.span.start
        ))),
    }
}

/// Why an expression needs more than the row that it is of.
fn over_other_rows(expr: &Expr) -> Option<&'static str> {
    let mut reason = None;
    let _visited = expr.apply(|node| {
        reason = match node {
            Expr::AggregateFunction(_) => Some("It has an aggregate, which is of many rows."),
            Expr::WindowFunction(_) => Some("It has a window, which is of many rows."),
            Expr::Placeholder(_) => Some("It has a placeholder without a value."),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    reason
}

fn refusal(text: &str, what: &str, reason: String) -> RuleViolation {
    RuleViolation::Statement {
        what: what.to_owned(),
        text: text.to_owned(),
        reason,
    }
}
