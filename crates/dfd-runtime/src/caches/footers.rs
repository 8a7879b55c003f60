//! Footers of Parquet files, of which a scan that reads each once doesn't throw out those that are read again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use datafusion::common::{HashMap, Result, TableReference};
use datafusion::execution::cache::cache_manager::CachedFileMetadataEntry;
use datafusion::execution::cache::{Cache, CacheEntryInfo, CacheKey, CacheValue};
use object_store::path::Path;
use quick_cache::sync::Cache as WeighedCache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use super::counting::Weighed;

/// About how many footers a cache has; only its order of magnitude matters.
const EXPECTED_FOOTERS: usize = 16_384;

/// A footer, and until when it is believed.
#[derive(Clone)]
struct Kept {
    entry: CachedFileMetadataEntry,
    expires: Option<Instant>,
}

#[derive(Clone, Copy)]
struct OfBoth;

impl Weighter<Path, Kept> for OfBoth {
    fn weight(&self, path: &Path, kept: &Kept) -> u64 {
        (path.size() + kept.entry.size()) as u64
    }
}

/// Counts what has to go for others.
#[derive(Clone, Default)]
struct Evictions(Arc<AtomicUsize>);

impl Lifecycle<Path, Kept> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Path, _: Kept) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A cache of footers with a limit in bytes and a time to live.
pub(super) struct FooterCache {
    kept: WeighedCache<Path, Kept, OfBoth, DefaultHashBuilder, Evictions>,
    evictions: Evictions,
    limits: RwLock<(usize, Option<Duration>)>,
}

impl FooterCache {
    pub(super) fn new(limit: usize) -> Self {
        let evictions = Evictions::default();
        let mut options = OptionsBuilder::new();
        // One shard: a share of the limit would be less than a large footer.
        options.shards(1).weight_capacity(limit as u64);
        options.estimated_items_capacity(EXPECTED_FOOTERS);
        #[expect(clippy::expect_used, reason = "all that it asks for is set above")]
        let options = options.build().expect("options of a cache");
        Self {
            kept: WeighedCache::with_options(
                options,
                OfBoth,
                DefaultHashBuilder::default(),
                evictions.clone(),
            ),
            evictions,
            limits: RwLock::new((limit, None)),
        }
    }

    fn limits(&self) -> (usize, Option<Duration>) {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weighed for FooterCache {
    fn bytes(&self) -> usize {
        usize::try_from(self.kept.weight()).unwrap_or(usize::MAX)
    }

    fn evictions(&self) -> usize {
        self.evictions.0.load(Ordering::Relaxed)
    }
}

impl Cache<Path, CachedFileMetadataEntry> for FooterCache {
    fn get(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        let found = self.kept.get(path)?;
        if found
            .expires
            .is_some_and(|expires| expires <= Instant::now())
        {
            self.kept.remove(path);
            return None;
        }
        Some(found.entry)
    }

    fn put(&self, path: &Path, entry: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        let (limit, ttl) = self.limits();
        let before = self.kept.peek(path).map(|kept| kept.entry);
        if path.size() + entry.size() > limit {
            // It would throw out all others, and be gone itself.
            self.kept.remove(path);
            return before;
        }
        let expires = ttl.map(|ttl| Instant::now() + ttl);
        self.kept.insert(path.clone(), Kept { entry, expires });
        before
    }

    fn remove(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        self.kept.remove(path).map(|(_, kept)| kept.entry)
    }

    fn contains_key(&self, path: &Path) -> bool {
        self.kept.contains_key(path)
    }

    fn len(&self) -> usize {
        self.kept.len()
    }

    fn clear(&self) {
        self.kept.clear();
    }

    fn name(&self) -> String {
        "FooterCache".to_owned()
    }

    fn cache_limit(&self) -> usize {
        self.limits().0
    }

    fn update_cache_limit(&self, limit: usize) {
        let mut limits = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        limits.0 = limit;
        self.kept.set_capacity(limit as u64);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.limits().1
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        let mut limits = self.limits.write().unwrap_or_else(PoisonError::into_inner);
        limits.1 = ttl;
    }

    fn drop_table_entries(&self, _: &TableReference) -> Result<()> {
        // A footer is of a file, whatever table has it.
        Ok(())
    }

    fn list_entries(&self) -> HashMap<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        let entries = self.kept.iter().map(|(path, kept)| {
            let info = CacheEntryInfo {
                size_bytes: kept.entry.size(),
                value: kept.entry,
                // Nobody counts them one by one.
                hits: 0,
                expires: kept.expires,
            };
            (path, info)
        });
        entries.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::testing::footer;

    fn paths(count: usize) -> Vec<Path> {
        let names = (0..count).map(|number| format!("part-{number:05}.parquet"));
        names.map(Path::from).collect()
    }

    /// One read of all files, each of which is looked for and then kept; how many were there.
    fn scan(cache: &FooterCache, paths: &[Path]) -> usize {
        let found = paths.iter().filter(|path| {
            let is_there = cache.get(path).is_some();
            if !is_there {
                cache.put(path, footer(1000));
            }
            is_there
        });
        found.count()
    }

    #[test]
    fn a_scan_of_twice_as_much_finds_what_there_was_room_for() {
        let paths = paths(4000);
        let of_half = 2000 * (1000 + paths[0].size());
        let cache = FooterCache::new(of_half);
        scan(&cache, &paths);
        let found: Vec<_> = (0..5).map(|_| scan(&cache, &paths)).collect();
        // The least recently used of 4000 would be the next that is asked for, each time.
        assert!(found.iter().all(|found| *found > 800), "{found:?}");
        assert!(cache.bytes() <= of_half);
        assert!(cache.evictions() >= 2000);
    }

    #[test]
    fn what_is_read_twice_outlives_a_scan() {
        let paths = paths(3000);
        let (hot, cold) = paths.split_at(50);
        let cache = FooterCache::new(100 * (1000 + paths[0].size()));
        scan(&cache, hot);
        assert_eq!(scan(&cache, hot), 50);
        scan(&cache, cold);
        assert!(scan(&cache, hot) > 40);
    }

    #[test]
    fn a_footer_is_forgotten_after_its_time() {
        let cache = FooterCache::new(1 << 20);
        let path = Path::from("a");
        cache.update_cache_ttl(Some(Duration::from_millis(20)));
        cache.put(&path, footer(10));
        assert!(cache.get(&path).is_some());
        std::thread::sleep(Duration::from_millis(30));
        assert!(cache.get(&path).is_none());
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }

    #[test]
    fn limits_hold_whenever_they_are_set() {
        let paths = paths(10);
        let of_one = 1000 + paths[0].size();
        let cache = FooterCache::new(0);
        assert_eq!((scan(&cache, &paths), cache.len()), (0, 0));
        cache.update_cache_limit(10 * of_one);
        scan(&cache, &paths);
        assert_eq!((scan(&cache, &paths), cache.len()), (10, 10));
        // What alone is beyond the limit isn't kept, and takes the place of nothing else.
        let other = Path::from("other");
        cache.put(&other, footer(11 * of_one));
        assert_eq!((cache.contains_key(&other), cache.len()), (false, 10));
        cache.update_cache_limit(3 * of_one);
        assert!(cache.bytes() <= 3 * of_one && cache.len() == 3);
        cache.update_cache_limit(0);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }
}
