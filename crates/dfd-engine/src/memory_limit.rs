//! Settings of queries that have a memory limit.
//!
//! DataFusion's own are made for memory without one: sorts set ten megabytes each aside before they begin, and merge
//! as many spilled runs at once as there are, with two batches of each in memory, until nothing is left for
//! what reads them.
//!
//! ```text
//!   limit / partitions = share ─┬─ 1/4 kept by the pool for merges and joins
//!                               │      of which each sort sets 1/16 of the share aside: four batches,
//!                               │      a merge of two runs in the leanest way
//!                               └─ 3/4 for the sorts and aggregates of the partition
//!   share / 64 = bytes of a batch
//! ```

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use crate::second_try::Leaner;

/// Spilled runs of a sort that are merged at once; more are merged in several passes.
pub(crate) const MERGE_FAN_IN: usize = 8;

/// Sorts of a partition that run at once set half of what is kept for them aside: those of the two sides of a join.
const SET_ASIDE: usize = 16;
/// A merge of two runs has a batch of each, and each counts twice while it is cut.
const BATCHES_SET_ASIDE: usize = 4;
/// About what a row takes; batches that are spilled are as large as rows make them.
const ROW_BYTES: usize = 256;
const LEAST_BATCH_ROWS: usize = 512;
/// What a partition needs at least, whatever it does.
const PARTITION_BYTES: usize = SET_ASIDE * BATCHES_SET_ASIDE * LEAST_BATCH_ROWS * ROW_BYTES;

/// The settings with no more partitions, no larger batches and no larger reservations than `limit` bytes allow.
pub(crate) fn within(limit: usize, mut config: SessionConfig) -> SessionConfig {
    let execution = &mut config.options_mut().execution;
    let partitions = execution
        .target_partitions
        .min(limit / PARTITION_BYTES)
        .max(1);
    let share = limit / partitions;
    let set_aside = share / SET_ASIDE;
    let batch_rows = (set_aside / (BATCHES_SET_ASIDE * ROW_BYTES)).max(LEAST_BATCH_ROWS);
    execution.target_partitions = partitions;
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(set_aside);
    let batch_rows = config.batch_size().min(batch_rows);
    config.with_batch_size(batch_rows)
}

/// The error of a query that had too little memory, with the limit and what helps; any other as it is.
pub(crate) fn explained(
    error: DataFusionError,
    plan: &Arc<dyn ExecutionPlan>,
    state: &SessionState,
) -> DataFusionError {
    let limit = state.runtime_env().memory_pool.memory_limit();
    let (DataFusionError::ResourcesExhausted(reason), MemoryLimit::Finite(limit)) =
        (error.find_root(), limit)
    else {
        return error;
    };
    let partitions = state.config().target_partitions();
    // What was tried isn't said: this is the last of its ways.
    let instead = match Leaner::than(plan, state) {
        Some(Leaner::SpillingJoins) => {
            ", or set `datafusion.optimizer.prefer_hash_join` to false, for joins that spill"
        }
        Some(Leaner::Partitions(_)) => {
            ", or set `datafusion.execution.target_partitions` to 1, for one larger share of it"
        }
        None => "",
    };
    DataFusionError::ResourcesExhausted(format!(
        "the engine's memory limit of {limit} bytes (`memory_limit_bytes`, of all its queries \
         together) is too small for this query in {partitions} partitions: raise it{instead}. {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SessionConfig {
        SessionConfig::new()
            .with_target_partitions(4)
            .with_batch_size(16_384)
    }

    #[test]
    fn what_is_enough_changes_nothing() {
        let (before, after) = (config(), within(16 << 30, config()));
        assert_eq!(after.target_partitions(), before.target_partitions());
        assert_eq!(after.batch_size(), before.batch_size());
        let reserved =
            |config: &SessionConfig| config.options().execution.sort_spill_reservation_bytes;
        assert_eq!(reserved(&after), reserved(&before));
    }

    #[test]
    fn less_makes_all_of_it_smaller() {
        let small = within(48 << 20, config());
        assert_eq!(small.target_partitions(), 4);
        assert_eq!(
            small.options().execution.sort_spill_reservation_bytes,
            768 << 10
        );
        assert_eq!(small.batch_size(), 768);
        assert_eq!(within(24 << 20, config()).target_partitions(), 3);
        let least = within(1, config());
        assert_eq!(
            (least.target_partitions(), least.batch_size()),
            (1, LEAST_BATCH_ROWS)
        );
    }

    #[test]
    fn nothing_grows() {
        let asked = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(100);
        let found = within(1 << 30, asked);
        assert_eq!((found.target_partitions(), found.batch_size()), (1, 100));
    }
}
