//! The one tokio runtime of the process, and how other threads wait for its work.

use dfd_arrow::panic_message;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::block_in_place;

use crate::error::Error;

/// A handle of the runtime, which the first call makes.
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

/// Waits for work on the runtime, from any thread: one of its own too, as when a function that a query
/// calls makes a query.
///
/// # Errors
/// As [`handle`], and [`Error::Panicked`].
pub fn block_on<F: Future>(work: F) -> Result<F::Output, Error> {
    let handle = handle()?;
    catching(|| blocking(|| handle.block_on(work)))
}

/// Does work in which what others wrote may make a library panic: that is an error with its text.
///
/// # Errors
/// [`Error::Panicked`].
pub fn catching<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|panic| Error::Panicked(panic_message(panic.as_ref())))
}

/// Does what waits, from any thread; where it is one of the runtime's, others take over its work.
pub fn blocking<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(_) => block_in_place(wait),
        Err(_) => wait(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// On which thread the runtime does its work.
    async fn worker() -> Option<String> {
        let name = || thread::current().name().map(str::to_owned);
        tokio::spawn(async move { name() }).await.unwrap()
    }

    #[test]
    fn a_plain_thread_waits_for_the_runtime() {
        assert!(Handle::try_current().is_err());
        assert_eq!(block_on(worker()).unwrap().as_deref(), Some("dfd"));
        assert_eq!(blocking(|| 3), 3);
    }

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        let told = |found: Result<(), Error>| found.unwrap_err().to_string();
        let expected = "the work panicked: of the log";
        assert_eq!(told(catching(|| panic!("of the {}", "log"))), expected);
        let nested = async { block_on(async { panic!("of the log") }) };
        assert_eq!(told(block_on(nested).unwrap()), expected);
        assert_eq!(catching(|| 3).unwrap(), 3);
        // The runtime is as good as before.
        assert_eq!(block_on(worker()).unwrap().as_deref(), Some("dfd"));
    }

    #[test]
    fn a_thread_of_the_runtime_waits_for_it_too() {
        let nested = async {
            let work = async { block_on(async { block_on(worker()) }) };
            tokio::spawn(work).await.unwrap()
        };
        let name = block_on(nested).unwrap().unwrap().unwrap();
        assert_eq!(name.as_deref(), Some("dfd"));
    }

    #[test]
    fn a_thread_of_another_runtime_waits_for_it_too() {
        let other = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("other")
            .build()
            .unwrap();
        let waiting = other.spawn(async { block_on(worker()) });
        let name = other.block_on(waiting).unwrap().unwrap();
        assert_eq!(name.as_deref(), Some("dfd"));
    }

    #[test]
    fn all_work_shares_one_runtime_with_timers() {
        let (one, other) = (handle().unwrap(), handle().unwrap());
        assert_eq!(one.id(), other.id());
        let id = block_on(async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            Handle::current().id()
        });
        assert_eq!(id.unwrap(), one.id());
    }
}
