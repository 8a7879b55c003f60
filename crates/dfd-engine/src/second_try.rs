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

/// A way to plan that needs less memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leaner {
    /// Joins that spill in place of hash joins.
    SpillingJoins,
    /// So many partitions: as few as there can be.
    Partitions(usize),
}

impl Leaner {
    /// The next one after `plan`, which `state` has made; None where there is none.
    pub(crate) fn than(plan: &Arc<dyn ExecutionPlan>, state: &SessionState) -> Option<Self> {
        // Some joins are hash joins whatever is preferred.
        if has::<HashJoinExec>(plan) && state.config_options().optimizer.prefer_hash_join {
            return Some(Self::SpillingJoins);
        }
        let least = match has::<SortMergeJoinExec>(plan) {
            true => LEAST_PARTITIONS_OF_JOINS,
            false => 1,
        };
        let has_more = state.config().target_partitions() > least;
        has_more.then_some(Self::Partitions(least))
    }

    /// A state that plans so.
    pub(crate) fn state(self, state: &SessionState) -> SessionState {
        let mut config = state.config().clone();
        let options = config.options_mut();
        let partitions = &mut options.execution.target_partitions;
        match self {
            Self::SpillingJoins => {
                *partitions = LEAST_PARTITIONS_OF_JOINS.max(*partitions);
                options.optimizer.prefer_hash_join = false;
                options.optimizer.repartition_joins = true;
            }
            Self::Partitions(least) => *partitions = least,
        }
        let state = SessionStateBuilder::new_from_existing(state.clone());
        state.with_config(config).build()
    }
}

fn has<T: ExecutionPlan>(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|node| Ok(node.downcast_ref::<T>().is_some()))
        .is_ok_and(|found| found)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{batch, in_memory, numbers, optimized, session};

    /// The plans of a query that is begun again until there is no leaner way, as text, and their partitions.
    fn tried(session: &SessionContext, sql: &str) -> Vec<(String, usize)> {
        let logical = optimized(session, sql);
        let mut state = session.state();
        let mut found = Vec::new();
        loop {
            let planned = state.query_planner();
            let plan = planned.create_physical_plan(&logical, &state);
            let plan = dfd_runtime::block_on(plan).unwrap().unwrap();
            let shown = datafusion::physical_plan::displayable(plan.as_ref());
            let partitions = state.config().target_partitions();
            found.push((shown.indent(false).to_string(), partitions));
            match Leaner::than(&plan, &state) {
                Some(leaner) => state = leaner.state(&state),
                None => return found,
            }
        }
    }

    fn tables() -> SessionContext {
        let session = session();
        let rows = |from: i64| batch(vec![("n", numbers(from..from + 10))]);
        for name in ["l", "r"] {
            let table = in_memory(&[rows(0), rows(5), rows(9)]);
            session.register_table(name, table).unwrap();
        }
        session
    }

    #[test]
    fn joins_spill_first_and_are_of_two_partitions_then() {
        let found = tried(&tables(), "SELECT l.n FROM l JOIN r ON l.n = r.n");
        let of = |text: &str| found.iter().map(|(plan, _)| plan.contains(text)).collect();
        let (hash, merge): (Vec<_>, Vec<_>) = (of("HashJoinExec"), of("SortMergeJoinExec"));
        assert_eq!(hash, [true, false, false]);
        assert_eq!(merge, [false, true, true]);
        let partitions: Vec<_> = found.iter().map(|(_, partitions)| *partitions).collect();
        assert_eq!(partitions, [4, 4, 2]);
    }

    #[test]
    fn a_join_that_can_not_spill_ends_too() {
        let found = tried(
            &tables(),
            "SELECT n FROM l WHERE n NOT IN (SELECT n FROM r)",
        );
        assert!(found[0].0.contains("HashJoinExec"), "{}", found[0].0);
        assert!(found.len() <= 3);
    }

    #[test]
    fn everything_else_is_of_one_partition_at_last() {
        let found = tried(&tables(), "SELECT n, count(*) FROM l GROUP BY n ORDER BY n");
        let partitions: Vec<_> = found.iter().map(|(_, partitions)| *partitions).collect();
        assert_eq!(partitions, [4, 1]);
    }
}
