//! Which scans drop rows while they decode.
//!
//! A filter inside the Parquet decoder pays where few rows pass and other columns are then not
//! decoded; elsewhere it costs more than it saves. DataFusion has one switch for all scans. Here a
//! scan gets one where a join tells it, while it runs, which few keys it needs.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::split_conjunction;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// The part of a join's build side that is left of its tables, at most, for a filter to pay.
const FEW: f64 = 0.25;

/// Turns the decoder's filter on, scan by scan.
#[derive(Debug)]
pub struct RowFilters;

impl PhysicalOptimizerRule for RowFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if config.execution.parquet.pushdown_filters {
            return Ok(plan);
        }
        let kept = kept_by_joins(&plan)?;
        if kept.is_empty() {
            return Ok(plan);
        }
        plan.transform_down(|node| {
            Ok(match filtered(&node, &kept)? {
                Some(scan) => Transformed::yes(scan),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "row_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// By the filter that a join makes while it runs: how much is left of the tables it builds from.
fn kept_by_joins(plan: &Arc<dyn ExecutionPlan>) -> Result<HashMap<u64, f64>> {
    let statistics = StatisticsContext::new();
    let rows = |node: &Arc<dyn ExecutionPlan>| {
        let found = statistics.compute(node.as_ref(), &StatisticsArgs::new());
        found.ok()?.num_rows.get_value().copied()
    };
    let mut kept = HashMap::new();
    plan.apply(|node| {
        if let Some(join) = node.downcast_ref::<HashJoinExec>() {
            let mut of_tables = None;
            join.left().apply(|below| {
                if below.children().is_empty() {
                    of_tables = of_tables.max(rows(below));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
            if let (Some(left), Some(whole)) = (rows(join.left()), of_tables) {
                let part = left as f64 / whole.max(1) as f64;
                let filters = join.dynamic_expressions_produced().into_iter();
                kept.extend(filters.filter_map(|filter| Some((filter.expression_id()?, part))));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(kept)
}

/// The scan with a filter in its decoder, where that pays.
fn filtered(
    node: &Arc<dyn ExecutionPlan>,
    kept: &HashMap<u64, f64>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = parquet_scan(node) else {
        return Ok(None);
    };
    let Some(predicate) = source.filter() else {
        return Ok(None);
    };
    let parts = split_conjunction(&predicate);
    let kept = |part: &Arc<dyn PhysicalExpr>| part.expression_id().and_then(|id| kept.get(&id));
    // A filter that is there beforehand costs more than it saves (TPC-H 19).
    let mut pays = parts.iter().all(|part| part.expression_id().is_some())
        && parts.iter().filter_map(|part| kept(part)).any(|part| *part <= FEW);
    // What the filter looks at is decoded anyway.
    pays &= source.projection().is_some_and(|projection| {
        let filtered = collect_columns(&predicate);
        let read = projection.iter().map(|column| collect_columns(&column.expr));
        read.flatten().any(|column| !filtered.contains(&column))
    });
    if !pays {
        return Ok(None);
    }
    let source: Arc<dyn FileSource> = Arc::new(source.clone().with_pushdown_filters(true));
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source);
    Ok(Some(DataSourceExec::from_data_source(config.build())))
}

fn parquet_scan(node: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &ParquetSource)> {
    node.downcast_ref::<DataSourceExec>()?
        .downcast_to_file_source()
}
