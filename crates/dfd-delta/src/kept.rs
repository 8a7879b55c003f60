//! Tables that live in this process alone, referred to by number in a plan.
//!
//! A plan holds a number and the nonce of the process. The number is good for one reading: whoever
//! decodes the plan takes the table, and it is freed with the decoded plan. A [`Crossing`] drops what
//! was numbered while it lasted and never taken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use datafusion::catalog::TableProvider;

/// Tables of plans that were written and not yet read, at most; the oldest are dropped.
const MOST: usize = 256;

/// What is referred to by number until it is taken.
#[derive(Debug)]
pub struct Shelf<T: ?Sized> {
    held: Mutex<Held<T>>,
    most: usize,
}

#[derive(Debug)]
struct Held<T: ?Sized> {
    next: u64,
    things: BTreeMap<u64, Arc<T>>,
}

impl<T: ?Sized> Shelf<T> {
    /// Holds so many; the oldest make room.
    pub const fn of(most: usize) -> Self {
        Self {
            held: Mutex::new(Held {
                next: 0,
                things: BTreeMap::new(),
            }),
            most,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for `thing`.
    pub fn keep(&self, thing: Arc<T>) -> u64 {
        let mut held = self.held();
        let id = held.next;
        held.next += 1;
        held.things.insert(id, thing);
        let dropped = (held.things.len() > self.most)
            .then(|| held.things.pop_first())
            .flatten();
        drop(held);
        // Whose it is may call back into this module.
        drop(dropped);
        id
    }

    /// What has the number, once.
    pub fn take(&self, id: u64) -> Option<Arc<T>> {
        self.held().things.remove(&id)
    }

    /// How many wait to be taken.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.held().things.len()
    }
}

static TABLES: Shelf<dyn TableProvider> = Shelf::of(MOST);

thread_local! {
    static CROSSINGS: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// What tells this process from every other one.
pub fn nonce() -> u64 {
    static NONCE: OnceLock<(u32, u64)> = OnceLock::new();
    let process = std::process::id();
    let (made_in, nonce) =
        NONCE.get_or_init(|| (process, RandomState::new().hash_one((process, "dfd"))));
    // A forked child has the parent's tables in its memory, and is another process all the same.
    nonce ^ u64::from(process ^ made_in)
}

/// A number for a table.
pub fn keep(table: Arc<dyn TableProvider>) -> u64 {
    let id = TABLES.keep(table);
    CROSSINGS.with_borrow_mut(|crossings| {
        if let Some(ids) = crossings.last_mut() {
            ids.push(id);
        }
    });
    id
}

/// The table of a number, once.
pub fn take(id: u64) -> Option<Arc<dyn TableProvider>> {
    TABLES.take(id)
}

/// Frees, at its end, the tables numbered on this thread since its beginning.
#[must_use]
pub struct Crossing(());

impl Crossing {
    /// From now on.
    pub fn begin() -> Self {
        CROSSINGS.with_borrow_mut(|crossings| crossings.push(Vec::new()));
        Self(())
    }
}

impl Drop for Crossing {
    fn drop(&mut self) {
        let ids = CROSSINGS.with_borrow_mut(Vec::pop).unwrap_or_default();
        let left: Vec<_> = ids.into_iter().map(take).collect();
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;
    use datafusion::datasource::empty::EmptyTable;

    #[test]
    fn a_number_is_good_once_and_ends_with_its_crossing() {
        let table = || Arc::new(EmptyTable::new(Arc::new(Schema::empty())));
        let id = keep(table());
        assert!(take(id).is_some());
        assert!(take(id).is_none());
        let outer = Crossing::begin();
        let first = keep(table());
        let inner = Crossing::begin();
        let second = keep(table());
        drop(inner);
        assert!(take(second).is_none());
        drop(outer);
        assert!(take(first).is_none());
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        for _ in 0..2 * MOST {
            keep(Arc::new(EmptyTable::new(Arc::new(Schema::empty()))));
        }
        assert!(TABLES.waiting() <= MOST);
    }
}
