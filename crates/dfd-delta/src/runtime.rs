//! The one tokio runtime of the process, and the session in which leaves execute.

use std::future::Future;
use std::sync::{Arc, LazyLock, OnceLock};

use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{TaskContext, TaskContextProvider};
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::block_in_place;

use crate::caches::footer_cache;
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
            // That of a main thread: plans are as deep as their queries.
            .thread_stack_size(8 << 20)
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

/// Wait for work of ours, from any thread: one of our own too, as when a function that a query
/// calls makes a query.
///
/// # Errors
/// As [`handle`].
pub fn block_on<F: Future>(work: F) -> Result<F::Output, Error> {
    let handle = handle()?;
    Ok(blocking(|| handle.block_on(work)))
}

/// Do what waits, from any thread; others take over the work of one of our own.
pub fn blocking<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(_) => block_in_place(wait),
        Err(_) => wait(),
    }
}

/// The object stores of all locations: each is registered under a URL of its own.
pub fn stores() -> Arc<dyn ObjectStoreRegistry> {
    static STORES: LazyLock<Arc<DefaultObjectStoreRegistry>> = LazyLock::new(Arc::default);
    Arc::clone(&*STORES) as _
}

/// The environment that all leaves of the process share: object stores, caches, memory.
pub fn environment() -> Arc<RuntimeEnv> {
    static ENVIRONMENT: LazyLock<Arc<RuntimeEnv>> = LazyLock::new(|| {
        let caches = CacheManagerConfig::default().with_file_metadata_cache(Some(footer_cache()));
        let builder = RuntimeEnvBuilder::new()
            .with_object_store_registry(stores())
            .with_cache_manager(caches);
        builder.build_arc().unwrap_or_default()
    });
    Arc::clone(&ENVIRONMENT)
}

/// A session of our own with the settings of a host's.
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
