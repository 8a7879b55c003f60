//! What is in use in this process, by number: plans refer to it so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Things of one kind, while anybody uses them.
#[derive(Debug)]
pub(crate) struct InUse<T> {
    next: AtomicU64,
    entries: Mutex<BTreeMap<u64, Weak<T>>>,
}

impl<T> InUse<T> {
    /// None so far.
    pub(crate) const fn new() -> Self {
        Self {
            next: AtomicU64::new(0),
            entries: Mutex::new(BTreeMap::new()),
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other thing has.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins the use of `thing` under its number.
    pub(crate) fn enter(&self, number: u64, thing: &Arc<T>) {
        self.entries().insert(number, Arc::downgrade(thing));
    }

    /// Ends it: the thing is being dropped.
    pub(crate) fn leave(&self, number: u64) {
        self.entries().remove(&number);
    }

    /// The thing of this number, while anybody uses it.
    pub(crate) fn alive(&self, number: u64) -> Option<Arc<T>> {
        self.entries().get(&number).and_then(Weak::upgrade)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_found_by_its_number_while_it_is_used() {
        let used = InUse::new();
        let numbers = [used.number(), used.number()];
        assert_ne!(numbers[0], numbers[1]);
        let things = numbers.map(Arc::new);
        for thing in &things {
            used.enter(**thing, thing);
        }
        let [first, second] = things;
        assert_eq!(used.alive(numbers[0]), Some(Arc::clone(&first)));
        drop(first);
        assert_eq!(used.alive(numbers[0]), None);
        used.leave(numbers[1]);
        assert_eq!(used.alive(numbers[1]), None);
        assert_eq!(*second, numbers[1]);
    }
}
