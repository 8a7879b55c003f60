//! The first error of several tasks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::error::DataFusionError;

use crate::error::Error;

/// Keeps the first error of a stage, which operators between a source and a writer would wrap or lose.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstError(Arc<Mutex<Option<Error>>>);

impl FirstError {
    /// Keeps `error`, unless there was one before.
    pub(crate) fn record(&self, error: Error) {
        self.slot().get_or_insert(error);
    }

    /// Keeps `error`, and gives an operator another in its place.
    pub(crate) fn record_for_operator(&self, error: Error) -> DataFusionError {
        let text = error.to_string();
        self.record(error);
        DataFusionError::Execution(text)
    }

    /// Gives the first error, if there was any.
    pub(crate) fn take(&self) -> Option<Error> {
        self.slot().take()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_is_kept_whole() {
        let errors = FirstError::default();
        let clone = errors.clone();
        let passed = clone.record_for_operator(Error::metadata("first"));
        errors.record(Error::Cancelled);
        assert!(passed.to_string().contains("first"));
        assert!(matches!(errors.take(), Some(Error::Metadata(text)) if text == "first"));
        assert!(clone.take().is_none());
    }
}
