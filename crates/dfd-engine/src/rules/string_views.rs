//! Texts and binaries of Delta tables as views, inside a plan alone.
//!
//! DataFusion reads plain Parquet so, which spares a copy of each value and compares short texts in
//! place. To the session a Delta table has the types of its log. So the plan is given views here, in its
//! scans; DataFusion's own coercion does the rest. Whoever plans it casts what leaves to the types that the
//! session expects. What could tell the difference keeps a plan as it is.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TableScan};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use dfd_delta::DeltaTableProvider;

/// Functions whose values tell the type of an argument.
const TELL_TYPES: [&str; 2] = ["arrow_typeof", "arrow_field"];

/// A plan for the same rows under the same names, from scans of views; None where nothing is gained, or
/// where something could tell the difference.
///
/// Casts to the types of `plan` belong above the physical plan, once it is optimized: a projection of
/// casts above a Sort is spread over partitions again, and the order is lost.
pub(crate) fn with_string_views(
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<Option<LogicalPlan>> {
    let options = state.config_options();
    if !options.execution.parquet.schema_force_view_types || !is_type_agnostic(plan, state)? {
        return Ok(None);
    }
    let viewed = plan.clone().transform_up(|node| match node {
        LogicalPlan::TableScan(scan) => scan_of_views(scan),
        other => Ok(Transformed::no(other)),
    })?;
    if !viewed.transformed {
        return Ok(None);
    }
    let retyped = viewed.data.transform_up(|node| {
        Ok(Transformed::yes(if node.inputs().is_empty() {
            node
        } else {
            node.recompute_schema()?
        }))
    })?;
    let coerced = TypeCoercion::new().analyze(retyped.data, options)?;
    Ok(Some(coerced.transform_up(fold_literals)?.data))
}

/// Whether no part of the plan can tell a view from a text: nothing is in it that isn't DataFusion's.
fn is_type_agnostic(plan: &LogicalPlan, state: &SessionState) -> Result<bool> {
    let mut is_agnostic = true;
    plan.apply_with_subqueries(|node| {
        is_agnostic &= !matches!(
            node,
            LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_) | LogicalPlan::Unnest(_)
        );
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                is_agnostic &= match expr {
                    Expr::ScalarFunction(call) => {
                        let name = call.func.name();
                        let ours = state.udf(name);
                        ours.is_ok_and(|ours| Arc::ptr_eq(&ours, &call.func))
                            && !TELL_TYPES.contains(&name)
                    }
                    Expr::AggregateFunction(call) => {
                        let ours = state.udaf(call.func.name());
                        ours.is_ok_and(|ours| Arc::ptr_eq(&ours, &call.func))
                    }
                    Expr::WindowFunction(_) => false,
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(is_agnostic)
}

/// The scan with texts and binaries as views, where the table has any.
fn scan_of_views(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let provider = source_as_provider(&scan.source)?;
    let delta = provider.downcast_ref::<DeltaTableProvider>();
    let Some(table) = delta.and_then(DeltaTableProvider::with_views) else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let viewed = TableScanBuilder::new(scan.table_name, provider_as_source(Arc::new(table)))
        .with_projection(scan.projection)
        .with_filters(scan.filters)
        .with_fetch(scan.fetch)
        .with_statistics_requests(scan.statistics_requests)
        .build()?;
    Ok(Transformed::yes(LogicalPlan::TableScan(viewed)))
}

/// Literals that coercion has cast become literals of that type, which filters on files can use.
fn fold_literals(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let folded = expr.transform_up(|expr| match expr {
            Expr::Cast(Cast { expr, field }) => match *expr {
                Expr::Literal(value, metadata) => {
                    let value = value.cast_to(field.data_type())?;
                    Ok(Transformed::yes(Expr::Literal(value, metadata)))
                }
                other => Ok(Transformed::no(Expr::Cast(Cast::new_from_field(
                    Box::new(other),
                    field,
                )))),
            },
            other => Ok(Transformed::no(other)),
        })?;
        Ok(folded.update_data(|expr| name.restore(expr)))
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::{
        DeltaTable, batch, bytes, in_memory, numbers, optimized, session, session_with, texts,
    };

    fn rows() -> arrow::array::RecordBatch {
        let texts = texts(["a", "b", "c"]);
        batch(vec![
            ("n", numbers(0..3)),
            ("s", texts),
            ("b", bytes([b"x", b"y", b"z"])),
        ])
    }

    fn with_table(session: SessionContext, table: &DeltaTable) -> SessionContext {
        session.register_table("t", table.native()).unwrap();
        session
    }

    /// The plan with views, if it may have them.
    fn viewed(session: &SessionContext, sql: &str) -> Option<LogicalPlan> {
        with_string_views(&optimized(session, sql), &session.state()).unwrap()
    }

    /// The types of what the scans read.
    fn scanned(plan: &LogicalPlan) -> Vec<DataType> {
        let mut types = Vec::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let fields = scan.projected_schema.fields().iter();
                types.extend(fields.map(|field| field.data_type().clone()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        types
    }

    #[test]
    fn texts_and_binaries_are_read_as_views() {
        let table = DeltaTable::new(&[rows()]);
        let session = with_table(session(), &table);
        let viewed = viewed(&session, "SELECT n, s, b FROM t").unwrap();
        assert_eq!(
            scanned(&viewed),
            [DataType::Int64, DataType::Utf8View, DataType::BinaryView]
        );
    }

    #[test]
    fn plans_of_datafusions_own_are_taken_and_keep_their_names() {
        let table = DeltaTable::new(&[rows()]);
        let session = with_table(session(), &table);
        for sql in [
            "SELECT s FROM t WHERE s > 'a' AND b <> X'00'",
            "SELECT upper(s) || '!' AS loud, substr(s, 1, 1) FROM t",
            "SELECT s, count(*), max(b) FROM t GROUP BY s HAVING min(s) < 'z'",
            "SELECT s FROM t ORDER BY s DESC, n LIMIT 2",
            "SELECT l.s, r.n FROM t l JOIN t r ON l.s = r.s",
            "SELECT s FROM t WHERE s IN (SELECT s FROM t WHERE n > 1)",
            "SELECT s FROM t UNION ALL SELECT 'x'",
            "SELECT DISTINCT s FROM t EXCEPT SELECT s FROM t WHERE n = 0",
            "SELECT CASE WHEN s = 'a' THEN s ELSE 'b' END FROM t",
            "SELECT CAST(n AS VARCHAR) || s FROM t",
        ] {
            let plan = optimized(&session, sql);
            let viewed = viewed(&session, sql).unwrap_or_else(|| panic!("kept: {sql}"));
            let names = |plan: &LogicalPlan| {
                let fields = plan.schema().fields().iter();
                fields.map(|field| field.name().clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&viewed), names(&plan), "{sql}");
            assert!(
                scanned(&viewed).contains(&DataType::Utf8View),
                "{sql}: {viewed}"
            );
        }
    }

    #[test]
    fn plans_that_could_tell_the_difference_are_kept() {
        let table = DeltaTable::new(&[rows()]);
        let session = with_table(session(), &table);
        let identity = create_udf(
            "of_another_library",
            vec![DataType::Utf8],
            DataType::Utf8,
            Volatility::Immutable,
            Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone())),
        );
        let other = with_table(crate::testing::session(), &table);
        other.register_udf(identity);
        assert!(
            with_string_views(
                &optimized(&other, "SELECT of_another_library(s) FROM t"),
                &session.state()
            )
            .unwrap()
            .is_none()
        );
        for sql in [
            "SELECT arrow_typeof(s) FROM t",
            "SELECT s, row_number() OVER (ORDER BY s) FROM t",
            "SELECT unnest([s, s]) FROM t",
            "WITH RECURSIVE r AS (SELECT s FROM t UNION ALL SELECT s FROM r WHERE s < 'a') SELECT s FROM r",
        ] {
            assert!(viewed(&session, sql).is_none(), "{sql}");
        }
    }

    #[test]
    fn a_function_of_the_same_name_is_another() {
        let table = DeltaTable::new(&[rows()]);
        let foreign = with_table(session(), &table);
        let upper = create_udf(
            "upper",
            vec![DataType::Utf8],
            DataType::Utf8,
            Volatility::Immutable,
            Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone())),
        );
        foreign.register_udf(upper);
        let plan = optimized(&foreign, "SELECT upper(s) FROM t");
        let own = with_table(session(), &table).state();
        assert!(!is_type_agnostic(&plan, &own).unwrap());
        assert!(is_type_agnostic(&plan, &foreign.state()).unwrap());
    }

    #[test]
    fn nothing_is_gained_without_texts_or_without_a_delta_table() {
        let no_texts = DeltaTable::new(&[batch(vec![("n", numbers(0..3))])]);
        let session = with_table(session(), &no_texts);
        assert!(viewed(&session, "SELECT n FROM t").is_none());
        session.register_table("m", in_memory(&[rows()])).unwrap();
        assert!(viewed(&session, "SELECT s FROM m").is_none());
        let table = DeltaTable::new(&[rows()]);
        session.register_table("o", table.opaque()).unwrap();
        assert!(viewed(&session, "SELECT s FROM o").is_none());
    }

    #[test]
    fn the_switch_of_datafusion_is_that_of_this_too() {
        let table = DeltaTable::new(&[rows()]);
        let key = "datafusion.execution.parquet.schema_force_view_types";
        let session = with_table(
            session_with(SessionConfig::new().set_bool(key, false)),
            &table,
        );
        assert!(viewed(&session, "SELECT s FROM t").is_none());
    }

    #[test]
    fn partition_values_stay_texts() {
        let file = batch(vec![("s", texts(["a"]))]);
        let table = DeltaTable::partitioned("day", &[("mon", file)]);
        let session = with_table(session(), &table);
        let viewed = viewed(&session, "SELECT s, day FROM t").unwrap();
        assert_eq!(scanned(&viewed), [DataType::Utf8View, DataType::Utf8]);
    }

    #[test]
    fn literals_beside_views_are_views_and_no_casts() {
        let table = DeltaTable::new(&[rows()]);
        let session = with_table(session(), &table);
        let viewed = viewed(&session, "SELECT n FROM t WHERE s = 'a'").unwrap();
        let text = viewed.display_indent().to_string();
        assert!(
            text.contains("Utf8View(\"a\")") && !text.contains("CAST"),
            "{text}"
        );
    }
}
