//! Why a change feed can't be read.

use crate::error_fields::ErrorFields;

/// What is wrong with a range of versions.
#[derive(Debug, thiserror::Error)]
pub enum ChangeFeedError {
    /// It begins after the newest version.
    #[error("it is asked for from version {first}, and the newest is version {newest}")]
    AfterNewest {
        /// Asked for.
        first: u64,
        /// There is.
        newest: u64,
    },
    /// It ends before it begins.
    #[error("it is asked for from version {first} to version {last}, which comes before")]
    EndsBeforeStart {
        /// The first version.
        first: u64,
        /// The last version.
        last: u64,
    },
    /// No change data was kept.
    #[error(
        "delta.enableChangeDataFeed isn't true at version {version}, so its change data wasn't kept; ask for versions at which it is"
    )]
    NotEnabled {
        /// The first such version.
        version: u64,
    },
    /// The log was cleaned up.
    #[error(
        "the log no longer has what tells the changes of version {version}; ask for version {earliest} or later"
    )]
    Cleaned {
        /// Asked for.
        version: u64,
        /// The first that can be read.
        earliest: u64,
    },
    /// A commit isn't there, and no other is known to be the first.
    #[error("the log has no commit of version {version}")]
    NoCommit {
        /// The version.
        version: u64,
    },
    /// A commit has no actions that can be understood.
    #[error("the commit of version {version} isn't one: {source}")]
    Malformed {
        /// The version.
        version: u64,
        /// What its JSON lacks.
        source: serde_json::Error,
    },
    /// The schema at one version doesn't fit that under which the changes are read.
    #[error(
        "they are read under the schema of version {last}, which doesn't fit version {version}: {reason}; ask for the versions before and after that change in turn"
    )]
    SchemaChanged {
        /// The first such version.
        version: u64,
        /// The version whose schema they are read under.
        last: u64,
        /// What changed.
        reason: String,
    },
    /// A column of the table is named as one of the feed.
    #[error("the table has a column {name}, and so has every change feed; rename it")]
    ReservedColumn {
        /// The name.
        name: String,
    },
    /// A commit has no time.
    #[error("in-commit timestamps are enabled, and the commit of version {version} has none")]
    NoTimestamp {
        /// The version.
        version: u64,
    },
    /// What was removed isn't said.
    #[error(
        "version {version} removed the file {path} without naming its partition values; ask for later versions"
    )]
    NoPartitionValues {
        /// The file, as the log has it.
        path: String,
        /// The version.
        version: u64,
    },
    /// A deletion vector can't be used.
    #[error("the deletion vector of the file {path} in version {version} can't be read: {reason}")]
    DeletionVector {
        /// The file, as the log has it.
        path: String,
        /// The version.
        version: u64,
        /// What is wrong.
        reason: String,
    },
}

/// A file with changes that isn't there any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "the file {path}, which has rows that version {version} changed, is gone: VACUUM removes such files after the table's retention; ask for the changes of later versions"
)]
pub struct ChangesGone {
    /// In its store.
    pub path: String,
    /// The version.
    pub version: u64,
}

impl ChangeFeedError {
    /// What a program can read of it.
    pub fn fields(&self) -> ErrorFields {
        let (version, path, column) = match self {
            Self::AfterNewest { first, .. } | Self::EndsBeforeStart { first, .. } => {
                (Some(*first), None, None)
            }
            Self::NotEnabled { version }
            | Self::Cleaned { version, .. }
            | Self::NoCommit { version }
            | Self::Malformed { version, .. }
            | Self::SchemaChanged { version, .. }
            | Self::NoTimestamp { version } => (Some(*version), None, None),
            Self::NoPartitionValues { path, version }
            | Self::DeletionVector { path, version, .. } => (Some(*version), Some(path), None),
            Self::ReservedColumn { name } => (None, None, Some(name)),
        };
        ErrorFields {
            version,
            path: path.cloned(),
            column: column.cloned(),
            ..ErrorFields::default()
        }
    }
}

impl ChangesGone {
    /// What a program can read of it.
    pub fn fields(&self) -> ErrorFields {
        ErrorFields {
            version: Some(self.version),
            path: Some(self.path.clone()),
            ..ErrorFields::default()
        }
    }
}
