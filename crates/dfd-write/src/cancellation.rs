//! The end of a stage before its time.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::error::DataFusionError;
use tokio::sync::watch;

use crate::error::Error;

/// Ends a stage, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// End it.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// What comes of `work`, unless the end comes first.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut receiver = self.0.subscribe();
        // The sender lives as long as this.
        let stopped = async move { receiver.wait_for(|stopped| *stopped).await.is_ok() };
        tokio::select! {
            biased;
            _ = stopped => Err(Error::Stopped),
            done = work => Ok(done),
        }
    }
}

/// The first error of a stage, which operators between would wrap or lose.
#[derive(Debug, Clone, Default)]
pub struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    /// Keep `error`, unless there was one before.
    pub fn keep(&self, error: Error) {
        self.kept().get_or_insert(error);
    }

    /// Keep `error`, and give an operator another in its place.
    pub fn passed_on(&self, error: Error) -> DataFusionError {
        let text = error.to_string();
        self.keep(error);
        DataFusionError::Execution(text)
    }

    /// The first error.
    pub fn take(&self) -> Option<Error> {
        self.kept().take()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
