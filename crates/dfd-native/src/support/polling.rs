//! Waiting with an eye on Ctrl-C.

use std::task::Poll;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long to wait before looking whether Ctrl-C was pressed.
const PATIENCE: Duration = Duration::from_millis(100);

/// What `poll` gives in the end. It is called without the GIL, with the time that it may wait for.
///
/// # Errors
/// What Ctrl-C raises.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    mut poll: impl FnMut(Duration) -> Poll<T> + Send,
) -> PyResult<T> {
    loop {
        match py.detach(|| poll(PATIENCE)) {
            Poll::Ready(found) => return Ok(found),
            Poll::Pending => py.check_signals()?,
        }
    }
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
