//! The registry of tables that live in this process alone: a plan refers to them by number.
//!
//! A plan holds a number and the token of its process. The number is good for one reading: whoever
//! decodes the plan takes the table, and it is freed with the decoded plan. A [`RegistrationScope`] drops what
//! was numbered while it lasted and never taken.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use datafusion::catalog::TableProvider;

/// Tables of plans that were written and not yet read; beyond that the oldest are dropped.
const MAX_TABLES: usize = 256;

/// Things that are referred to by number until they are taken.
#[derive(Debug)]
pub(crate) struct Registry<T: ?Sized> {
    entries: Mutex<Entries<T>>,
    capacity: usize,
}

#[derive(Debug)]
struct Entries<T: ?Sized> {
    next: u64,
    registered: BTreeMap<u64, Arc<T>>,
}

impl<T: ?Sized> Registry<T> {
    /// A registry of at most `capacity` things; the oldest make room.
    pub(crate) const fn of(capacity: usize) -> Self {
        Self {
            entries: Mutex::new(Entries {
                next: 0,
                registered: BTreeMap::new(),
            }),
            capacity,
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a number to `thing`.
    pub(crate) fn register(&self, thing: Arc<T>) -> u64 {
        let mut entries = self.entries();
        let id = entries.next;
        entries.next += 1;
        entries.registered.insert(id, thing);
        let dropped = (entries.registered.len() > self.capacity)
            .then(|| entries.registered.pop_first())
            .flatten();
        drop(entries);
        // Whose it is may call back into this module.
        drop(dropped);
        id
    }

    /// Takes what has the number: once.
    pub(crate) fn take(&self, id: u64) -> Option<Arc<T>> {
        self.entries().registered.remove(&id)
    }

    /// How many wait to be taken.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.entries().registered.len()
    }
}

static TABLES: Registry<dyn TableProvider> = Registry::of(MAX_TABLES);

thread_local! {
    static SCOPES: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// The token of this process, which no other has.
pub(crate) fn process_token() -> u64 {
    static TOKEN: OnceLock<(u32, u64)> = OnceLock::new();
    let process = std::process::id();
    let (made_in, process_token) =
        TOKEN.get_or_init(|| (process, RandomState::new().hash_one((process, "dfd"))));
    // A forked child has the parent's tables in its memory, and is another process all the same.
    process_token ^ u64::from(process ^ made_in)
}

/// Gives a number to a table.
pub(crate) fn register(table: Arc<dyn TableProvider>) -> u64 {
    let id = TABLES.register(table);
    SCOPES.with_borrow_mut(|scopes| {
        if let Some(ids) = scopes.last_mut() {
            ids.push(id);
        }
    });
    id
}

/// Takes the table of a number: once.
pub(crate) fn take(id: u64) -> Option<Arc<dyn TableProvider>> {
    TABLES.take(id)
}

/// Frees, at its end, the tables numbered on this thread since its beginning.
#[must_use]
pub struct RegistrationScope(());

impl RegistrationScope {
    /// Begins a scope on this thread.
    pub fn begin() -> Self {
        SCOPES.with_borrow_mut(|scopes| scopes.push(Vec::new()));
        Self(())
    }
}

impl Drop for RegistrationScope {
    fn drop(&mut self) {
        let ids = SCOPES.with_borrow_mut(Vec::pop).unwrap_or_default();
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
    fn a_number_is_good_once_and_ends_with_its_scope() {
        let table = || Arc::new(EmptyTable::new(Arc::new(Schema::empty())));
        let id = register(table());
        assert!(take(id).is_some());
        assert!(take(id).is_none());
        let outer = RegistrationScope::begin();
        let first = register(table());
        let inner = RegistrationScope::begin();
        let second = register(table());
        drop(inner);
        assert!(take(second).is_none());
        drop(outer);
        assert!(take(first).is_none());
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let registry = Registry::of(3);
        let ids: Vec<_> = (0..5)
            .map(|thing| registry.register(Arc::new(thing)))
            .collect();
        assert_eq!(registry.waiting(), 3);
        let taken: Vec<_> = ids.into_iter().map(|id| registry.take(id)).collect();
        let kept = [2, 3, 4].map(|thing| Some(Arc::new(thing)));
        assert_eq!(taken, [vec![None, None], kept.to_vec()].concat());
        assert_eq!(registry.waiting(), 0);
    }
}
