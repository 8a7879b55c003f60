//! DataFusion sessions of dfd's own, in which scans are planned and run.

use std::sync::{Arc, LazyLock};

use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{TaskContext, TaskContextProvider};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::counting_cache::parquet_metadata_cache;
use crate::object_stores::stores;

/// The environment that all these sessions share: object stores, caches, memory.
fn environment() -> Arc<RuntimeEnv> {
    static ENVIRONMENT: LazyLock<Arc<RuntimeEnv>> = LazyLock::new(|| {
        let caches =
            CacheManagerConfig::default().with_file_metadata_cache(Some(parquet_metadata_cache()));
        let builder = RuntimeEnvBuilder::new()
            .with_object_store_registry(stores())
            .with_cache_manager(caches);
        builder.build_arc().unwrap_or_default()
    });
    Arc::clone(&ENVIRONMENT)
}

/// A session with the settings of a foreign one.
pub fn session(config: SessionConfig) -> SessionContext {
    SessionContext::new_with_config_rt(config, environment())
}

/// What gives decoders of plans their context. It lives as long as the process.
pub fn task_context_provider() -> Arc<dyn TaskContextProvider> {
    static CONTEXT: LazyLock<Arc<OneContext>> =
        LazyLock::new(|| Arc::new(OneContext(session(SessionConfig::new()).task_ctx())));
    Arc::clone(&*CONTEXT) as _
}

/// A session makes a context anew, with a copy of all its functions, for whoever asks.
#[derive(Debug)]
struct OneContext(Arc<TaskContext>);

impl TaskContextProvider for OneContext {
    fn task_ctx(&self) -> Arc<TaskContext> {
        Arc::clone(&self.0)
    }
}

/// The context in which a scan executes for a foreign session's.
///
/// The partitions of a scan must not share what is left to read: a foreign session may execute a scan
/// again, as recursive queries do, and can't reset what it can't see.
pub fn task_context(foreign: &TaskContext) -> Arc<TaskContext> {
    let mut config = foreign.session_config().clone();
    let execution = &mut config.options_mut().execution;
    execution.enable_file_stream_work_stealing = false;
    session(config).task_ctx()
}
