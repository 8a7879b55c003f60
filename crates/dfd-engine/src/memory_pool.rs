//! How the queries of an engine share its memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{Result, resources_err};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// Channels between partitions: whatever they don't get they write to disk, batch by batch.
const CHANNELS: &str = "RepartitionExec";
/// Merges of spilled runs: as many runs at once as they get memory for.
const MERGES: &str = "ExternalSorterMerge";

/// A pool that keeps room for those who can't spill.
///
/// DataFusion's `FairSpillPool` gives all of it to those who can, in equal shares, and counts the channels
/// between partitions as such: a merge of spilled runs then finds nothing left, whoever reads several of them
/// neither, and many partitions have shares that no batch fits into. Here a quarter is kept for those who can't
/// spill, half of it for others than merges; an eighth is for channels where there are any; and the
/// rest is in equal shares for sorts and aggregates.
#[derive(Debug)]
pub(crate) struct SharedMemoryPool {
    limit: usize,
    usage: Mutex<Usage>,
}

/// Bytes in use.
#[derive(Debug, Default)]
struct Usage {
    /// By merges of spilled runs.
    merges: usize,
    /// By others that can't spill.
    others: usize,
    /// By channels, and how many there are.
    channels: usize,
    channel_count: usize,
    /// By each consumer that spills.
    spilling: HashMap<usize, usize>,
}

enum Kind {
    Merge,
    Other,
    Channel,
    Spilling,
}

fn kind(consumer: &MemoryConsumer) -> Kind {
    match consumer.can_spill() {
        false if consumer.name().starts_with(MERGES) => Kind::Merge,
        false => Kind::Other,
        true if consumer.name().starts_with(CHANNELS) => Kind::Channel,
        true => Kind::Spilling,
    }
}

impl Usage {
    fn of(&mut self, consumer: &MemoryConsumer) -> &mut usize {
        match kind(consumer) {
            Kind::Merge => &mut self.merges,
            Kind::Other => &mut self.others,
            Kind::Channel => &mut self.channels,
            Kind::Spilling => self.spilling.entry(consumer.id()).or_default(),
        }
    }

    fn spilled_sum(&self) -> usize {
        self.spilling.values().sum()
    }

    fn bytes(&self) -> usize {
        self.merges + self.others + self.channels + self.spilled_sum()
    }

    /// What all channels may have.
    fn for_channels(&self, limit: usize) -> usize {
        limit / 8 * self.channel_count.min(1)
    }

    /// What all that spill may have.
    fn for_spilling(&self, limit: usize) -> usize {
        let unspilled = (self.merges + self.others).max(limit / 4);
        limit.saturating_sub(unspilled + self.for_channels(limit))
    }

    /// Whether a reservation may have so many bytes more.
    fn allows(&mut self, limit: usize, reservation: &MemoryReservation, more: usize) -> bool {
        if self.bytes() + more > limit {
            return false;
        }
        let consumer = reservation.consumer();
        match kind(consumer) {
            Kind::Other => true,
            Kind::Merge => self.merges + self.others.max(limit / 8) + more <= limit,
            Kind::Channel => self.channels + more <= self.for_channels(limit),
            Kind::Spilling => {
                let all = self.for_spilling(limit);
                let share = all / self.spilling.len().max(1);
                // Some have a second reservation while they merge: it takes what the others leave.
                *self.of(consumer) + more <= share
                    || reservation.size() + more <= share && self.spilled_sum() + more <= all
            }
        }
    }
}

impl SharedMemoryPool {
    /// A pool of so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            usage: Mutex::default(),
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for SharedMemoryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(limit: {} bytes)", self.name(), self.limit)
    }
}

impl MemoryPool for SharedMemoryPool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut usage = self.usage();
        match kind(consumer) {
            Kind::Channel => usage.channel_count += 1,
            Kind::Spilling => *usage.of(consumer) = 0,
            Kind::Merge | Kind::Other => (),
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut usage = self.usage();
        match kind(consumer) {
            Kind::Channel => usage.channel_count = usage.channel_count.saturating_sub(1),
            Kind::Spilling => {
                usage.spilling.remove(&consumer.id());
            }
            Kind::Merge | Kind::Other => (),
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        *self.usage().of(reservation.consumer()) += additional;
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut usage = self.usage();
        let bytes = usage.of(reservation.consumer());
        *bytes = bytes.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut usage = self.usage();
        if usage.allows(self.limit, reservation, additional) {
            *usage.of(reservation.consumer()) += additional;
            return Ok(());
        }
        resources_err!(
            "{} has {} bytes and needs {additional} more, while {} of {} are in use",
            reservation.consumer().name(),
            reservation.size(),
            usage.bytes(),
            self.limit
        )
    }

    fn reserved(&self) -> usize {
        self.usage().bytes()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pool() -> Arc<dyn MemoryPool> {
        Arc::new(SharedMemoryPool::new(800))
    }

    fn consumer(pool: &Arc<dyn MemoryPool>, name: &str, can_spill: bool) -> MemoryReservation {
        let consumer = MemoryConsumer::new(name).with_can_spill(can_spill);
        consumer.register(pool)
    }

    /// How much a reservation can grow to, given at most so much at once.
    fn most(reservation: &MemoryReservation, step: usize) -> usize {
        while reservation.try_grow(step).is_ok() {}
        reservation.size()
    }

    #[test]
    fn sorts_have_equal_shares_and_leave_a_quarter_for_others() {
        let pool = pool();
        let (one, other) = (consumer(&pool, "a", true), consumer(&pool, "b", true));
        assert_eq!((most(&one, 10), most(&other, 10)), (300, 300));
        let merge = consumer(&pool, "merge", false);
        assert_eq!(most(&merge, 10), 200);
        assert_eq!(pool.reserved(), 800);
        one.free();
        assert_eq!(most(&merge, 10), 500);
        // What a merge has beyond the quarter is missing from the shares.
        assert_eq!(most(&one, 1), 0);
        merge.free();
        assert_eq!(most(&one, 1), 300);
        drop((one, other, merge));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn merges_leave_an_eighth_for_those_who_read_them() {
        let pool = pool();
        let merges = ["ExternalSorterMerge[0]", "ExternalSorterMerge[1]"];
        let merges = merges.map(|name| consumer(&pool, name, false));
        assert_eq!((most(&merges[0], 10), most(&merges[1], 10)), (700, 0));
        let reader = consumer(&pool, "SortPreservingMergeExec[0]", false);
        assert_eq!(most(&reader, 10), 100);
    }

    #[test]
    fn channels_have_an_eighth_together_and_no_share() {
        let pool = pool();
        let channels = ["RepartitionExec[0]", "RepartitionExec[1]"];
        let channels = channels.map(|name| consumer(&pool, name, true));
        let sort = consumer(&pool, "sort", true);
        assert_eq!(most(&sort, 10), 500);
        assert_eq!((most(&channels[0], 10), most(&channels[1], 10)), (100, 0));
        drop(channels);
        assert_eq!(most(&sort, 10), 600);
    }

    #[test]
    fn a_second_reservation_has_what_the_others_leave() {
        let pool = pool();
        let (one, other) = (consumer(&pool, "a", true), consumer(&pool, "b", true));
        let second = one.new_empty();
        assert_eq!((most(&one, 10), most(&second, 10)), (300, 300));
        // The other's right is free still: a quarter is kept.
        assert_eq!(most(&other, 10), 200);
        second.free();
        assert_eq!(most(&other, 10), 300);
        assert_eq!(most(&second, 10), 0);
    }

    #[test]
    fn errors_say_who_has_what() {
        let pool = pool();
        let join = consumer(&pool, "HashJoinInput", false);
        join.try_grow(500).unwrap();
        let error = join.try_grow(301).unwrap_err().to_string();
        let said = "HashJoinInput has 500 bytes and needs 301 more, while 500 of 800 are in use";
        assert!(error.contains(said), "{error}");
    }

    #[test]
    fn what_must_grow_does_and_is_missing_elsewhere() {
        let pool = pool();
        let join = consumer(&pool, "SMJStream", false);
        join.grow(900);
        assert_eq!(pool.reserved(), 900);
        assert!(consumer(&pool, "sort", true).try_grow(1).is_err());
    }
}
