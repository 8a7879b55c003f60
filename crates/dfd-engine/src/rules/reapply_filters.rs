//! Filters that an opaque scan applies, as nodes of the plan.
//!
//! A session leaves filters to a table that says it applies them itself. The opaque scan of a foreign session
//! does; a scan in the engine gives what it can't skip, so that here each is a node again, which the
//! optimizer's rules see.

use std::collections::HashSet;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use dfd_delta::DeltaTableProvider;

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
    let wanted = match scan.projection {
        Some(projection) => projection,
        None => (0..schema.fields().len()).collect(),
    };
    let looked_at: HashSet<_> = condition
        .column_refs()
        .into_iter()
        .map(Column::name)
        .collect();
    let is_read = |index: &usize| {
        wanted.contains(index) || looked_at.contains(schema.field(*index).name().as_str())
    };
    let read: Vec<_> = (0..schema.fields().len()).filter(is_read).collect();
    let column = |index: &usize| {
        let name = schema.field(*index).name();
        Expr::Column(Column::new(Some(scan.table_name.clone()), name))
    };
    let projection = (read != wanted).then(|| wanted.iter().map(column).collect::<Vec<_>>());
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
