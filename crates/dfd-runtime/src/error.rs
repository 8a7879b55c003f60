//! What can go wrong before any work begins.

use datafusion::error::DataFusionError;

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
    /// This process has no threads for the work, or the work ended in a panic.
    #[error("{0}")]
    Runtime(String),
    /// DataFusion refused.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(inner) => inner,
            other => Self::External(Box::new(other)),
        }
    }
}
