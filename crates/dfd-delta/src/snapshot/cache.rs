//! The cache of snapshots that queries share.
//!
//! A table that was opened before is brought up to date by the commits since, and a version that was
//! read before isn't read again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use dfd_runtime::{CacheLimit, CacheStats, Location};

use crate::snapshot::table_snapshot::TableSnapshot;

/// Memory of the snapshots that are kept when nobody uses them, where nothing else is asked for.
const DEFAULT_BYTES: usize = 256 << 20;

/// A snapshot that is kept.
struct Kept {
    snapshot: Arc<TableSnapshot>,
    /// When it was found to be right.
    since: Instant,
}

/// The snapshots that are kept, the most recently used last.
struct Cached {
    kept: VecDeque<Kept>,
    limit: CacheLimit,
    stats: CacheStats,
}

impl Cached {
    const fn new(limit: CacheLimit) -> Self {
        Self {
            kept: VecDeque::new(),
            limit,
            stats: CacheStats {
                hits: 0,
                misses: 0,
                evictions: 0,
                entries: 0,
                bytes: 0,
            },
        }
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.snapshot.bytes()).sum()
    }

    /// Keeps a snapshot that is right at this moment.
    fn keep(&mut self, snapshot: Arc<TableSnapshot>) {
        let since = Instant::now();
        self.kept.push_back(Kept { snapshot, since });
    }

    /// Takes out what is too old, and what is too much.
    fn evict(&mut self) -> Vec<Kept> {
        let ttl = self.limit.ttl;
        let is_old = |kept: &Kept| ttl.is_some_and(|ttl| kept.since.elapsed() >= ttl);
        let (mut gone, young) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition::<Vec<_>, _>(is_old);
        self.kept = young.into();
        let mut bytes = self.bytes();
        while bytes > self.limit.bytes
            && let Some(first) = self.kept.pop_front()
        {
            bytes -= first.snapshot.bytes();
            gone.push(first);
        }
        self.stats.evictions += gone.len();
        gone
    }

    fn find(&mut self, location: &Location, version: Option<u64>) -> Option<Arc<TableSnapshot>> {
        let of_table = |kept: &Kept| kept.snapshot.location().is(location);
        let found = match version {
            None => self
                .kept
                .iter()
                .enumerate()
                .filter(|(_, kept)| of_table(kept))
                .max_by_key(|(_, kept)| kept.snapshot.version())
                .map(|(place, _)| place),
            Some(version) => self
                .kept
                .iter()
                .position(|kept| of_table(kept) && kept.snapshot.version() == version),
        };
        let snapshot = found.and_then(|place| self.kept.remove(place))?.snapshot;
        self.keep(Arc::clone(&snapshot));
        Some(snapshot)
    }
}

fn cached() -> MutexGuard<'static, Cached> {
    static CACHED: Mutex<Cached> = Mutex::new(Cached::new(CacheLimit::of_bytes(DEFAULT_BYTES)));
    CACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something with what is cached, of which nothing is too old or too much before and afterwards. A snapshot that
/// nobody else uses is taken apart without the lock.
fn with_cached<T>(work: impl FnOnce(&mut Cached) -> T) -> T {
    let mut cached = cached();
    let before = cached.evict();
    let found = work(&mut cached);
    let after = cached.evict();
    drop(cached);
    drop((before, after));
    found
}

/// Finds the snapshot of a version, or one from which the newest can be reached.
pub(crate) fn find(location: &Location, version: Option<u64>) -> Option<Arc<TableSnapshot>> {
    with_cached(|cached| cached.find(location, version))
}

/// Shares `snapshot`; in place of `before`, where it is the newer version of that.
pub(crate) fn share(snapshot: &Arc<TableSnapshot>, before: Option<&TableSnapshot>) {
    let gone = with_cached(|cached| {
        let is_before =
            |kept: &Kept| before.is_some_and(|before| std::ptr::eq(kept.snapshot.as_ref(), before));
        let (gone, others) = std::mem::take(&mut cached.kept)
            .into_iter()
            .partition::<Vec<_>, _>(is_before);
        cached.kept = others.into();
        cached.keep(Arc::clone(snapshot));
        gone
    });
    drop(gone);
}

/// Forgets what was read of a table that was since replaced.
pub(crate) fn forget(location: &Location) {
    let gone = with_cached(|cached| {
        let (gone, others) = std::mem::take(&mut cached.kept)
            .into_iter()
            .partition::<Vec<_>, _>(|kept| kept.snapshot.location().is(location));
        cached.kept = others.into();
        gone
    });
    drop(gone);
}

/// What the cache may hold.
pub fn snapshot_limit() -> CacheLimit {
    cached().limit
}

/// Sets what the cache may hold, in this process; what is too much or too old goes at once.
pub fn set_snapshot_limit(limit: CacheLimit) {
    with_cached(|cached| cached.limit = limit);
}

/// Counts a look at a table: whether no commit had to be read.
pub(crate) fn count(was_shared: bool) {
    let stats = &mut cached().stats;
    match was_shared {
        true => stats.hits += 1,
        false => stats.misses += 1,
    }
}

/// How the cache is doing.
pub(crate) fn snapshot_stats() -> CacheStats {
    with_cached(|cached| CacheStats {
        entries: cached.kept.len(),
        bytes: cached.bytes(),
        ..cached.stats
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_tables::{TestTable, field};

    fn table() -> TestTable {
        TestTable::new(&[field("id", "long")], &[])
    }

    #[test]
    fn the_least_recently_used_goes_at_the_limit() {
        let tables = [table(), table(), table()];
        let opened = tables.each_ref().map(TestTable::open);
        let limit = CacheLimit::of_bytes(2 * opened[0].bytes());
        let mut cached = Cached::new(limit);
        let found = |cached: &mut Cached, place: usize| {
            cached.find(&tables[place].location(), None).is_some()
        };
        for place in [0, 1] {
            cached.keep(Arc::clone(&opened[place]));
            assert!(cached.evict().is_empty());
        }
        assert!(found(&mut cached, 0));
        cached.keep(Arc::clone(&opened[2]));
        assert_eq!(cached.evict().len(), 1);
        assert_eq!(
            [0, 1, 2].map(|place| found(&mut cached, place)),
            [true, false, true]
        );
        cached.limit = CacheLimit::of_bytes(0);
        assert_eq!(cached.evict().len(), 2);
        assert_eq!(
            (cached.kept.len(), cached.bytes(), cached.stats.evictions),
            (0, 0, 3)
        );
    }

    #[test]
    fn a_snapshot_goes_after_its_time() {
        let table = table();
        let ttl = Some(Duration::from_millis(20));
        let mut cached = Cached::new(CacheLimit {
            bytes: 1 << 20,
            ttl,
        });
        cached.keep(table.open());
        assert!(cached.evict().is_empty());
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(cached.evict().len(), 1);
    }
}
