//! Footers of Parquet files, of which a scan that reads each once doesn't throw out those that are read again.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use datafusion::common::{HashMap, Result, TableReference};
use datafusion::execution::cache::cache_manager::CachedFileMetadataEntry;
use datafusion::execution::cache::{Cache, CacheEntryInfo, CacheKey, CacheValue};
use object_store::path::Path;
use quick_cache::sync::{Cache as WeighedCache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::counting::Weighed;

/// The least that a footer takes, about: a cache remembers half as many keys that had to go. Where those are fewer than
/// it holds, tables that are queried from then on never take the place of those before.
const LEAST_BYTES: usize = 1024;
/// The share of what is read again. The rest has to be more than a footer, or each would throw out one of those.
const HOT_SHARE: f64 = 0.9;

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

type Footers = WeighedCache<Path, Kept, OfBoth>;

/// A cache of footers with a limit in bytes and a time to live.
pub(super) struct FooterCache {
    state: RwLock<State>,
}

struct State {
    kept: Footers,
    limit: usize,
    ttl: Option<Duration>,
}

/// An empty cache. What it remembers of footers that had to go is in proportion to its limit.
fn footers(limit: usize) -> Footers {
    let mut options = OptionsBuilder::new();
    // One shard: a share of the limit would be less than a large footer.
    options.shards(1).weight_capacity(limit as u64);
    options.estimated_items_capacity(limit / LEAST_BYTES + 1);
    options.hot_allocation(HOT_SHARE);
    #[expect(clippy::expect_used, reason = "all that it asks for is set above")]
    let options = options.build().expect("options of a cache");
    let (hashes, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
    Footers::with_options(options, OfBoth, hashes, lifecycle)
}

impl FooterCache {
    pub(super) fn new(limit: usize) -> Self {
        let state = State {
            kept: footers(limit),
            limit,
            ttl: None,
        };
        Self {
            state: RwLock::new(state),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Weighed for FooterCache {
    fn bytes(&self) -> usize {
        usize::try_from(self.read().kept.weight()).unwrap_or(usize::MAX)
    }
}

impl Cache<Path, CachedFileMetadataEntry> for FooterCache {
    fn get(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        let state = self.read();
        let found = state.kept.get(path)?;
        if found
            .expires
            .is_some_and(|expires| expires <= Instant::now())
        {
            state.kept.remove(path);
            return None;
        }
        Some(found.entry)
    }

    fn put(&self, path: &Path, entry: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        let state = self.read();
        let before = state.kept.peek(path).map(|kept| kept.entry);
        if path.size() + entry.size() > state.limit {
            // It would throw out all others, and be gone itself.
            state.kept.remove(path);
            return before;
        }
        let expires = state.ttl.map(|ttl| Instant::now() + ttl);
        state.kept.insert(path.clone(), Kept { entry, expires });
        before
    }

    fn remove(&self, path: &Path) -> Option<CachedFileMetadataEntry> {
        self.read().kept.remove(path).map(|(_, kept)| kept.entry)
    }

    fn contains_key(&self, path: &Path) -> bool {
        self.read().kept.contains_key(path)
    }

    fn len(&self) -> usize {
        self.read().kept.len()
    }

    fn clear(&self) {
        self.read().kept.clear();
    }

    fn name(&self) -> String {
        "FooterCache".to_owned()
    }

    fn cache_limit(&self) -> usize {
        self.read().limit
    }

    fn update_cache_limit(&self, limit: usize) {
        let mut state = self.write();
        if state.limit == limit {
            return;
        }
        // What a cache remembers is fixed when it is made.
        let kept = footers(limit);
        for (path, footer) in state.kept.iter().filter(|_| limit > 0) {
            kept.insert(path, footer);
        }
        (state.kept, state.limit) = (kept, limit);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.read().ttl
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        self.write().ttl = ttl;
    }

    fn drop_table_entries(&self, _: &TableReference) -> Result<()> {
        // A footer is of a file, whatever table has it.
        Ok(())
    }

    fn list_entries(&self) -> HashMap<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        let state = self.read();
        let entries = state.kept.iter().map(|(path, kept)| {
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
        scan_of(1000, cache, paths)
    }

    fn scan_of(bytes: usize, cache: &FooterCache, paths: &[Path]) -> usize {
        let found = paths.iter().filter(|path| {
            let is_there = cache.get(path).is_some();
            if !is_there {
                cache.put(path, footer(bytes));
            }
            is_there
        });
        found.count()
    }

    #[test]
    fn a_scan_of_twice_as_much_finds_some_of_what_there_was_room_for() {
        for (files, spare) in [(60, 0), (60, 700), (60, 999), (4000, 500)] {
            let paths = paths(files);
            let of_half = files / 2 * (1000 + paths[0].size()) + spare;
            let cache = FooterCache::new(of_half);
            scan(&cache, &paths);
            let found: Vec<_> = (0..8).map(|_| scan(&cache, &paths)).collect();
            // The least recently used would be the next that is asked for, each time.
            let mean = found.iter().sum::<usize>() / found.len();
            assert!(mean > files / 5, "{files} files: {found:?}");
            assert!(cache.bytes() <= of_half);
        }
    }

    #[test]
    fn what_is_queried_from_then_on_takes_the_place_of_what_was_before() {
        let paths = paths(2000);
        let (before, now) = paths.split_at(1000);
        let of_one = 3000 + paths[0].size();
        let cache = FooterCache::new(1200 * of_one);
        for _ in 0..5 {
            scan_of(3000, &cache, before);
        }
        let found: Vec<_> = (0..8).map(|_| scan_of(3000, &cache, now)).collect();
        assert!(found[7] > 900, "{found:?}");
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
        let held = (cache.len(), cache.bytes());
        assert!(held.0 > 0 && held.1 <= 3 * of_one, "{held:?}");
        cache.update_cache_limit(0);
        assert_eq!((cache.len(), cache.bytes()), (0, 0));
    }
}
