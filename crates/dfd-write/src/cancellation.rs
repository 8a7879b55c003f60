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

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(token: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Error> {
        dfd_runtime::block_on(unless_cancelled(token, work)).unwrap()
    }

    #[test]
    fn work_is_done_until_the_end_is_asked_for() {
        let token = CancellationToken::new();
        assert!(matches!(run(&token, async { 1 }), Ok(1)));
        token.clone().cancel();
        assert!(matches!(run(&token, async { 1 }), Err(Error::Cancelled)));
    }

    #[test]
    fn work_that_asks_for_the_end_itself_is_not_taken() {
        let token = CancellationToken::new();
        let work = async {
            token.cancel();
            tokio::task::yield_now().await;
            1
        };
        assert!(matches!(run(&token, work), Err(Error::Cancelled)));
    }

    #[test]
    fn waiting_work_ends_from_another_thread() {
        let token = CancellationToken::new();
        let other = token.clone();
        let thread = std::thread::spawn(move || other.cancel());
        assert!(run(&token, std::future::pending::<()>()).is_err());
        thread.join().unwrap();
    }
}
