//! The one tokio runtime of the process, and the session in which leaves execute.

use std::sync::{Arc, OnceLock};

use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::Error;

/// A handle of the runtime, made at the first call.
///
/// # Errors
/// No threads can be started, or the process was forked since: its threads didn't come along.
pub fn handle() -> Result<Handle, Error> {
    static RUNTIME: OnceLock<Result<(u32, Runtime), String>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_name("dfd")
            .build();
        match runtime {
            Ok(runtime) => Ok((std::process::id(), runtime)),
            Err(error) => Err(format!("no threads can be started: {error}")),
        }
    });
    match started {
        Ok((process, runtime)) if *process == std::process::id() => Ok(runtime.handle().clone()),
        Ok(_) => Err(Error::Runtime(
            "the process was forked after its first Delta table was opened; start workers by spawn"
                .to_owned(),
        )),
        Err(reason) => Err(Error::Runtime(reason.clone())),
    }
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
///
/// The partitions of a scan must not share what is left to read: a host may execute a leaf again, as
/// recursive queries do, and can't reset what it can't see.
pub fn task_context(host: &TaskContext) -> Arc<TaskContext> {
    let mut config = host.session_config().clone();
    let execution = &mut config.options_mut().execution;
    execution.enable_file_stream_work_stealing = false;
    session(config).task_ctx()
}
