//! The caches of dfd's environments: what they may hold, for how long, and how they are doing.
//!
//! ```text
//!   an engine, or all leaves ──> Caches ──> footers | listings | statistics of files
//!                                  └──────────────── cache_stats(): of this process
//! ```

mod counting;
mod footers;

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use datafusion::common::Result;
use datafusion::execution::cache::cache_manager::{
    CacheManagerConfig, CachedFileList, CachedFileMetadata, CachedFileMetadataEntry,
    FileMetadataCache,
};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::cache::{Cache, CacheKey, CacheValue, TableScopedPath};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use object_store::path::Path;

pub use self::counting::CacheStats;
use self::counting::{CountingCache, LookUps};
use self::footers::FooterCache;

/// Bytes of footers that are kept where nothing else is asked for: DataFusion's own default.
const FOOTER_BYTES: usize = 50 << 20;
/// Bytes of statistics of files of plain tables; DataFusion's own default too.
const STATISTICS_BYTES: usize = 20 << 20;

/// What a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimit {
    /// Memory; 0 keeps nothing.
    pub bytes: usize,
    /// How long a value is believed; None for ever.
    pub ttl: Option<Duration>,
}

impl CacheLimit {
    /// So many bytes, for ever.
    pub const fn of_bytes(bytes: usize) -> Self {
        Self { bytes, ttl: None }
    }
}

/// What the caches of an environment may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Footers of Parquet files.
    pub footers: CacheLimit,
    /// Listings of directories of plain tables.
    pub listings: CacheLimit,
    /// Statistics of files of plain tables.
    pub statistics: CacheLimit,
}

impl Default for CacheLimits {
    /// DataFusion's own, but that directories are listed anew for each query.
    fn default() -> Self {
        Self {
            footers: CacheLimit::of_bytes(FOOTER_BYTES),
            listings: CacheLimit::of_bytes(0),
            statistics: CacheLimit::of_bytes(STATISTICS_BYTES),
        }
    }
}

type Footers = CountingCache<FooterCache>;
type Listings = CountingCache<DefaultCache<TableScopedPath, CachedFileList>>;
type FileStatistics = CountingCache<DefaultCache<TableScopedPath, CachedFileMetadata>>;

/// The caches of one environment.
pub struct Caches {
    footers: Arc<Footers>,
    listings: Arc<Listings>,
    statistics: Arc<FileStatistics>,
}

/// Look-ups of a kind of cache since the process began: they don't fall when an environment ends.
static FOOTER_LOOK_UPS: LookUps = LookUps::new();
static LISTING_LOOK_UPS: LookUps = LookUps::new();
static STATISTICS_LOOK_UPS: LookUps = LookUps::new();

/// The caches that live, and the evictions of those that don't.
#[derive(Default)]
struct All {
    living: Vec<Weak<Caches>>,
    evictions_of_gone: [usize; 3],
}

fn all() -> MutexGuard<'static, All> {
    static ALL: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Caches {
    /// New ones, which [`cache_stats`] counts.
    pub fn new(limits: CacheLimits) -> Arc<Self> {
        let caches = Arc::new(Self {
            footers: Arc::new(CountingCache::new(FooterCache::new(0), &FOOTER_LOOK_UPS)),
            listings: Arc::new(CountingCache::new(DefaultCache::new(0), &LISTING_LOOK_UPS)),
            statistics: Arc::new(CountingCache::new(
                DefaultCache::new(0),
                &STATISTICS_LOOK_UPS,
            )),
        });
        caches.set_limits(limits);
        let mut all = all();
        all.living.retain(|living| living.strong_count() > 0);
        all.living.push(Arc::downgrade(&caches));
        drop(all);
        caches
    }

    /// An environment with these caches.
    ///
    /// # Errors
    /// It has nowhere to spill to.
    pub fn environment(&self, builder: RuntimeEnvBuilder) -> Result<Arc<RuntimeEnv>> {
        let limits = self.limits();
        // A limit of 0 would leave a cache out for good.
        let config = CacheManagerConfig::default()
            .with_file_metadata_cache(Some(Arc::clone(&self.footers) as _))
            .with_list_files_cache(Some(Arc::clone(&self.listings) as _))
            .with_list_files_cache_limit(1)
            .with_file_statistics_cache(Some(Arc::clone(&self.statistics) as _))
            .with_file_statistics_cache_limit(1);
        let environment = builder.with_cache_manager(config).build_arc()?;
        self.set_limits(limits);
        Ok(environment)
    }

    /// What they may hold, as they say it themselves.
    pub fn limits(&self) -> CacheLimits {
        CacheLimits {
            footers: limit_of(self.footers.as_ref()),
            listings: limit_of(self.listings.as_ref()),
            statistics: limit_of(self.statistics.as_ref()),
        }
    }

    /// Sets what they may hold. Where another time to live is set, what is held is forgotten.
    pub fn set_limits(&self, limits: CacheLimits) {
        set_limit(self.footers.as_ref(), limits.footers);
        set_limit(self.listings.as_ref(), limits.listings);
        set_limit(self.statistics.as_ref(), limits.statistics);
    }

    /// Forgets the listings of directories.
    pub fn forget_listings(&self) {
        Cache::clear(self.listings.as_ref());
    }

    /// How each is doing since it was made, by its name in a cache's configuration.
    pub fn stats(&self) -> [(&'static str, CacheStats); 3] {
        [
            (
                "parquet_meta",
                self.footers.stats::<Path, CachedFileMetadataEntry>(),
            ),
            (
                "list_files",
                self.listings.stats::<TableScopedPath, CachedFileList>(),
            ),
            (
                "file_statistics",
                self.statistics
                    .stats::<TableScopedPath, CachedFileMetadata>(),
            ),
        ]
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        let gone = self.stats().map(|(_, stats)| stats.evictions);
        let mut all = all();
        for (sum, gone) in all.evictions_of_gone.iter_mut().zip(gone) {
            *sum += gone;
        }
    }
}

fn limit_of<K: CacheKey, V: CacheValue>(cache: &impl Cache<K, V>) -> CacheLimit {
    CacheLimit {
        bytes: cache.cache_limit(),
        ttl: cache.cache_ttl(),
    }
}

fn set_limit<K: CacheKey, V: CacheValue>(cache: &impl Cache<K, V>, limit: CacheLimit) {
    if cache.cache_ttl() != limit.ttl {
        cache.update_cache_ttl(limit.ttl);
        cache.clear();
    }
    cache.update_cache_limit(limit.bytes);
}

/// The caches of this process, all environments together: look-ups and evictions since it began, and what those that
/// live hold.
pub fn cache_stats() -> [(&'static str, CacheStats); 3] {
    let all = all();
    let living = all.living.iter().filter_map(Weak::upgrade);
    let living: Vec<_> = living.collect();
    let evictions = all.evictions_of_gone;
    drop(all);
    let look_ups = [&FOOTER_LOOK_UPS, &LISTING_LOOK_UPS, &STATISTICS_LOOK_UPS];
    let names = ["parquet_meta", "list_files", "file_statistics"];
    std::array::from_fn(|kind| {
        let gone = CacheStats {
            evictions: evictions[kind],
            ..CacheStats::default()
        };
        let held = living.iter().map(|caches| caches.stats()[kind].1);
        let held = held.fold(gone, CacheStats::and);
        let counted = look_ups[kind].stats();
        let stats = CacheStats {
            hits: counted.hits,
            misses: counted.misses,
            ..held
        };
        (names[kind], stats)
    })
}

/// A cache of footers that is no environment's, and holds nothing until its limit is set.
pub fn parquet_metadata_cache() -> Arc<FileMetadataCache> {
    Arc::new(CountingCache::new(FooterCache::new(0), &FOOTER_LOOK_UPS))
}

#[cfg(test)]
mod testing {
    use std::any::Any;
    use std::sync::Arc;

    use datafusion::common::HashMap;
    use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadata};
    use object_store::ObjectMeta;
    use object_store::path::Path;

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

    pub(super) fn footer(bytes: usize) -> CachedFileMetadataEntry {
        let meta = ObjectMeta {
            location: Path::from("any"),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        CachedFileMetadataEntry::new(meta, Arc::new(Footer(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::footer;
    use super::*;

    fn limits(bytes: usize, ttl: Option<u64>) -> CacheLimits {
        let limit = |bytes| CacheLimit {
            bytes,
            ttl: ttl.map(Duration::from_secs),
        };
        CacheLimits {
            footers: limit(bytes),
            listings: limit(bytes / 2),
            statistics: CacheLimit::of_bytes(bytes / 4),
        }
    }

    fn environment(caches: &Caches) -> Arc<RuntimeEnv> {
        caches.environment(RuntimeEnvBuilder::new()).unwrap()
    }

    #[test]
    fn an_environment_has_them_and_they_say_what_was_set_last() {
        let caches = Caches::new(limits(0, None));
        let manager = &environment(&caches).cache_manager;
        assert_eq!(caches.limits(), limits(0, None));
        for wanted in [limits(40, Some(3)), limits(400, None), limits(0, Some(5))] {
            caches.set_limits(wanted);
            assert_eq!(caches.limits(), wanted);
            let found = CacheLimits {
                footers: CacheLimit {
                    bytes: manager.get_metadata_cache_limit(),
                    ttl: manager.get_file_metadata_cache().cache_ttl(),
                },
                listings: CacheLimit {
                    bytes: manager.get_list_files_cache_limit(),
                    ttl: manager.get_list_files_cache_ttl(),
                },
                statistics: CacheLimit::of_bytes(manager.get_file_statistic_cache_limit()),
            };
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn what_was_kept_under_another_time_is_forgotten() {
        let caches = Caches::new(limits(4000, None));
        let footers = environment(&caches).cache_manager.get_file_metadata_cache();
        let path = Path::from("a");
        footers.put(&path, footer(10));
        caches.set_limits(limits(3000, None));
        assert!(footers.contains_key(&path));
        caches.set_limits(limits(3000, Some(60)));
        assert!(!footers.contains_key(&path));
    }

    #[test]
    fn look_ups_of_all_environments_are_counted_and_what_lives_is_weighed() {
        let stats = || cache_stats()[0].1;
        let before = stats();
        let path = Path::from("a");
        let [first, second] = [10, 20].map(|bytes| {
            let caches = Caches::new(CacheLimits::default());
            let footers = environment(&caches).cache_manager.get_file_metadata_cache();
            assert!(footers.get(&path).is_none());
            footers.put(&path, footer(bytes));
            assert!(footers.get(&path).is_some());
            caches
        });
        let of_one = first.stats()[0].1;
        assert_eq!((of_one.hits, of_one.misses, of_one.entries), (1, 1, 1));
        // Other tests have caches too.
        let after = stats();
        assert!(after.hits >= before.hits + 2 && after.misses >= before.misses + 2);
        assert!(after.bytes >= 30 + 2 * path.size());
        first.set_limits(limits(0, None));
        assert_eq!(first.stats()[0].1.evictions, 1);
        drop((first, second));
        let gone = stats();
        assert!(gone.hits >= after.hits && gone.evictions > before.evictions);
    }
}
