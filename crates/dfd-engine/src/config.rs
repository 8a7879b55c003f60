//! What an engine may use: memory, disk and caches.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

use crate::memory_limit::MERGE_FAN_IN;
use crate::memory_pool::SharedMemoryPool;
use crate::store_registry::StoreRegistry;

/// Consumers that an error about memory names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// What an engine may use.
#[derive(Debug, Clone, Default)]
pub struct EngineConfig {
    /// Memory of all queries together; operators that can, spill. None: no limit.
    pub memory_bytes: Option<usize>,
    /// Where spilled data goes; a directory of the system by default.
    pub spill_directory: Option<PathBuf>,
    /// Footers of Parquet files that are kept.
    pub footer_cache_bytes: Option<usize>,
    /// Listings of directories that are kept; 0: each query lists them anew.
    pub list_files_bytes: usize,
    /// How long a listing is kept. None: for ever.
    pub list_files_ttl: Option<Duration>,
}

impl EngineConfig {
    /// The environment that all queries of an engine share.
    pub(crate) fn environment(self) -> Result<Arc<RuntimeEnv>> {
        let mut caches = CacheManagerConfig::default()
            .with_list_files_cache_limit(self.list_files_bytes)
            .with_list_files_cache_ttl(self.list_files_ttl)
            .with_file_metadata_cache(Some(dfd_runtime::parquet_metadata_cache()));
        if let Some(bytes) = self.footer_cache_bytes {
            caches = caches.with_metadata_cache_limit(bytes);
        }
        let mut builder = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(StoreRegistry::default()))
            .with_cache_manager(caches);
        if let Some(bytes) = self.memory_bytes {
            let pool = TrackConsumersPool::new(SharedMemoryPool::new(bytes), NAMED_CONSUMERS);
            builder = builder
                .with_memory_pool(Arc::new(pool))
                .with_max_spill_merge_fan_in(MERGE_FAN_IN);
        }
        if let Some(directory) = self.spill_directory {
            builder = builder.with_temp_file_path(directory);
        }
        builder.build_arc()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::MemoryLimit;

    use super::*;

    #[test]
    fn limits_are_those_of_the_environment() {
        let config = EngineConfig {
            memory_bytes: Some(1 << 20),
            ..EngineConfig::default()
        };
        let environment = config.environment().unwrap();
        let limit = environment.memory_pool.memory_limit();
        assert!(matches!(limit, MemoryLimit::Finite(bytes) if bytes == 1 << 20));
        let unlimited = EngineConfig::default().environment().unwrap();
        assert!(!matches!(
            unlimited.memory_pool.memory_limit(),
            MemoryLimit::Finite(_)
        ));
    }

    #[test]
    fn directories_are_listed_anew_for_every_query_unless_listings_are_kept() {
        let environment = EngineConfig::default().environment().unwrap();
        assert_eq!(environment.cache_manager.get_list_files_cache_limit(), 0);
        let ttl = Some(Duration::from_secs(7));
        let config = EngineConfig {
            list_files_bytes: 1 << 20,
            list_files_ttl: ttl,
            ..EngineConfig::default()
        };
        let caches = Arc::clone(&config.environment().unwrap().cache_manager);
        let found = (
            caches.get_list_files_cache_limit(),
            caches.get_list_files_cache_ttl(),
        );
        assert_eq!(found, (1 << 20, ttl));
    }

    #[test]
    fn a_file_is_no_directory_to_spill_into() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = EngineConfig {
            spill_directory: Some(file.path().join("below")),
            ..EngineConfig::default()
        };
        let spilled = config
            .environment()
            .and_then(|environment| environment.disk_manager.create_tmp_file("a test"));
        assert!(spilled.is_err());
    }
}
