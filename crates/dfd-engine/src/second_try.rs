//! Other ways to run queries that ran out of memory.
//!
//! A hash join holds one of its sides in memory, and fails where that is too large for the limit. A sort-merge
//! join sorts both, which spills. And what several partitions have too little for, one may have enough for. Both
//! are slower, so that they are for those alone that have failed.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::listing::ListingTable;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use dfd_delta::DeltaTableProvider;

/// DataFusion has sort-merge joins of several partitions alone.
const LEAST_PARTITIONS_OF_JOINS: usize = 2;

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

/// A state whose plans need less memory than `plan`, which `state` has made; None where there is none.
///
/// First joins that spill in place of hash joins, then as few partitions as there can be.
pub(crate) fn with_less_memory(
    plan: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
) -> Option<SessionState> {
    let mut config = state.config().clone();
    let partitions = config.target_partitions();
    let options = config.options_mut();
    if has::<HashJoinExec>(plan) {
        options.optimizer.prefer_hash_join = false;
        options.optimizer.repartition_joins = true;
        options.execution.target_partitions = partitions.max(LEAST_PARTITIONS_OF_JOINS);
    } else {
        let least = match has::<SortMergeJoinExec>(plan) {
            true => LEAST_PARTITIONS_OF_JOINS,
            false => 1,
        };
        if partitions <= least {
            return None;
        }
        options.execution.target_partitions = least;
    }
    let state = SessionStateBuilder::new_from_existing(state.clone());
    Some(state.with_config(config).build())
}

fn has<T: ExecutionPlan>(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|node| Ok(node.downcast_ref::<T>().is_some()))
        .is_ok_and(|found| found)
}
