//! The cache of snapshots that queries share.
//!
//! A table that was opened before is brought up to date by the commits since, and a version that was
//! read before isn't read again.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
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

fn cached() -> MutexGuard<'static, Cached> {
    static CACHED: LazyLock<Mutex<Cached>> = LazyLock::new(|| {
        Mutex::new(Cached {
            kept: VecDeque::new(),
            limit: CacheLimit::of_bytes(DEFAULT_BYTES),
            stats: CacheStats::default(),
        })
    });
    CACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cached {
    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.snapshot.bytes()).sum()
    }

    fn take(&mut self, place: usize) -> Option<Arc<TableSnapshot>> {
        self.kept.remove(place).map(|kept| kept.snapshot)
    }

    /// Keeps a snapshot that is right at this moment.
    fn keep(&mut self, snapshot: Arc<TableSnapshot>) {
        let since = Instant::now();
        self.kept.push_back(Kept { snapshot, since });
    }

    /// Takes out what is too old, and what is too much; whoever gets it drops it without the lock.
    fn evict(&mut self) -> Vec<Kept> {
        let ttl = self.limit.ttl;
        let is_old = |kept: &Kept| ttl.is_some_and(|ttl| kept.since.elapsed() >= ttl);
        let (old, young) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition::<Vec<_>, _>(is_old);
        self.kept = young.into();
        let mut gone = old;
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
}

/// Finds the snapshot of a version, or one from which the newest can be reached.
pub(crate) fn find(location: &Location, version: Option<u64>) -> Option<Arc<TableSnapshot>> {
    let mut cached = cached();
    let gone = cached.evict();
    let of_table = |kept: &Kept| kept.snapshot.location().is(location);
    let found = match version {
        None => cached
            .kept
            .iter()
            .enumerate()
            .filter(|(_, kept)| of_table(kept))
            .max_by_key(|(_, kept)| kept.snapshot.version())
            .map(|(place, _)| place),
        Some(version) => cached
            .kept
            .iter()
            .position(|kept| of_table(kept) && kept.snapshot.version() == version),
    };
    let snapshot = found.and_then(|place| cached.take(place));
    if let Some(snapshot) = &snapshot {
        cached.keep(Arc::clone(snapshot));
    }
    drop(cached);
    drop(gone);
    snapshot
}

/// Keeps a snapshot for others; `before` is the one that it takes the place of.
pub(crate) fn share(snapshot: &Arc<TableSnapshot>, before: Option<&TableSnapshot>) {
    let mut cached = cached();
    if let Some(before) = before {
        let is_other = |kept: &Kept| !std::ptr::eq(kept.snapshot.as_ref(), before);
        cached.kept.retain(is_other);
    }
    cached.keep(Arc::clone(snapshot));
    let gone = cached.evict();
    drop(cached);
    // A snapshot that nobody else uses is taken apart without the lock.
    drop(gone);
}

/// Forgets all snapshots of a table, as after it was made anew.
pub(crate) fn forget(location: &Location) {
    let mut cached = cached();
    let (gone, others) = std::mem::take(&mut cached.kept)
        .into_iter()
        .partition::<VecDeque<_>, _>(|kept| kept.snapshot.location().is(location));
    cached.kept = others;
    drop(cached);
    drop(gone);
}

/// What the cache may hold.
pub fn snapshot_limit() -> CacheLimit {
    cached().limit
}

/// Sets what the cache may hold, in this process; what is too much or too old goes at once.
pub fn set_snapshot_limit(limit: CacheLimit) {
    let mut cached = cached();
    cached.limit = limit;
    let gone = cached.evict();
    drop(cached);
    drop(gone);
}

/// Counts a look at a table: a hit found nothing to read in its log.
pub(crate) fn count(was_shared: bool) {
    let stats = &mut cached().stats;
    match was_shared {
        true => stats.hits += 1,
        false => stats.misses += 1,
    }
}

/// How the cache is doing.
pub(crate) fn snapshot_stats() -> CacheStats {
    let mut cached = cached();
    let gone = cached.evict();
    let stats = CacheStats {
        entries: cached.kept.len(),
        bytes: cached.bytes(),
        ..cached.stats
    };
    drop(cached);
    drop(gone);
    stats
}
