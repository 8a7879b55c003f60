//! Plans that the engine doesn't take.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use dfd_delta::told;

use crate::schema_mismatch::SchemaMismatch;

/// Why the engine doesn't take a plan. Nothing has run.
#[derive(Debug, thiserror::Error)]
pub enum UnsupportedPlan {
    /// The bytes hold what only the foreign session knows.
    #[error("the plan can't be read: {}", told(.0))]
    Unreadable(#[source] DataFusionError),
    /// Statements belong to the session.
    #[error("{0} runs in the session")]
    Statement(&'static str),
    /// Its literals of 16 bits can't be told from those of 32.
    #[error("a Float16 literal loses its type on the way")]
    HalfLiteral,
    /// It calls a function of which there is another one by the same name.
    #[error("{0} may be the function of datafusion.functions.spark, and the plan doesn't say")]
    AmbiguousFunction(String),
    /// Planning failed.
    #[error("the plan can't be planned: {}", told(.0))]
    Unplannable(#[source] DataFusionError),
    /// The plan would give something else than the foreign session's would.
    #[error("the plan comes back with another schema: {0}")]
    OtherSchema(#[from] SchemaMismatch),
}

impl UnsupportedPlan {
    /// The reason without what is in the plan, the same across releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Statement(_) => "statement",
            Self::HalfLiteral => "ambiguous_type",
            Self::AmbiguousFunction(_) => "function_of_spark",
            Self::Unplannable(_) => "unplannable",
            Self::OtherSchema(_) => "other_schema",
        }
    }
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
        LogicalPlan::Explain(explain) => return statement(&explain.plan),
        LogicalPlan::Analyze(analyze) => return statement(&analyze.input),
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

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{batch, in_memory, numbers, session};

    fn with_table() -> SessionContext {
        let session = session();
        let table = in_memory(&[batch(vec![("n", numbers([1, 2]))])]);
        session.register_table("t", table).unwrap();
        session
    }

    fn checked(session: &SessionContext, sql: &str) -> Result<(), UnsupportedPlan> {
        let planned = dfd_runtime::block_on(session.state().create_logical_plan(sql));
        ensure_supported(&planned.unwrap().unwrap())
    }

    #[test]
    fn queries_are_taken() {
        let session = with_table();
        for sql in [
            "SELECT n FROM t",
            "VALUES (1)",
            "SELECT 1",
            "SELECT n FROM t UNION SELECT 2",
            "EXPLAIN SELECT n FROM t",
            "EXPLAIN ANALYZE SELECT n FROM t",
        ] {
            assert!(checked(&session, sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn statements_belong_to_the_session() {
        let session = with_table();
        for (sql, kind) in [
            ("CREATE TABLE u AS SELECT n FROM t", "DDL"),
            ("CREATE VIEW v AS SELECT n FROM t", "DDL"),
            ("DROP TABLE t", "DDL"),
            ("INSERT INTO t VALUES (1)", "DML"),
            ("DELETE FROM t WHERE n = 1", "DML"),
            ("UPDATE t SET n = 1", "DML"),
            ("COPY t TO 'x.parquet'", "COPY"),
            ("SET datafusion.execution.batch_size = 1", "a statement"),
            ("EXPLAIN DELETE FROM t", "DML"),
            ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", "DML"),
            ("DESCRIBE t", "DESCRIBE"),
        ] {
            let refusal = checked(&session, sql).unwrap_err();
            assert!(
                matches!(refusal, UnsupportedPlan::Statement(found) if found == kind),
                "{sql}: {refusal}"
            );
        }
    }

    #[test]
    fn a_literal_that_may_have_had_16_bits_is_refused() {
        let session = with_table();
        let half = "arrow_cast(n, 'Float16')";
        for (sql, is_refused) in [
            (format!("SELECT {half} FROM t"), false),
            (
                "SELECT n + arrow_cast(1.5, 'Float32') FROM t".to_owned(),
                false,
            ),
            (
                format!("SELECT {half} + arrow_cast(1.5, 'Float32') FROM t"),
                true,
            ),
            (
                format!(
                    "SELECT n FROM t WHERE n IN (SELECT arrow_cast({half} + arrow_cast(1.5, 'Float32'), 'Int64') FROM t)"
                ),
                true,
            ),
        ] {
            let planned = dfd_runtime::block_on(session.sql(&sql)).unwrap().unwrap();
            let optimized = planned.into_optimized_plan().unwrap();
            let checked = ensure_supported(&optimized);
            let found = matches!(checked, Err(UnsupportedPlan::HalfLiteral));
            assert_eq!(found, is_refused, "{sql}: {optimized}");
        }
    }

    #[test]
    fn a_refusal_keeps_what_it_was_made_of() {
        use std::error::Error;
        let mismatch = SchemaMismatch {
            expected: "n Int64".to_owned(),
            found: String::new(),
        };
        let refusal = UnsupportedPlan::from(mismatch.clone());
        let source = refusal
            .source()
            .and_then(|source| source.downcast_ref::<SchemaMismatch>());
        assert_eq!(source, Some(&mismatch));
    }
}
