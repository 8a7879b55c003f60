//! The one tokio runtime of the process, and the session in which leaves execute.

use std::sync::{Arc, OnceLock};

use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::Error;

/// A handle of the runtime, made at the first call.
pub fn handle() -> Result<Handle, Error> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .enable_all()
                .thread_name("dfd")
                .build()
                .map_err(|error| error.to_string())
        })
        .as_ref()
        .map(|runtime| runtime.handle().clone())
        .map_err(|reason| Error::Location {
            uri: "this process".into(),
            reason: format!("no threads can be started: {reason}"),
        })
}

/// The environment that all scans of the process share: object stores, caches, memory.
pub fn environment() -> Arc<RuntimeEnv> {
    static ENVIRONMENT: OnceLock<Arc<RuntimeEnv>> = OnceLock::new();
    Arc::clone(ENVIRONMENT.get_or_init(|| Arc::new(RuntimeEnv::default())))
}

/// A session of our own with the settings of a host's.
pub fn session(config: SessionConfig) -> SessionContext {
    SessionContext::new_with_config_rt(config, environment())
}

/// The context in which a leaf executes for a host's.
pub fn task_context(host: &TaskContext) -> Arc<TaskContext> {
    session(host.session_config().clone()).task_ctx()
}
