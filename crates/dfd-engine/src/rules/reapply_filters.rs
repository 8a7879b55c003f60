//! Filters that an opaque scan applies, as nodes of the plan.
//!
//! A session leaves filters to a table that says it applies them itself. The opaque scan of a foreign session
//! does; a scan in the engine gives what it can't skip, so that here each is a node again, which the
//! optimizer's rules see.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use dfd_delta::{DeltaTableProvider, widened_projection};

/// The plan with a filter above each Delta table for what its scan leaves; its rows and schema stay.
///
/// # Errors
/// A scan names a column that its table doesn't have.
pub(crate) fn reapply_filters(plan: LogicalPlan) -> Result<LogicalPlan> {
    let found = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => filter_over_scan(scan),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(found.data)
}

/// The scan under a filter for what it leaves, and under its limit.
fn filter_over_scan(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let provider = source_as_provider(&scan.source)?;
    let delta = provider.downcast_ref::<DeltaTableProvider>();
    let is_applied = |filter: &&Expr| delta.is_some_and(|delta| delta.filters_exactly(filter));
    let Some(condition) = conjunction(scan.filters.iter().filter(is_applied).cloned()) else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let schema = provider.schema();
    let read = widened_projection(&schema, scan.projection.as_ref(), &condition);
    let column = |index: &usize| {
        let name = schema.field(*index).name();
        Expr::Column(Column::new(Some(scan.table_name.clone()), name))
    };
    let wanted = scan.projection.filter(|wanted| wanted.len() < read.len());
    let projection = wanted.map(|wanted| wanted.iter().map(column).collect::<Vec<_>>());
    let all = TableScanBuilder::new(scan.table_name, scan.source)
        .with_projection(Some(read))
        .with_filters(scan.filters)
        .with_statistics_requests(scan.statistics_requests)
        .build()?;
    let mut plan = LogicalPlanBuilder::from(LogicalPlan::TableScan(all)).filter(condition)?;
    if let Some(columns) = projection {
        plan = plan.project(columns)?;
    }
    if scan.fetch.is_some() {
        plan = plan.limit(0, scan.fetch)?;
    }
    Ok(Transformed::yes(plan.build()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::logical_expr::{col, lit};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{DeltaTable, batch, in_memory, numbers, optimized, session, texts};

    fn rows() -> arrow::array::RecordBatch {
        batch(vec![
            ("n", numbers(0..9)),
            ("m", numbers(10..19)),
            ("s", texts((0..9).map(|n| format!("text {n}")))),
        ])
    }

    fn foreign(table: &DeltaTable) -> SessionContext {
        let session = session();
        session.register_table("t", table.opaque()).unwrap();
        session
    }

    /// The plan of a foreign session with its filters as nodes, a line a node.
    fn reapplied(session: &SessionContext, sql: &str) -> Vec<String> {
        let plan = optimized(session, sql);
        let schema = Arc::clone(plan.schema());
        let found = reapply_filters(plan).unwrap();
        assert_eq!(found.schema(), &schema);
        let text = found.display_indent().to_string();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn a_filter_that_the_opaque_scan_applies_is_a_node_again() {
        let table = DeltaTable::new(&[rows()]);
        let session = foreign(&table);
        let sql = "SELECT n, m, s FROM t WHERE n > 3 AND s <> 'x'";
        let text = optimized(&session, sql).display_indent().to_string();
        assert!(
            !text.contains("Filter:") && text.contains("full_filters"),
            "{text}"
        );
        let found = reapplied(&session, sql);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "Filter: t.n > Int64(3) AND t.s != Utf8(\"x\")");
        assert!(
            found[1].starts_with("TableScan: t projection=[n, m, s], full_filters="),
            "{found:?}"
        );
    }

    #[test]
    fn columns_that_only_a_filter_looks_at_end_above_it() {
        let table = DeltaTable::new(&[rows()]);
        let found = reapplied(&foreign(&table), "SELECT s FROM t WHERE n > 3");
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[..2], ["Projection: t.s", "Filter: t.n > Int64(3)"]);
        assert!(
            found[2].starts_with("TableScan: t projection=[s, n]"),
            "{found:?}"
        );
    }

    #[test]
    fn a_limit_stands_above_the_filter() {
        let table = DeltaTable::new(&[rows()]);
        let session = foreign(&table);
        let sql = "SELECT n FROM t WHERE n > 3 LIMIT 2";
        let found = reapplied(&session, sql);
        let limits: Vec<_> = (0..found.len())
            .filter(|i| found[*i].starts_with("Limit:"))
            .collect();
        let filter = found.iter().position(|line| line.starts_with("Filter:"));
        assert!(
            filter.is_some_and(|filter| limits.iter().all(|limit| *limit < filter)),
            "{found:?}"
        );
        let scan = found.last().unwrap();
        assert!(!limits.is_empty() && !scan.contains("fetch"), "{found:?}");
    }

    #[test]
    fn what_partitions_decide_stays_with_the_scan() {
        let table = DeltaTable::partitioned("day", &[("mon", rows()), ("tue", rows())]);
        let session = foreign(&table);
        let found = reapplied(&session, "SELECT n, m, s, day FROM t WHERE day = 'mon'");
        assert_eq!(found.len(), 1, "{found:?}");
        let found = reapplied(
            &session,
            "SELECT n, m, s, day FROM t WHERE day = 'mon' AND n > 3",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "Filter: t.n > Int64(3)");
    }

    #[test]
    fn filters_with_functions_are_nodes_already() {
        let table = DeltaTable::new(&[rows()]);
        let found = reapplied(
            &foreign(&table),
            "SELECT n, m, s FROM t WHERE upper(s) = 'X'",
        );
        let filters = found
            .iter()
            .filter(|line| line.starts_with("Filter:"))
            .count();
        assert_eq!(filters, 1, "{found:?}");
    }

    #[test]
    fn subqueries_are_looked_into() {
        let table = DeltaTable::new(&[rows()]);
        let scan = |name: &str, filters| {
            let source = datafusion::datasource::provider_as_source(table.opaque());
            LogicalPlanBuilder::scan_with_filters(name, source, None, filters).unwrap()
        };
        let inner = scan("u", vec![col("u.n").gt(lit(3_i64))]);
        let inner = inner.project(vec![col("u.n")]).unwrap().build().unwrap();
        let outer = scan("t", vec![])
            .filter(datafusion::logical_expr::in_subquery(
                col("t.n"),
                Arc::new(inner),
            ))
            .unwrap()
            .build()
            .unwrap();
        let text = reapply_filters(outer).unwrap().display_indent().to_string();
        assert!(text.contains("Filter: u.n > Int64(3)"), "{text}");
    }

    #[test]
    fn other_tables_stay_as_they_are() {
        let session = session();
        session.register_table("t", in_memory(&[rows()])).unwrap();
        let plan = optimized(&session, "SELECT s FROM t WHERE n > 3");
        assert_eq!(reapply_filters(plan.clone()).unwrap(), plan);
    }
}
