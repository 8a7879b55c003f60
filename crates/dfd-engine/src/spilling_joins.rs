//! Joins that spill, in place of those that ran out of memory.
//!
//! A hash join holds one of its sides in memory, and fails where that is too large for the limit. A sort-merge
//! join sorts both, which spills. It is slower, so that it is for those alone that have failed.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::ListingTable;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use dfd_delta::DeltaTableProvider;

/// Whether a query failed because there is no more memory.
pub(crate) fn is_out_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// Whether all that a plan reads gives the same rows again: tables of other libraries may be streams.
pub(crate) fn may_be_read_again(plan: &LogicalPlan) -> bool {
    let mut is_known = true;
    let walked = plan.apply_with_subqueries(|node| {
        is_known &= match node {
            LogicalPlan::TableScan(scan) => {
                let provider = source_as_provider(&scan.source)?;
                provider.downcast_ref::<DeltaTableProvider>().is_some()
                    || provider.downcast_ref::<ListingTable>().is_some()
            }
            LogicalPlan::Extension(_) => false,
            _ => true,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && is_known
}

/// A state that plans sort-merge joins in place of the hash joins of `plan`; None where it has none.
pub(crate) fn with_spilling_joins(
    plan: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
) -> Option<SessionState> {
    let has_hash_join = plan
        .exists(|node| Ok(node.downcast_ref::<HashJoinExec>().is_some()))
        .is_ok_and(|found| found);
    if !has_hash_join {
        return None;
    }
    let mut config = state.config().clone();
    let options = config.options_mut();
    options.optimizer.prefer_hash_join = false;
    options.optimizer.repartition_joins = true;
    // DataFusion has sort-merge joins of several partitions alone.
    options.execution.target_partitions = options.execution.target_partitions.max(2);
    let state = SessionStateBuilder::new_from_existing(state.clone());
    Some(state.with_config(config).build())
}
