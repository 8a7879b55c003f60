//! Why an expression can't be translated.

use datafusion::error::DataFusionError;

/// Why an expression of Spark SQL has no counterpart here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text isn't an expression of Spark SQL.
    #[error("{0}")]
    Syntax(String),
    /// A name that none of the columns has.
    #[error("there is no column {0}")]
    UnknownColumn(String),
    /// The expression isn't known to have the same value here as in Spark, for every row.
    #[error("{0}")]
    Unsupported(String),
    /// DataFusion can't make or compile the expression.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl Error {
    /// [`Error::Unsupported`] for a reason.
    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(reason.into())
    }

    /// [`Error::Unsupported`] for something that both sides have, but not alike.
    pub(crate) fn differs(what: impl std::fmt::Display) -> Self {
        Self::Unsupported(format!("{what} isn't known to mean the same"))
    }
}
