//! Snapshots that queries share.
//!
//! A table that was opened before is brought up to date by the commits since, and a version that was
//! read before isn't read again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::caches::CacheStats;
use crate::snapshot::{At, TableSnapshot};
use crate::store::Location;

/// Snapshots that are kept when nobody uses them; the least recently used goes first.
const MOST: usize = 64;

static HITS: AtomicUsize = AtomicUsize::new(0);
static MISSES: AtomicUsize = AtomicUsize::new(0);

/// The most recently used last.
fn shared() -> MutexGuard<'static, VecDeque<Arc<TableSnapshot>>> {
    static SHARED: LazyLock<Mutex<VecDeque<Arc<TableSnapshot>>>> = LazyLock::new(Mutex::default);
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that stands at `at`, or from which the newest can be reached.
pub fn find(location: &Location, at: At) -> Option<Arc<TableSnapshot>> {
    let mut shared = shared();
    let of_table = |snapshot: &Arc<TableSnapshot>| snapshot.location().is(location);
    let found = match at {
        At::Newest => shared
            .iter()
            .enumerate()
            .filter(|(_, snapshot)| of_table(snapshot))
            .max_by_key(|(_, snapshot)| snapshot.version())
            .map(|(place, _)| place),
        At::Version(version) => shared
            .iter()
            .position(|snapshot| of_table(snapshot) && snapshot.version() == version),
        At::Time(_) => None,
    };
    let snapshot = found.and_then(|place| shared.remove(place));
    if let Some(snapshot) = &snapshot {
        shared.push_back(Arc::clone(snapshot));
    }
    snapshot
}

/// Share `snapshot`; in place of `before`, where it is the newer version of that.
pub fn keep(snapshot: &Arc<TableSnapshot>, before: Option<&TableSnapshot>) {
    let mut shared = shared();
    if let Some(before) = before {
        shared.retain(|kept| !std::ptr::eq(kept.as_ref(), before));
    }
    shared.push_back(Arc::clone(snapshot));
    let dropped = (shared.len() > MOST).then(|| shared.pop_front()).flatten();
    drop(shared);
    drop(dropped);
}

/// No longer share what was read of a table that was since replaced.
pub fn forget(location: &Location) {
    let mut shared = shared();
    let (gone, kept) = std::mem::take(&mut *shared)
        .into_iter()
        .partition::<VecDeque<_>, _>(|snapshot| snapshot.location().is(location));
    *shared = kept;
    drop(shared);
    drop(gone);
}

/// Count a look at a table: whether no commit had to be read.
pub fn looked(was_shared: bool) {
    let counter = if was_shared { &HITS } else { &MISSES };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The snapshots of this process. Bytes are those of their files and statistics, without
/// deltalake-core's own copy of the log.
pub fn snapshot_stats() -> CacheStats {
    let shared = shared();
    CacheStats {
        hits: HITS.load(Ordering::Relaxed),
        misses: MISSES.load(Ordering::Relaxed),
        entries: shared.len(),
        bytes: shared.iter().map(|snapshot| snapshot.bytes()).sum(),
    }
}
