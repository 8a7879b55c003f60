//! Work that Python waits for: without the GIL, with an eye on Ctrl-C, and with no panic that leaves it.

use std::task::Poll;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::errors;

/// How long to wait before looking whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(100);

/// What `poll` gives in the end. It is called without the GIL, with the time that it may wait for.
///
/// # Errors
/// What Ctrl-C raises, and `NativeError` where `poll` panics.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    mut poll: impl FnMut(Duration) -> Poll<T> + Send,
) -> PyResult<T> {
    loop {
        match py.detach(|| dfd_runtime::catching(|| poll(PATIENCE))) {
            Ok(Poll::Ready(found)) => return Ok(found),
            Ok(Poll::Pending) => py.check_signals()?,
            Err(panic) => return Err(errors::panicked(py, &panic)),
        }
    }
}

/// What `work` gives. It is done without the GIL; where it panics, that is its error.
pub(crate) fn detached<T: Send, E: From<dfd_runtime::Error> + Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    py.detach(|| dfd_runtime::catching(work).unwrap_or_else(|panic| Err(panic.into())))
}

/// What `poll` gives as [`wait`] has it, or None after `limit` or another Ctrl-C.
pub(crate) fn wait_at_most<T: Send>(
    py: Python<'_>,
    limit: Duration,
    mut poll: impl FnMut(Duration) -> Poll<T> + Send,
) -> Option<T> {
    let began = Instant::now();
    let found = wait(py, |patience| match poll(patience) {
        Poll::Ready(found) => Poll::Ready(Some(found)),
        Poll::Pending if began.elapsed() > limit => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    found.ok().flatten()
}
