//! What can go wrong before a scan runs.

use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;
use deltalake_core::DeltaTableError;

use crate::change_feed_error::{ChangeFeedError, ChangesGone};

/// Why a table can't be opened or scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log can't be read.
    #[error("the Delta table at {uri} can't be read: {source}")]
    Table {
        /// The table.
        uri: String,
        /// What deltalake-core says.
        source: Box<DeltaTableError>,
    },
    /// The table has what no reader here reads right.
    #[error("the Delta table at {uri} can't be read: {reason} isn't supported")]
    Unsupported {
        /// The table.
        uri: String,
        /// What it has.
        reason: String,
    },
    /// No version that can still be read is as old.
    #[error(
        "the Delta table at {uri} has no version of {time}: the earliest that can be read is version {version}, of {earliest}"
    )]
    BeforeFirst {
        /// The table.
        uri: String,
        /// That was asked for.
        time: DateTime<Utc>,
        /// The earliest that can be read.
        version: u64,
        /// Its time.
        earliest: DateTime<Utc>,
    },
    /// A version doesn't say when it was made.
    #[error(
        "no version of the Delta table at {uri} can be found by its time: version {version} has no commit, or no inCommitTimestamp in it"
    )]
    NoTime {
        /// The table.
        uri: String,
        /// That has none.
        version: u64,
    },
    /// A plan was made of a version with another schema than the newest has.
    #[error(
        "the Delta table at {uri} was planned with version {planned}, and in version {version} {change}: plan the query again, and make a view of it anew"
    )]
    SchemaChanged {
        /// The table.
        uri: String,
        /// The version that the plan was made of.
        planned: u64,
        /// The version to read.
        version: u64,
        /// What is another one there.
        change: String,
    },
    /// An add action has something that no scan can be made of.
    #[error("the file {path} can't be scanned: {reason}")]
    File {
        /// As the log has it.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A path that none of the version's files has.
    #[error("version {version} of the table has no file {path}")]
    NoSuchFile {
        /// As it was given.
        path: String,
        /// Of the table.
        version: u64,
    },
    /// A version isn't what it must be, or can't be made so.
    #[error("version {version} of the Delta table at {uri} isn't right: {reason}")]
    Log {
        /// The table.
        uri: String,
        /// Of the table.
        version: u64,
        /// What is wrong.
        reason: String,
    },
    /// The changes of some versions can't be told.
    #[error("the change feed of the Delta table at {uri} can't be read: {source}")]
    ChangeFeed {
        /// The table.
        uri: String,
        /// Why.
        source: Box<ChangeFeedError>,
    },
    /// Changed rows are gone.
    #[error(transparent)]
    ChangesGone(#[from] ChangesGone),
    /// The log can't be written.
    #[error(
        "version {version} of the Delta table at {uri} can't be put; whether it is there isn't known: {source}"
    )]
    Commit {
        /// The table.
        uri: String,
        /// That was to be made.
        version: u64,
        /// What the store says.
        source: Box<object_store::Error>,
    },
    /// The location can't be used, or no work can begin.
    #[error(transparent)]
    Runtime(#[from] dfd_runtime::Error),
    /// DataFusion refused.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}

impl Error {
    /// An error of one version of a log.
    pub(crate) fn log(
        location: &dfd_runtime::Location,
        version: u64,
        reason: impl ToString,
    ) -> Self {
        Self::Log {
            uri: location.url().to_string(),
            version,
            reason: reason.to_string(),
        }
    }

    /// An error of a table, with what deltalake-core says.
    pub(crate) fn table(uri: &impl ToString, source: DeltaTableError) -> Self {
        Self::Table {
            uri: uri.to_string(),
            source: Box::new(source),
        }
    }

    /// An error of a table's change feed.
    pub(crate) fn change_feed(uri: &impl ToString, source: ChangeFeedError) -> Self {
        Self::ChangeFeed {
            uri: uri.to_string(),
            source: Box::new(source),
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(inner) => inner,
            Error::Runtime(inner) => inner.into(),
            other => Self::External(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_kind_on_the_way_through_datafusion() {
        let missing = Error::NoSuchFile {
            path: "f".to_owned(),
            version: 2,
        };
        let DataFusionError::External(inner) = DataFusionError::from(missing) else {
            unreachable!("not of DataFusion");
        };
        assert!(matches!(
            inner.downcast_ref::<Error>(),
            Some(Error::NoSuchFile { version: 2, .. })
        ));
        let refused = dfd_runtime::Error::Runtime("no threads".to_owned());
        let DataFusionError::External(inner) = DataFusionError::from(Error::from(refused)) else {
            unreachable!("not of DataFusion");
        };
        assert!(inner.is::<dfd_runtime::Error>());
        let planned = Error::from(DataFusionError::Plan("no".to_owned()));
        assert!(
            matches!(DataFusionError::from(planned), DataFusionError::Plan(text) if text == "no")
        );
    }
}
