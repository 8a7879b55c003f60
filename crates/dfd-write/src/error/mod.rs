//! Why rows can't become the files of a stage.

mod rule_violation;

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use dfd_arrow::panic_message;
use dfd_delta::{ErrorFields, told};

pub use self::rule_violation::{Rule, RuleViolation};

/// What reading a stream may fail with.
pub type SourceError = Box<dyn StdError + Send + Sync>;

/// Why a stage ended without files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data or the table asks for what a rule forbids.
    #[error("{0}")]
    Rule(#[from] RuleViolation),
    /// A row that the table has breaks a rule that it doesn't have yet.
    #[error("{violation}; it is in the file {path}")]
    Stored {
        /// The file's path, as the log names it.
        path: String,
        /// The rule, and the number of the row in the file.
        violation: Box<RuleViolation>,
    },
    /// The table can't be opened or read.
    #[error("{0}")]
    Table(#[from] dfd_delta::Error),
    /// A file of the table can't be read.
    #[error("the table's files can't be read: {}", told(.0.as_ref()))]
    Read(#[source] SourceError),
    /// The rows that a statement changes can't be found.
    #[error("the rows to change can't be found: {}", told(.0.as_ref()))]
    Find(#[source] SourceError),
    /// A rewrite read more or fewer rows than the log tells of.
    #[error(
        "{read} rows were read of files that have {logged} by the log; they are left as they are"
    )]
    Rows {
        /// Rows that were read.
        read: u64,
        /// Rows that the files have by the log.
        logged: u64,
    },
    /// Arrow refused.
    #[error("{}", told(.0))]
    Arrow(#[from] ArrowError),
    /// DataFusion refused.
    #[error("{}", told(.0))]
    DataFusion(#[from] DataFusionError),
    /// The Parquet writer refused.
    #[error("{}", told(.0))]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The stream itself failed.
    #[error("the stream failed after {rows} rows: {}", told(.reason.as_ref()))]
    Source {
        /// Rows that came before.
        rows: u64,
        /// What the stream says.
        #[source]
        reason: SourceError,
    },
    /// The store doesn't do what is needed.
    #[error("the store failed on {path}: {source}")]
    Store {
        /// The file's path in the store.
        path: String,
        /// What the store says.
        source: Box<object_store::Error>,
    },
    /// The disk doesn't do what is needed.
    #[error("the disk failed on {path}: {source}")]
    Disk {
        /// The file's path in the store.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Rows are wider, or the disk is smaller, than the memory pool is made for.
    #[error(
        "sorting needs more than the stage may use; raise its memory limit or lower its writers: {0}"
    )]
    Memory(String),
    /// The stage was cancelled.
    #[error("the stage was stopped")]
    Cancelled,
    /// A part of the work panicked.
    #[error("the stage's work panicked: {0}")]
    Panicked(String),
    /// An invariant of the stage doesn't hold; nothing is staged then.
    #[error("the stage is inconsistent: {0}")]
    Inconsistent(&'static str),
    /// The stage failed, and then what it had written couldn't be removed.
    #[error("{error}; what was written so far can't be removed: {cleanup}")]
    Cleanup {
        /// Why the stage failed.
        #[source]
        error: Box<Error>,
        /// Why files are left.
        cleanup: Box<Error>,
    },
    /// The table's metadata can't be understood.
    #[error("the table's metadata can't be used: {0}")]
    Metadata(String),
    /// delta_kernel can't make sense of the table's metadata.
    #[error("the table's metadata can't be used: {}", told(.0))]
    Kernel(#[from] delta_kernel::Error),
}

impl Error {
    /// Whether the data or the table is the cause, and not what carries them.
    pub fn is_rule_violation(&self) -> bool {
        match self {
            Self::Rule(_)
            | Self::Stored { .. }
            | Self::Table(dfd_delta::Error::NoSuchFile { .. }) => true,
            Self::Cleanup { error, .. } => error.is_rule_violation(),
            _ => false,
        }
    }

    /// Whether what was asked for can't be of the table.
    pub fn is_of_statement(&self) -> bool {
        let is_of_it = |error: &RuleViolation| {
            matches!(
                error,
                RuleViolation::Statement { .. }
                    | RuleViolation::NoSuchColumn(_)
                    | RuleViolation::LostField { .. }
                    | RuleViolation::SometimesGenerated(_)
                    | RuleViolation::SameAlias(_)
                    | RuleViolation::Unreached(_)
                    | RuleViolation::SeveralMatches { .. }
            )
        };
        matches!(self, Self::Rule(error) if is_of_it(error))
    }

    /// Makes [`Error::Metadata`] of what is wrong with it.
    pub(crate) fn metadata(reason: impl ToString) -> Self {
        Self::Metadata(reason.to_string())
    }

    /// Makes [`Error::Store`] of what the store says of a path.
    pub(crate) fn store(path: &object_store::path::Path, source: object_store::Error) -> Self {
        Self::Store {
            path: path.to_string(),
            source: Box::new(source),
        }
    }

    /// Converts what the query of a statement fails with.
    pub(crate) fn of_query(reason: SourceError) -> Self {
        let violation = match reason.downcast_ref::<DataFusionError>() {
            Some(error) => match error.find_root() {
                DataFusionError::External(root) => root.downcast_ref::<RuleViolation>(),
                _ => None,
            },
            None => reason.downcast_ref(),
        };
        match violation {
            Some(violation) => Self::Rule(violation.clone()),
            None => Self::Find(reason),
        }
    }

    /// Converts what a sort or a merge fails with.
    pub(crate) fn from_operator(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(reason) => Self::Memory(reason.clone()),
            _ => Self::DataFusion(error),
        }
    }

    /// Converts what a task fails with that didn't end by itself.
    pub(crate) fn from_task(error: tokio::task::JoinError) -> Self {
        if !error.is_panic() {
            return Self::Cancelled;
        }
        Self::Panicked(panic_message(error.into_panic().as_ref()))
    }

    /// Whether the stream that was to be staged failed, and not the stage.
    pub fn is_of_source(&self) -> bool {
        match self {
            Self::Source { .. } => true,
            Self::Cleanup { error, .. } => error.is_of_source(),
            _ => false,
        }
    }

    /// What a program can read of it, beside what those have that it comes from.
    pub fn fields(&self) -> ErrorFields {
        let (path, others) = match self {
            Self::Store { path, .. } | Self::Disk { path, .. } => (path, ErrorFields::default()),
            Self::Stored { path, violation } => (path, violation.fields()),
            _ => return ErrorFields::default(),
        };
        ErrorFields {
            path: Some(path.clone()),
            ..others
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_one_beside_what_is_left_too() {
        let violation = || Error::from(RuleViolation::TwoOrders);
        let beside = |error| Error::Cleanup {
            error: Box::new(error),
            cleanup: Box::new(Error::Cancelled),
        };
        assert!(violation().is_rule_violation());
        assert!(beside(violation()).is_rule_violation());
        assert!(!beside(Error::Cancelled).is_rule_violation());
        let unknown = dfd_delta::Error::NoSuchFile {
            path: "a".to_owned(),
            version: 3,
        };
        assert!(Error::from(unknown).is_rule_violation());
    }

    #[test]
    fn a_lack_of_memory_is_told_by_its_root() {
        let lack = DataFusionError::ResourcesExhausted("too much".to_owned());
        let wrapped = lack.context("while sorting");
        assert!(matches!(Error::from_operator(wrapped), Error::Memory(text) if text == "too much"));
        let other = DataFusionError::Execution("else".to_owned());
        assert!(matches!(Error::from_operator(other), Error::DataFusion(_)));
    }

    #[test]
    fn a_panic_is_told_by_its_message() {
        let work = async {
            let panicked = tokio::spawn(async { panic!("of the {}", "task") }).await;
            let aborted = tokio::spawn(std::future::pending::<()>());
            aborted.abort();
            (panicked.err(), aborted.await.err())
        };
        let (panicked, aborted) = dfd_runtime::block_on(work).unwrap();
        let told = panicked.map(Error::from_task);
        assert!(matches!(told, Some(Error::Panicked(text)) if text == "of the task"));
        assert!(matches!(
            aborted.map(Error::from_task),
            Some(Error::Cancelled)
        ));
    }
}
