//! DataFusion sessions of dfd's own, in which scans are planned and run.

use std::sync::{Arc, LazyLock};

use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{TaskContext, TaskContextProvider};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::caches::{CacheLimits, Caches};
use crate::object_stores::stores;

/// The caches of whatever has no engine of its user's: Delta tables in sessions of other libraries, changes of rows.
pub fn process_caches() -> &'static Arc<Caches> {
    static CACHES: LazyLock<Arc<Caches>> = LazyLock::new(|| Caches::new(CacheLimits::default()));
    &CACHES
}

/// The environment that all these sessions share: object stores, caches, memory.
fn environment() -> Arc<RuntimeEnv> {
    static ENVIRONMENT: LazyLock<Arc<RuntimeEnv>> = LazyLock::new(|| {
        let builder = RuntimeEnvBuilder::new().with_object_store_registry(stores());
        process_caches().environment(builder).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_stores::Location;

    #[test]
    fn sessions_share_stores_and_caches_and_keep_their_settings() {
        let folder = tempfile::tempdir().unwrap();
        let uri = format!("file://{}", folder.path().display());
        let location = Location::try_new(&uri, &Default::default(), None).unwrap();
        let sessions = [11, 12].map(|rows| session(SessionConfig::new().with_batch_size(rows)));
        for (session, rows) in sessions.iter().zip([11, 12]) {
            assert_eq!(session.copied_config().batch_size(), rows);
            let store = session.runtime_env().object_store(location.store_url());
            assert_eq!(store.unwrap().to_string(), "LocalFileSystem(file:///)");
        }
        let caches = sessions.map(|session| {
            let environment = session.runtime_env();
            environment.cache_manager.get_file_metadata_cache()
        });
        assert!(Arc::ptr_eq(&caches[0], &caches[1]));
    }

    #[test]
    fn a_scan_keeps_the_foreign_settings_but_that_of_sharing_files() {
        let mut config = SessionConfig::new()
            .with_batch_size(77)
            .with_target_partitions(3);
        config
            .options_mut()
            .execution
            .enable_file_stream_work_stealing = true;
        let foreign = SessionContext::new_with_config(config).task_ctx();
        let own = task_context(&foreign);
        let options = own.session_config().options();
        let [rows, partitions] = [
            own.session_config().batch_size(),
            own.session_config().target_partitions(),
        ];
        assert_eq!((rows, partitions), (77, 3));
        assert!(!options.execution.enable_file_stream_work_stealing);
        let kept = foreign.session_config().options();
        assert!(kept.execution.enable_file_stream_work_stealing);
        assert!(Arc::ptr_eq(&own.runtime_env(), &environment()));
    }

    #[test]
    fn decoders_get_one_context() {
        let contexts = [(); 2].map(|()| task_context_provider().task_ctx());
        assert!(Arc::ptr_eq(&contexts[0], &contexts[1]));
        assert!(contexts[0].scalar_functions().contains_key("upper"));
    }
}
