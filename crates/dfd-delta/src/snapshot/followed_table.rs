//! A table whose newest version is followed, by all who read it by one name.
//!
//! ```text
//!   read() ──> pinned? that version ──> seen lately enough? that one ──> look at the log
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::snapshot::table_snapshot::TableSnapshot;

/// A moment of this process: of two, the later one has the greater number.
pub(crate) fn moment() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::SeqCst)
}

/// How old a look at a log may be that a query relies on; of all tables of a session.
#[derive(Debug, Default)]
pub struct Freshness(AtomicU64);

impl Freshness {
    /// How old it may be; zero where each query looks for itself.
    pub fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Sets it, in whole milliseconds.
    pub fn set(&self, age: Duration) {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }
}

/// A table by its name: the newest version that was seen of it, and the version that is read in its place while it
/// is pinned.
///
/// Two threads that look at once may find two versions; only the newer one stays, unless the older is of a
/// table that was made anew in the place of the first.
#[derive(Debug)]
pub struct FollowedTable {
    state: Mutex<State>,
    freshness: Arc<Freshness>,
    /// Held by who looks for all that wait.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    seen: Seen,
    /// Since when a newer version is known to be there: looks that began before found too little.
    outdated: u64,
    pinned: Option<Arc<TableSnapshot>>,
}

#[derive(Debug)]
struct Seen {
    snapshot: Arc<TableSnapshot>,
    /// When the look at the log began that found it to be the newest.
    moment: u64,
    /// The same by the clock.
    time: Instant,
}

impl FollowedTable {
    /// The table of which `snapshot` is known so far.
    pub fn new(snapshot: Arc<TableSnapshot>, freshness: Arc<Freshness>) -> Self {
        let seen = Seen {
            snapshot,
            moment: moment(),
            time: Instant::now(),
        };
        let state = State {
            seen,
            outdated: 0,
            pinned: None,
        };
        Self {
            state: Mutex::new(state),
            freshness,
            looking: tokio::sync::Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest version that was seen; nothing is asked of the store.
    pub fn seen(&self) -> Arc<TableSnapshot> {
        Arc::clone(&self.locked().seen.snapshot)
    }

    /// The version that it is pinned to.
    pub fn pinned(&self) -> Option<Arc<TableSnapshot>> {
        self.locked().pinned.clone()
    }

    /// The version that is read, or that was seen last.
    pub fn current(&self) -> Arc<TableSnapshot> {
        self.pinned().unwrap_or_else(|| self.seen())
    }

    /// From now on every query reads `snapshot`; None follows the newest version again.
    pub fn pin(&self, snapshot: Option<Arc<TableSnapshot>>) {
        self.locked().pinned = snapshot;
    }

    /// The next query looks, however young the last look is.
    pub fn outdate(&self) {
        self.locked().outdated = moment();
    }

    /// The version to read, where nobody has to look for it.
    pub(crate) fn known(&self) -> Option<Arc<TableSnapshot>> {
        let allowed = self.freshness.get();
        let state = self.locked();
        let seen = &state.seen;
        let is_fresh = seen.moment >= state.outdated && seen.time.elapsed() < allowed;
        let fresh = is_fresh.then(|| Arc::clone(&seen.snapshot));
        state.pinned.clone().or(fresh)
    }

    /// The version to read now.
    ///
    /// # Errors
    /// The log can't be read or understood.
    pub async fn read(&self) -> Result<Arc<TableSnapshot>, Error> {
        if let Some(known) = self.known() {
            return Ok(known);
        }
        if self.freshness.get().is_zero() {
            return self.look().await;
        }
        let _alone = self.looking.lock().await;
        match self.known() {
            Some(known) => Ok(known),
            None => self.look().await,
        }
    }

    /// What a look has found that began after `moment` and is not older than `age`.
    pub(crate) fn seen_since(&self, moment: u64, age: Duration) -> Option<Arc<TableSnapshot>> {
        let seen = &self.locked().seen;
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
            let seen = &mut self.locked().seen;
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
    /// what is read, or was seen last.
    pub(crate) fn exchange(
        &self,
        before: &Arc<TableSnapshot>,
        snapshot: &Arc<TableSnapshot>,
    ) -> bool {
        let state = &mut *self.locked();
        let is_pinned = state.pinned.as_ref();
        if is_pinned.is_some_and(|pinned| Arc::ptr_eq(pinned, before)) {
            state.pinned = Some(Arc::clone(snapshot));
            // A later version was seen over the store that is given up: the next look finds it again.
            state.seen.snapshot = Arc::clone(snapshot);
            state.outdated = moment();
            return true;
        }
        let is_known = Arc::ptr_eq(&state.seen.snapshot, before);
        if is_known {
            state.seen.snapshot = Arc::clone(snapshot);
        }
        is_known
    }
}
