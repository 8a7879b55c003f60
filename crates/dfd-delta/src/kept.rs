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

#[derive(Default)]
struct Kept {
    next: u64,
    tables: BTreeMap<u64, Arc<dyn TableProvider>>,
}

fn kept() -> MutexGuard<'static, Kept> {
    static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();
    KEPT.get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

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
    let mut kept = kept();
    let id = kept.next;
    kept.next += 1;
    kept.tables.insert(id, table);
    let dropped = (kept.tables.len() > MOST)
        .then(|| kept.tables.pop_first())
        .flatten();
    drop(kept);
    // Whose tables these are may call back into this module.
    drop(dropped);
    CROSSINGS.with_borrow_mut(|crossings| {
        if let Some(ids) = crossings.last_mut() {
            ids.push(id);
        }
    });
    id
}

/// The table of a number, once.
pub fn take(id: u64) -> Option<Arc<dyn TableProvider>> {
    kept().tables.remove(&id)
}

/// How many tables wait to be taken.
#[cfg(test)]
fn waiting() -> usize {
    kept().tables.len()
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
        assert!(waiting() <= MOST);
    }
}
