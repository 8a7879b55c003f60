//! The cache of snapshots that queries share.
//!
//! A table that was opened before is brought up to date by the commits since, and a version that was
//! read before isn't read again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use dfd_runtime::{CacheStats, Location};

use crate::snapshot::table_snapshot::TableSnapshot;

/// Snapshots that are kept when nobody uses them; the least recently used goes first.
const MAX_SNAPSHOTS: usize = 64;

static HITS: AtomicUsize = AtomicUsize::new(0);
static MISSES: AtomicUsize = AtomicUsize::new(0);

/// The cached snapshots, the most recently used last.
fn cached() -> MutexGuard<'static, VecDeque<Arc<TableSnapshot>>> {
    static CACHED: LazyLock<Mutex<VecDeque<Arc<TableSnapshot>>>> = LazyLock::new(Mutex::default);
    CACHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds the snapshot of a version, or one from which the newest can be reached.
pub(crate) fn find(location: &Location, version: Option<u64>) -> Option<Arc<TableSnapshot>> {
    let mut cached = cached();
    let of_table = |snapshot: &Arc<TableSnapshot>| snapshot.location().is(location);
    let found = match version {
        None => cached
            .iter()
            .enumerate()
            .filter(|(_, snapshot)| of_table(snapshot))
            .max_by_key(|(_, snapshot)| snapshot.version())
            .map(|(place, _)| place),
        Some(version) => cached
            .iter()
            .position(|snapshot| of_table(snapshot) && snapshot.version() == version),
    };
    let snapshot = found.and_then(|place| cached.remove(place));
    if let Some(snapshot) = &snapshot {
        cached.push_back(Arc::clone(snapshot));
    }
    snapshot
}

/// Shares `snapshot`; in place of `before`, where it is the newer version of that.
pub(crate) fn share(snapshot: &Arc<TableSnapshot>, before: Option<&TableSnapshot>) {
    let mut cached = cached();
    if let Some(before) = before {
        cached.retain(|other| !std::ptr::eq(other.as_ref(), before));
    }
    cached.push_back(Arc::clone(snapshot));
    let dropped = (cached.len() > MAX_SNAPSHOTS)
        .then(|| cached.pop_front())
        .flatten();
    drop(cached);
    drop(dropped);
}

/// Forgets what was read of a table that was since replaced.
pub(crate) fn forget(location: &Location) {
    let mut cached = cached();
    let (gone, others) = std::mem::take(&mut *cached)
        .into_iter()
        .partition::<VecDeque<_>, _>(|snapshot| snapshot.location().is(location));
    *cached = others;
    drop(cached);
    drop(gone);
}

/// Counts a look at a table: whether no commit had to be read.
pub(crate) fn count(was_shared: bool) {
    let counter = if was_shared { &HITS } else { &MISSES };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Hits, misses and size of the cache. Bytes are those of their files and statistics, without
/// deltalake-core's own copy of the log.
pub(crate) fn snapshot_stats() -> CacheStats {
    let cached = cached();
    CacheStats {
        hits: HITS.load(Ordering::Relaxed),
        misses: MISSES.load(Ordering::Relaxed),
        entries: cached.len(),
        bytes: cached.iter().map(|snapshot| snapshot.bytes()).sum(),
    }
}
