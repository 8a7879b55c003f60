//! The end of a stage before its time.

use std::future::Future;

pub use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// Waits for `work`, unless the stage is cancelled first.
///
/// Other than [`CancellationToken::run_until_cancelled`], this prefers the end of the stage whenever both
/// are ready: nothing is written any more once it was asked for.
pub(crate) async fn unless_cancelled<T>(
    token: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        () = token.cancelled() => Err(Error::Cancelled),
        done = work => Ok(done),
    }
}
