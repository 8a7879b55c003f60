//! The newest version of a table, which a reader looks for whenever he needs it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::snapshot::table_snapshot::TableSnapshot;

/// A moment of this process: the later one is the greater.
pub(crate) fn moment() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// A table that isn't pinned: its newest version, as far as this process has seen it.
///
/// What was seen never goes back: a later look gives the same version or a newer one, or that of a
/// table that was made anew in the place of the first.
#[derive(Debug)]
pub struct LatestSnapshot {
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    snapshot: Arc<TableSnapshot>,
    /// When the look at the log began that found it to be the newest.
    moment: u64,
    time: Instant,
}

impl LatestSnapshot {
    /// The table of which `snapshot` is known so far.
    pub fn new(snapshot: Arc<TableSnapshot>) -> Self {
        let seen = Seen {
            snapshot,
            moment: moment(),
            time: Instant::now(),
        };
        Self {
            seen: Mutex::new(seen),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest version that was seen; nothing is asked of the store.
    pub fn seen(&self) -> Arc<TableSnapshot> {
        Arc::clone(&self.locked().snapshot)
    }

    /// What a look has found that began after `moment` and is not older than `age`.
    pub(crate) fn seen_since(&self, moment: u64, age: Duration) -> Option<Arc<TableSnapshot>> {
        let seen = self.locked();
        let is_fresh = seen.moment > moment && seen.time.elapsed() < age;
        is_fresh.then(|| Arc::clone(&seen.snapshot))
    }

    /// The newest version there is: one look at the log, at the commit that is known and at the next.
    ///
    /// # Errors
    /// The log can't be read or understood.
    pub async fn look(&self) -> Result<Arc<TableSnapshot>, Error> {
        loop {
            let (began, time) = (moment(), Instant::now());
            let before = self.seen();
            let found = before.refreshed().await?;
            let mut seen = self.locked();
            let is_first = Arc::ptr_eq(&seen.snapshot, &before);
            match found {
                None if is_first => {
                    if began > seen.moment {
                        (seen.moment, seen.time) = (began, time);
                    }
                    return Ok(before);
                }
                // Another look has seen a newer one in the meantime.
                None => return Ok(Arc::clone(&seen.snapshot)),
                Some(newer) if is_first => {
                    *seen = Seen {
                        snapshot: Arc::clone(&newer),
                        moment: began,
                        time,
                    };
                    return Ok(newer);
                }
                // Which of the two is newer, the log tells.
                Some(_) => {}
            }
        }
    }

    /// Goes on from `snapshot`, the same version over another store; false where `before` is no longer
    /// what was seen last.
    pub(crate) fn exchange(
        &self,
        before: &Arc<TableSnapshot>,
        snapshot: &Arc<TableSnapshot>,
    ) -> bool {
        let mut seen = self.locked();
        let is_known = Arc::ptr_eq(&seen.snapshot, before);
        if is_known {
            seen.snapshot = Arc::clone(snapshot);
        }
        is_known
    }
}
