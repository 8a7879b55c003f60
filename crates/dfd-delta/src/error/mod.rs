//! What can go wrong before a scan runs, and in its files.

mod paths;
mod text;

use std::error::Error as StdError;
use std::sync::Arc;

use arrow::datatypes::Field;
use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;

use crate::change_feed_error::{ChangeFeedError, ChangesGone};
use crate::error_fields::ErrorFields;

pub(crate) use self::paths::below;
pub(crate) use self::text::find;
pub use self::text::{cast, causes, told};

type Source = Box<dyn StdError + Send + Sync>;

/// Why a table can't be opened or scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log can't be read.
    #[error("the Delta table at {uri} can't be read: {}", told(.source.as_ref()))]
    Table {
        /// The table.
        uri: String,
        /// What deltalake-core or the store says.
        source: Source,
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
    /// A file of the table or of its log can't be read, or the log says of it what can't be used.
    #[error("the file {path} of the Delta table at {uri} can't be read: {}", told(.reason.as_ref()))]
    File {
        /// The table.
        uri: String,
        /// From the table's root, or as the log has it.
        path: String,
        /// The column that is wrong in it, where it is one.
        column: Option<String>,
        /// What is wrong.
        #[source]
        reason: Source,
    },
    /// A data file isn't there any more.
    #[error(
        "the file {path}, which version {version} of the Delta table at {uri} has, is gone: VACUUM removes what no version within the table's retention needs; read a newer version"
    )]
    FileGone {
        /// The table.
        uri: String,
        /// Of the table.
        version: u64,
        /// From the table's root, or as the log has it.
        path: String,
        /// What the store says.
        #[source]
        reason: Source,
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
    #[error("{0}")]
    ChangesGone(#[from] ChangesGone),
    /// A version that the table doesn't have, or no longer.
    #[error("the Delta table at {uri} has no version {version}")]
    NoSuchVersion {
        /// The table.
        uri: String,
        /// As it was asked for.
        version: u64,
    },
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
    /// What another asker was told too.
    #[error("{0}")]
    Shared(#[source] Arc<Error>),
    /// The location can't be used, or no work can begin.
    #[error("{0}")]
    Runtime(#[from] dfd_runtime::Error),
    /// DataFusion refused.
    #[error("{}", told(.0))]
    DataFusion(#[from] DataFusionError),
}

impl Error {
    /// An error of a table's change feed.
    pub(crate) fn change_feed(uri: &impl ToString, source: ChangeFeedError) -> Self {
        Self::ChangeFeed {
            uri: uri.to_string(),
            source: Box::new(source),
        }
    }

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

    /// An error of a table, with what deltalake-core or the store says.
    pub(crate) fn table(uri: &impl ToString, source: impl Into<Source>) -> Self {
        Self::Table {
            uri: uri.to_string(),
            source: source.into(),
        }
    }

    /// An error of a file of the table at `uri`, with what is wrong with it.
    pub(crate) fn file(
        uri: &impl ToString,
        path: impl Into<String>,
        reason: impl Into<Source>,
    ) -> Self {
        Self::File {
            uri: uri.to_string(),
            path: path.into(),
            column: None,
            reason: reason.into(),
        }
    }

    /// An error of a partition value that its column's type doesn't have.
    pub(crate) fn partition_value(
        uri: &impl ToString,
        path: &str,
        field: &Field,
        text: Option<&str>,
    ) -> Self {
        let (name, kind) = (field.name(), field.data_type());
        Self::File {
            uri: uri.to_string(),
            path: path.to_owned(),
            column: Some(name.clone()),
            reason: format!("the partition value of `{name}`, {text:?}, is no {kind}").into(),
        }
    }

    /// What a program can read of it.
    pub fn fields(&self) -> ErrorFields {
        let nothing = ErrorFields::default();
        match self {
            Self::Table { uri, source } => ErrorFields {
                uri: Some(uri.clone()),
                path: paths::path_of_store_error(source.as_ref(), uri),
                ..nothing
            },
            Self::Unsupported { uri, .. } => ErrorFields {
                uri: Some(uri.clone()),
                ..nothing
            },
            Self::File {
                uri, path, column, ..
            } => ErrorFields {
                uri: Some(uri.clone()),
                path: Some(path.clone()),
                column: column.clone(),
                ..nothing
            },
            Self::FileGone {
                uri, version, path, ..
            } => ErrorFields {
                uri: Some(uri.clone()),
                version: Some(*version),
                path: Some(path.clone()),
                ..nothing
            },
            Self::NoSuchFile { path, version } => ErrorFields {
                path: Some(path.clone()),
                version: Some(*version),
                ..nothing
            },
            Self::ChangeFeed { uri, source } => ErrorFields {
                uri: Some(uri.clone()),
                ..source.fields()
            },
            Self::ChangesGone(gone) => gone.fields(),
            Self::NoSuchVersion { uri, version }
            | Self::BeforeFirst { uri, version, .. }
            | Self::NoTime { uri, version }
            | Self::SchemaChanged { uri, version, .. }
            | Self::Log { uri, version, .. }
            | Self::Commit { uri, version, .. } => ErrorFields {
                uri: Some(uri.clone()),
                version: Some(*version),
                ..nothing
            },
            Self::Shared(error) => error.fields(),
            Self::Runtime(_) | Self::DataFusion(_) => nothing,
        }
    }
}

/// The data file that a query failed of because it isn't there any more.
pub fn gone_file<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let is_gone = |link: &&Error| matches!(link, Error::FileGone { .. });
    text::all::<Error>(error).find(is_gone)
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
mod tests;
