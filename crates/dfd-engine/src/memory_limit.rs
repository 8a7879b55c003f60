//! Settings of queries that have a memory limit.
//!
//! DataFusion's own are made for memory without one: sorts set ten megabytes each aside before they begin, and merge
//! as many spilled runs at once as there are, with two batches of each in memory, until nothing is left for
//! what reads them.

use datafusion::prelude::SessionConfig;

/// Spilled runs of a sort that are merged at once; more are merged in several passes.
pub(crate) const MERGE_FAN_IN: usize = 8;

/// What a partition needs at least, whatever it does.
const PARTITION_BYTES: usize = 8 << 20;
/// About what a row takes; batches that are spilled are as large as rows make them.
const ROW_BYTES: usize = 256;
const LEAST_BATCH_ROWS: usize = 512;

/// The settings with no more partitions, no larger batches and no larger reservations than `limit` bytes allow.
pub(crate) fn within(limit: usize, mut config: SessionConfig) -> SessionConfig {
    let execution = &mut config.options_mut().execution;
    let partitions = execution
        .target_partitions
        .min(limit / PARTITION_BYTES)
        .max(1);
    let share = limit / partitions;
    // A merge has two batches of each run, and each counts twice while it is cut.
    let batch_rows = (share / (MERGE_FAN_IN * 4 * ROW_BYTES)).max(LEAST_BATCH_ROWS);
    execution.target_partitions = partitions;
    execution.sort_spill_reservation_bytes = execution.sort_spill_reservation_bytes.min(share / 8);
    let batch_rows = config.batch_size().min(batch_rows);
    config.with_batch_size(batch_rows)
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
        let small = within(24 << 20, config());
        assert_eq!(small.target_partitions(), 3);
        assert_eq!(
            small.options().execution.sort_spill_reservation_bytes,
            1 << 20
        );
        assert_eq!(small.batch_size(), 1_024);
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
