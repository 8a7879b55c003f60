//! Plans that the engine doesn't take.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::schema_mismatch::SchemaMismatch;

/// Why the engine doesn't take a plan. Nothing has run.
#[derive(Debug, thiserror::Error)]
pub enum UnsupportedPlan {
    /// The bytes hold what only the foreign session knows.
    #[error("the plan can't be read: {0}")]
    Unreadable(#[source] DataFusionError),
    /// Statements belong to the session.
    #[error("{0} runs in the session")]
    Statement(&'static str),
    /// Its literals of 16 bits can't be told from those of 32.
    #[error("a Float16 literal loses its type on the way")]
    HalfLiteral,
    /// Planning failed.
    #[error("the plan can't be planned: {0}")]
    Unplannable(#[source] DataFusionError),
    /// The plan would give something else than the foreign session's would.
    #[error("the plan comes back with another schema: {0}")]
    OtherSchema(#[from] SchemaMismatch),
}

/// Fail for a plan that must not run here.
pub(crate) fn ensure_supported(plan: &LogicalPlan) -> Result<(), UnsupportedPlan> {
    if let Some(statement) = statement(plan) {
        return Err(UnsupportedPlan::Statement(statement));
    }
    if may_have_half_literals(plan).map_err(UnsupportedPlan::Unplannable)? {
        return Err(UnsupportedPlan::HalfLiteral);
    }
    Ok(())
}

/// What a plan is that does something else than giving rows.
fn statement(plan: &LogicalPlan) -> Option<&'static str> {
    Some(match plan {
        LogicalPlan::Ddl(_) => "DDL",
        LogicalPlan::Dml(_) => "DML",
        LogicalPlan::Copy(_) => "COPY",
        LogicalPlan::Statement(_) => "a statement",
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN",
        LogicalPlan::DescribeTable(_) => "DESCRIBE",
        _ => return None,
    })
}

/// Whether a literal may have had 16 bits: it comes back from a plan's bytes with 32, so where there are
/// both, it may be one.
fn may_have_half_literals(plan: &LogicalPlan) -> Result<bool> {
    let (mut has_half, mut has_literal) = (false, false);
    plan.apply_with_subqueries(|node| {
        let fields = node.schema().fields().iter();
        has_half |= fields.into_iter().any(|field| is_half(field.data_type()));
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Cast(cast) => has_half |= is_half(cast.field.data_type()),
                    Expr::TryCast(cast) => has_half |= is_half(cast.field.data_type()),
                    Expr::Literal(value, _) => {
                        has_literal |= value.data_type() == DataType::Float32
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(has_half && has_literal)
}

fn is_half(data_type: &DataType) -> bool {
    *data_type == DataType::Float16
}
