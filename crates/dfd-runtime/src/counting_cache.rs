//! Caches that count their hits and misses.

use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use datafusion::common::{HashMap, Result, TableReference};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheEntryInfo, CacheKey, CacheValue};
use datafusion::physical_plan::metrics::Count;
use object_store::path::Path;

/// How a cache is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found something.
    pub hits: usize,
    /// Look-ups that found nothing.
    pub misses: usize,
    /// Values that are held.
    pub entries: usize,
    /// Memory that they take.
    pub bytes: usize,
}

/// DataFusion's cache with its look-ups counted.
struct CountingCache<K: CacheKey, V: CacheValue> {
    inner: DefaultCache<K, V>,
    hits: Count,
    misses: Count,
}

type ParquetMetadataCache = CountingCache<Path, CachedFileMetadataEntry>;

/// Hits and misses of all environments since the process began: what is counted doesn't fall when
/// an environment ends.
static LOOK_UPS: LazyLock<(Count, Count)> = LazyLock::new(|| (Count::new(), Count::new()));

fn parquet_metadata_caches() -> &'static Mutex<Vec<Weak<ParquetMetadataCache>>> {
    static CACHES: LazyLock<Mutex<Vec<Weak<ParquetMetadataCache>>>> = LazyLock::new(Mutex::default);
    &CACHES
}

/// A cache of Parquet footers for one environment, part of [`parquet_metadata_stats`].
pub fn parquet_metadata_cache() -> Arc<FileMetadataCache> {
    // A clone of a `Count` counts into the same number.
    let (hits, misses) = LOOK_UPS.clone();
    let cache = Arc::new(ParquetMetadataCache {
        // The environment sets the limit.
        inner: DefaultCache::new(0),
        hits,
        misses,
    });
    let mut caches = parquet_metadata_caches()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    caches.retain(|cache| cache.strong_count() > 0);
    caches.push(Arc::downgrade(&cache));
    cache
}

/// The footers of all environments of this process: look-ups since it began, and what those that
/// live hold.
pub fn parquet_metadata_stats() -> CacheStats {
    let caches = parquet_metadata_caches()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (hits, misses) = &*LOOK_UPS;
    let looked_up = CacheStats {
        hits: hits.value(),
        misses: misses.value(),
        ..CacheStats::default()
    };
    let living = caches.iter().filter_map(Weak::upgrade);
    living.fold(looked_up, |sum, cache| CacheStats {
        entries: sum.entries + cache.inner.len(),
        bytes: sum.bytes + cache.inner.memory_used(),
        ..sum
    })
}

impl<K: CacheKey, V: CacheValue> Cache<K, V> for CountingCache<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let found = self.inner.get(key);
        let counter = if found.is_some() {
            &self.hits
        } else {
            &self.misses
        };
        counter.add(1);
        found
    }

    fn put(&self, key: &K, value: V) -> Option<V> {
        self.inner.put(key, value)
    }

    fn remove(&self, key: &K) -> Option<V> {
        self.inner.remove(key)
    }

    fn contains_key(&self, key: &K) -> bool {
        self.inner.contains_key(key)
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn clear(&self) {
        self.inner.clear();
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
        self.inner.drop_table_entries(table)
    }

    fn list_entries(&self) -> HashMap<K, CacheEntryInfo<V>> {
        self.inner.list_entries()
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;
    use datafusion::execution::cache::cache_manager::{
        CacheManager, CacheManagerConfig, FileMetadata,
    };
    use object_store::ObjectMeta;

    /// A footer that takes so many bytes.
    struct Footer(usize);

    impl FileMetadata for Footer {
        fn as_any(&self) -> &dyn Any {
            self
        }

        fn memory_size(&self) -> usize {
            self.0
        }

        fn extra_info(&self) -> HashMap<String, String> {
            HashMap::new()
        }
    }

    fn entry(bytes: usize) -> CachedFileMetadataEntry {
        let meta = ObjectMeta {
            location: Path::from("any"),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        CachedFileMetadataEntry::new(meta, Arc::new(Footer(bytes)))
    }

    fn stats(cache: &ParquetMetadataCache) -> CacheStats {
        CacheStats {
            hits: cache.hits.value(),
            misses: cache.misses.value(),
            entries: cache.inner.len(),
            bytes: cache.inner.memory_used(),
        }
    }

    fn cache(limit: usize) -> ParquetMetadataCache {
        CountingCache {
            inner: DefaultCache::new(limit),
            hits: Count::new(),
            misses: Count::new(),
        }
    }

    #[test]
    fn look_ups_are_counted_and_entries_weighed() {
        let cache = cache(1000);
        let (one, other) = (Path::from("a"), Path::from("b"));
        assert!(cache.get(&one).is_none());
        assert!(cache.put(&one, entry(100)).is_none());
        assert!(cache.get(&one).is_some());
        assert!(cache.get(&one).is_some());
        assert!(cache.get(&other).is_none());
        // A look at whether it is there is none for it.
        assert!(cache.contains_key(&one) && !cache.contains_key(&other));
        let expected = CacheStats {
            hits: 2,
            misses: 2,
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
    }

    #[test]
    fn the_least_recently_used_goes_at_the_limit() {
        let paths = ["a", "b", "c"].map(Path::from);
        let of_two = 2 * (100 + paths[0].size());
        let cache = cache(of_two);
        cache.put(&paths[0], entry(100));
        cache.put(&paths[1], entry(100));
        assert!(cache.get(&paths[0]).is_some());
        cache.put(&paths[2], entry(100));
        let held = |cache: &ParquetMetadataCache| paths.each_ref().map(|p| cache.contains_key(p));
        assert_eq!(held(&cache), [true, false, true]);
        assert_eq!(cache.list_entries().len(), 2);
        // What alone is beyond the limit isn't kept, and takes the place of nothing else.
        cache.put(&paths[1], entry(of_two));
        assert_eq!(held(&cache), [true, false, true]);
        cache.update_cache_limit(of_two / 2);
        assert_eq!((cache.len(), cache.cache_limit()), (1, of_two / 2));
        cache.clear();
        assert_eq!(stats(&cache).bytes, 0);
    }

    #[test]
    fn look_ups_of_all_environments_are_counted_and_what_lives_is_weighed() {
        let environment = || {
            let config = CacheManagerConfig::default()
                .with_file_metadata_cache(Some(parquet_metadata_cache()))
                .with_metadata_cache_limit(4321);
            CacheManager::try_new(&config).unwrap()
        };
        let before = parquet_metadata_stats();
        let (first, second) = (environment(), environment());
        let path = Path::from("a");
        for (environment, bytes) in [(&first, 10), (&second, 20)] {
            let cache = environment.get_file_metadata_cache();
            assert_eq!(cache.cache_limit(), 4321);
            assert!(cache.get(&path).is_none());
            cache.put(&path, entry(bytes));
            assert!(cache.get(&path).is_some());
        }
        let with = |entries: usize, bytes: usize| CacheStats {
            hits: before.hits + 2,
            misses: before.misses + 2,
            entries: before.entries + entries,
            bytes: before.bytes + bytes + entries * path.size(),
        };
        assert_eq!(parquet_metadata_stats(), with(2, 30));
        drop(first);
        assert_eq!(parquet_metadata_stats(), with(1, 20));
        drop(second);
        assert_eq!(parquet_metadata_stats(), with(0, 0));
    }
}
