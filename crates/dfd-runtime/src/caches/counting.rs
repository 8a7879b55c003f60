//! Caches that count their look-ups.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::{HashMap, Result, TableReference};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheEntryInfo, CacheKey, CacheValue};

/// How a cache is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found something.
    pub hits: usize,
    /// Look-ups that found nothing.
    pub misses: usize,
    /// Values that had to go for others, or were too old.
    pub evictions: usize,
    /// Values that are held.
    pub entries: usize,
    /// Memory that they take.
    pub bytes: usize,
}

impl CacheStats {
    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            evictions: self.evictions + other.evictions,
            entries: self.entries + other.entries,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A cache that knows what its values take.
pub(super) trait Weighed {
    /// Memory of what it holds.
    fn bytes(&self) -> usize;
}

impl<K: CacheKey, V: CacheValue> Weighed for DefaultCache<K, V> {
    fn bytes(&self) -> usize {
        self.memory_used()
    }
}

/// Look-ups of one cache, or of all of a kind.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    hits: AtomicUsize,
    misses: AtomicUsize,
}

impl LookUps {
    pub(super) const fn new() -> Self {
        Self {
            hits: AtomicUsize::new(0),
            misses: AtomicUsize::new(0),
        }
    }

    fn count(&self, is_hit: bool) {
        let counter = if is_hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            ..CacheStats::default()
        }
    }
}

/// A cache with its look-ups counted, also among those of all of its kind, and what had to go.
pub(super) struct CountingCache<C> {
    inner: C,
    own: LookUps,
    all: &'static LookUps,
    /// What was put into it and not taken out again; held while that changes.
    put: Mutex<usize>,
}

impl<C> CountingCache<C> {
    pub(super) fn new(inner: C, all: &'static LookUps) -> Self {
        Self {
            inner,
            own: LookUps::default(),
            all,
            put: Mutex::default(),
        }
    }

    /// Changes it; `change` gives how many more are put into it than taken out.
    fn changing<T>(&self, change: impl FnOnce(&C) -> (isize, T)) -> T {
        let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        let (more, result) = change(&self.inner);
        *put = put.saturating_add_signed(more);
        result
    }
}

impl<C: Weighed> CountingCache<C> {
    pub(super) fn stats<K: CacheKey, V: CacheValue>(&self) -> CacheStats
    where
        C: Cache<K, V>,
    {
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.inner.len();
        CacheStats {
            evictions: put.saturating_sub(entries),
            entries,
            bytes: self.inner.bytes(),
            ..self.own.stats()
        }
    }
}

impl<K: CacheKey, V: CacheValue, C: Cache<K, V>> Cache<K, V> for CountingCache<C> {
    fn get(&self, key: &K) -> Option<V> {
        let found = self.inner.get(key);
        for counts in [&self.own, self.all] {
            counts.count(found.is_some());
        }
        found
    }

    fn put(&self, key: &K, value: V) -> Option<V> {
        self.changing(|inner| {
            let before = inner.put(key, value);
            let more = match (&before, inner.contains_key(key)) {
                (None, true) => 1,
                // Too large: the older one of the same key went with it.
                (Some(_), false) => -1,
                _ => 0,
            };
            (more, before)
        })
    }

    fn remove(&self, key: &K) -> Option<V> {
        self.changing(|inner| {
            let removed = inner.remove(key);
            (-isize::from(removed.is_some()), removed)
        })
    }

    fn contains_key(&self, key: &K) -> bool {
        self.inner.contains_key(key)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn clear(&self) {
        self.changing(|inner| {
            let gone = inner.len().cast_signed();
            inner.clear();
            (-gone, ())
        });
    }

    fn name(&self) -> String {
        self.inner.name()
    }

    fn cache_limit(&self) -> usize {
        self.inner.cache_limit()
    }

    fn update_cache_limit(&self, limit: usize) {
        self.inner.update_cache_limit(limit);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.inner.cache_ttl()
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        self.inner.update_cache_ttl(ttl);
    }

    fn drop_table_entries(&self, table: &TableReference) -> Result<()> {
        self.changing(|inner| {
            let before = inner.len();
            let done = inner.drop_table_entries(table);
            let gone = before.saturating_sub(inner.len());
            (-gone.cast_signed(), done)
        })
    }

    fn list_entries(&self) -> HashMap<K, CacheEntryInfo<V>> {
        self.inner.list_entries()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::testing::footer;
    use datafusion::execution::cache::cache_manager::CachedFileMetadataEntry;
    use object_store::path::Path;

    type Footers = DefaultCache<Path, CachedFileMetadataEntry>;

    static ALL: LookUps = LookUps::new();

    fn stats(cache: &CountingCache<Footers>) -> CacheStats {
        cache.stats::<Path, CachedFileMetadataEntry>()
    }

    #[test]
    fn look_ups_are_counted_and_entries_weighed() {
        let cache = CountingCache::new(Footers::new(1000), &ALL);
        let (one, other) = (Path::from("a"), Path::from("b"));
        assert!(cache.get(&one).is_none());
        assert!(cache.put(&one, footer(100)).is_none());
        assert!(cache.get(&one).is_some());
        assert!(cache.get(&one).is_some());
        assert!(cache.get(&other).is_none());
        // A look at whether it is there is none for it.
        assert!(cache.contains_key(&one) && !cache.contains_key(&other));
        let expected = CacheStats {
            hits: 2,
            misses: 2,
            evictions: 0,
            entries: 1,
            bytes: 100 + one.size(),
        };
        assert_eq!(stats(&cache), expected);
        assert!(cache.remove(&one).is_some());
        let emptied = CacheStats {
            entries: 0,
            bytes: 0,
            ..expected
        };
        assert_eq!(stats(&cache), emptied);
        assert!(ALL.stats().hits >= 2 && ALL.stats().misses >= 2);
    }

    #[test]
    fn what_has_to_go_is_counted_and_what_is_taken_out_is_not() {
        let paths = ["a", "b", "c"].map(Path::from);
        let of_two = 2 * (100 + paths[0].size());
        let cache = CountingCache::new(Footers::new(of_two), &ALL);
        for path in &paths {
            cache.put(path, footer(100));
        }
        assert_eq!(stats(&cache).evictions, 1);
        // Too large: the older one of its name goes with it.
        cache.put(&paths[1], footer(of_two));
        cache.remove(&paths[2]);
        assert_eq!((stats(&cache).evictions, cache.len()), (1, 0));
        cache.put(&paths[0], footer(100));
        cache.clear();
        assert_eq!((stats(&cache).evictions, stats(&cache).bytes), (1, 0));
        cache.put(&paths[0], footer(100));
        cache.update_cache_limit(0);
        assert_eq!(stats(&cache).evictions, 2);
    }
}
