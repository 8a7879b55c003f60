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
