//! What can go wrong before any work begins.

use datafusion::error::DataFusionError;
use dfd_arrow::panic_message;
use tokio::task::JoinError;

/// Why a location can't be used, or work can't begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URI or its options name no store.
    #[error("the location {uri} can't be used: {reason}")]
    Location {
        /// The URI, without credentials.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This process has no threads for the work, or the work ended before its time.
    #[error("{0}")]
    Runtime(String),
    /// The work ended in a panic, with this text.
    #[error("the work panicked: {0}")]
    Panicked(String),
    /// DataFusion refused.
    #[error("{0}")]
    DataFusion(#[from] DataFusionError),
}

impl From<JoinError> for Error {
    fn from(ended: JoinError) -> Self {
        match ended.try_into_panic() {
            Ok(panic) => Self::Panicked(panic_message(panic.as_ref())),
            Err(ended) => Self::Runtime(ended.to_string()),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(inner) => inner,
            other => Self::External(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_datafusion_stays_one_and_others_keep_their_kind() {
        let planned = Error::from(DataFusionError::Plan("no".to_owned()));
        assert!(
            matches!(DataFusionError::from(planned), DataFusionError::Plan(text) if text == "no")
        );
        let refused = Error::Location {
            uri: "s3://bucket/t/".to_owned(),
            reason: "no key".to_owned(),
        };
        let DataFusionError::External(inner) = DataFusionError::from(refused) else {
            unreachable!("not of DataFusion");
        };
        assert_eq!(
            inner.to_string(),
            "the location s3://bucket/t/ can't be used: no key"
        );
        assert!(matches!(
            inner.downcast_ref::<Error>(),
            Some(Error::Location { .. })
        ));
    }
}
