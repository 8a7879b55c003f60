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

impl<K: CacheKey, V: CacheValue> CountingCache<K, V> {
    fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.value(),
            misses: self.misses.value(),
            entries: self.inner.len(),
            bytes: self.inner.memory_used(),
        }
    }
}

type ParquetMetadataCache = CountingCache<Path, CachedFileMetadataEntry>;

fn parquet_metadata_caches() -> &'static Mutex<Vec<Weak<ParquetMetadataCache>>> {
    static CACHES: LazyLock<Mutex<Vec<Weak<ParquetMetadataCache>>>> = LazyLock::new(Mutex::default);
    &CACHES
}

/// A cache of Parquet footers for one environment, part of [`parquet_metadata_stats`].
pub fn parquet_metadata_cache() -> Arc<FileMetadataCache> {
    let cache = Arc::new(ParquetMetadataCache {
        // The environment sets the limit.
        inner: DefaultCache::new(0),
        hits: Count::new(),
        misses: Count::new(),
    });
    let mut caches = parquet_metadata_caches()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    caches.retain(|cache| cache.strong_count() > 0);
    caches.push(Arc::downgrade(&cache));
    cache
}

/// The footers of all environments of this process.
pub fn parquet_metadata_stats() -> CacheStats {
    let caches = parquet_metadata_caches()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let living = caches.iter().filter_map(Weak::upgrade);
    living.fold(CacheStats::default(), |sum, cache| {
        let stats = cache.stats();
        CacheStats {
            hits: sum.hits + stats.hits,
            misses: sum.misses + stats.misses,
            entries: sum.entries + stats.entries,
            bytes: sum.bytes + stats.bytes,
        }
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
