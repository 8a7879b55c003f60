//! What an engine may use: memory, disk and caches.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use dfd_runtime::Caches;

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
}

impl EngineConfig {
    /// The environment that all queries of an engine share.
    pub(crate) fn environment(self, caches: &Caches) -> Result<Arc<RuntimeEnv>> {
        let mut builder =
            RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(StoreRegistry::default()));
        if let Some(bytes) = self.memory_bytes {
            let pool = TrackConsumersPool::new(SharedMemoryPool::new(bytes), NAMED_CONSUMERS);
            builder = builder
                .with_memory_pool(Arc::new(pool))
                .with_max_spill_merge_fan_in(MERGE_FAN_IN);
        }
        if let Some(directory) = self.spill_directory {
            builder = builder.with_temp_file_path(directory);
        }
        caches.environment(builder)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::MemoryLimit;
    use dfd_runtime::CacheLimits;

    use super::*;

    fn environment(config: EngineConfig) -> Result<Arc<RuntimeEnv>> {
        config.environment(&Caches::new(CacheLimits::default()))
    }

    #[test]
    fn limits_are_those_of_the_environment() {
        let config = EngineConfig {
            memory_bytes: Some(1 << 20),
            ..EngineConfig::default()
        };
        let limited = environment(config).unwrap();
        let limit = limited.memory_pool.memory_limit();
        assert!(matches!(limit, MemoryLimit::Finite(bytes) if bytes == 1 << 20));
        let unlimited = environment(EngineConfig::default()).unwrap();
        assert!(!matches!(
            unlimited.memory_pool.memory_limit(),
            MemoryLimit::Finite(_)
        ));
    }

    #[test]
    fn directories_are_listed_anew_for_every_query_by_default() {
        let environment = environment(EngineConfig::default()).unwrap();
        assert_eq!(environment.cache_manager.get_list_files_cache_limit(), 0);
    }

    #[test]
    fn a_file_is_no_directory_to_spill_into() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = EngineConfig {
            spill_directory: Some(file.path().join("below")),
            ..EngineConfig::default()
        };
        let spilled = environment(config)
            .and_then(|environment| environment.disk_manager.create_tmp_file("a test"));
        assert!(spilled.is_err());
    }
}
