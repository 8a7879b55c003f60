//! The versions that one query reads: of each table one, whatever is committed meanwhile.
//!
//! A query asks for its tables several times: where it is planned, where its plan is written, where scans
//! are made; through views and kept DataFrames too. All of that is done in the thread that wants the
//! query, between [`QueryVersions::enter`] and [`QueryVersions::leave`], and is answered with the
//! version that the first asking found.
//!
//! While a plan is written nobody can wait: what isn't chosen then is written as it was seen last and noted,
//! and [`QueryVersions::catch_up`] tells whether to write the plan again.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::error::DataFusionError;
use futures::future::try_join_all;
use url::Url;

use crate::error::Error;
use crate::snapshot::at::At;
use crate::snapshot::followed_table::FollowedTable;
use crate::snapshot::table_snapshot::TableSnapshot;
use dfd_runtime::Location;

/// The versions that a query reads, chosen when it first asks for a table.
#[derive(Debug, Default)]
pub struct QueryVersions {
    choice: Mutex<Choice>,
}

#[derive(Debug, Default)]
struct Choice {
    snapshots: Vec<Arc<TableSnapshot>>,
    /// Tables without a choice, and the version that was written of them.
    noted: Vec<(Arc<FollowedTable>, Arc<TableSnapshot>)>,
    failure: Option<Arc<Error>>,
    gone: Option<Arc<DataFusionError>>,
}

impl Choice {
    /// The version that is chosen of the table at `location`.
    fn of(&self, location: &Location) -> Option<Arc<TableSnapshot>> {
        let mut chosen = self.snapshots.iter();
        chosen
            .find(|chosen| chosen.location().is(location))
            .cloned()
    }

    /// Chooses `found`, unless another version was chosen meanwhile.
    fn choose(&mut self, found: Arc<TableSnapshot>) -> Arc<TableSnapshot> {
        self.of(found.location()).unwrap_or_else(|| {
            self.snapshots.push(Arc::clone(&found));
            found
        })
    }
}

thread_local! {
    static CURRENT: RefCell<Vec<Arc<QueryVersions>>> = const { RefCell::new(Vec::new()) };
}

impl QueryVersions {
    /// From now on this thread asks for the query's tables.
    pub fn enter(self: &Arc<Self>) {
        CURRENT.with_borrow_mut(|current| current.push(Arc::clone(self)));
    }

    /// This thread no longer does; what it did before holds again.
    pub fn leave() {
        CURRENT.with_borrow_mut(Vec::pop);
    }

    /// The query whose tables this thread asks for.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(|current| current.last().cloned())
    }

    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a table's newest version couldn't be had, once.
    pub fn take_failure(&self) -> Option<Arc<Error>> {
        self.choice().failure.take()
    }

    /// Remembers the first scan that failed because a data file is gone.
    pub(crate) fn note_gone(&self, error: &Arc<DataFusionError>) {
        self.choice().gone.get_or_insert_with(|| Arc::clone(error));
    }

    /// Why a scan in a session of another library failed, where a data file is gone; once.
    pub fn take_gone(&self) -> Option<Arc<DataFusionError>> {
        self.choice().gone.take()
    }

    /// The version of `table` that the query reads: that to which it is pinned, or the newest, where the query asks
    /// for the first time.
    ///
    /// # Errors
    /// The log can't be read or understood.
    pub async fn version_of(&self, table: &FollowedTable) -> Result<Arc<TableSnapshot>, Error> {
        if let Some(pinned) = table.pinned() {
            return Ok(pinned);
        }
        let seen = table.seen();
        if let Some(chosen) = self.choice().of(seen.location()) {
            return Ok(chosen);
        }
        let found = table.read().await;
        let mut choice = self.choice();
        match found {
            Ok(found) => Ok(choice.choose(found)),
            Err(error) => {
                let error = Arc::new(error);
                choice.failure = Some(Arc::clone(&error));
                Err(Error::Shared(error))
            }
        }
    }

    /// The version that the query reads of the table at `location`, which isn't registered.
    ///
    /// # Errors
    /// There is no such table, or its log can't be read or understood.
    pub async fn open(&self, location: Location) -> Result<Arc<TableSnapshot>, Error> {
        if let Some(chosen) = self.choice().of(&location) {
            return Ok(chosen);
        }
        let found = TableSnapshot::open(location, At::Newest).await?;
        Ok(self.choice().choose(found))
    }

    /// The version that was read so far of the table whose root is `root`; the oldest, where it was read by
    /// several profiles. Tables that are pinned to a version don't count.
    pub fn read_of(&self, root: &Url) -> Option<u64> {
        let choice = self.choice();
        let chosen = choice.snapshots.iter();
        let read = chosen.filter(|chosen| chosen.location().url() == root);
        read.map(|chosen| chosen.version()).min()
    }

    /// The version of `table` that the query reads, or the one that was seen last: then it is noted.
    pub(crate) fn noted(&self, table: &Arc<FollowedTable>) -> Arc<TableSnapshot> {
        if let Some(pinned) = table.pinned() {
            return pinned;
        }
        let seen = table.seen();
        let mut choice = self.choice();
        let noted = choice.noted.iter().map(|(_, noted)| noted);
        let mut known = choice.snapshots.iter().chain(noted);
        if let Some(known) = known.find(|known| known.location().is(seen.location())) {
            return Arc::clone(known);
        }
        choice.noted.push((Arc::clone(table), Arc::clone(&seen)));
        seen
    }

    /// Chooses the versions of the tables that were noted, all at once; whether one isn't the one that
    /// was seen.
    ///
    /// # Errors
    /// A log can't be read or understood.
    pub async fn catch_up(&self) -> Result<bool, Error> {
        let noted = std::mem::take(&mut self.choice().noted);
        let looks = noted.iter().map(|(table, _)| self.version_of(table));
        let found = try_join_all(looks).await?;
        let mut pairs = found.iter().zip(&noted);
        Ok(pairs.any(|(found, (_, seen))| !Arc::ptr_eq(found, seen)))
    }
}
