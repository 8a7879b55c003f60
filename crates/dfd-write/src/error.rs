//! Why rows can't become the files of a stage.

use std::error::Error as StdError;

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// What reading a stream may fail with.
pub type SourceError = Box<dyn StdError + Send + Sync>;

/// Why a stage ended without files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data or the table asks for what a rule forbids.
    #[error(transparent)]
    Rule(#[from] RuleViolation),
    /// The table can't be opened or read.
    #[error(transparent)]
    Table(#[from] dfd_delta::Error),
    /// A file of the table can't be read.
    #[error("the table's files can't be read: {0}")]
    Read(SourceError),
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
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// DataFusion refused.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
    /// The Parquet writer refused.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The stream itself failed.
    #[error("the stream failed after {rows} rows: {reason}")]
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
    #[error("the table's metadata can't be used: {0}")]
    Kernel(#[from] delta_kernel::Error),
}

impl Error {
    /// Whether the data or the table is the cause, and not what carries them.
    pub fn is_rule_violation(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Table(dfd_delta::Error::NoSuchFile { .. }) => true,
            Self::Cleanup { error, .. } => error.is_rule_violation(),
            _ => false,
        }
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
        let panic = error.into_panic();
        let message = match panic.downcast_ref::<&str>() {
            Some(text) => Some((*text).to_owned()),
            None => panic.downcast_ref::<String>().cloned(),
        };
        Self::Panicked(message.unwrap_or_default())
    }
}

/// A rule of the table, and what doesn't follow it.
#[derive(Debug, thiserror::Error)]
pub enum RuleViolation {
    /// The table is partitioned otherwise.
    #[error("the table is partitioned by {found:?}, not by {asked:?}")]
    Partitioning {
        /// What was asked for.
        asked: Vec<String>,
        /// What the table has.
        found: Vec<String>,
    },
    /// Rows can't be sorted by this column.
    #[error("rows can't be sorted by the column `{0}`: it {1}")]
    SortColumn(String, &'static str),
    /// A column of the table that the stream must have.
    #[error("the stream lacks the column `{0}`, which may not be null")]
    Missing(String),
    /// A column that the table doesn't have.
    #[error(
        "the stream has a column `{0}` that the table lacks; project it away or add it to the table first"
    )]
    Unknown(String),
    /// Two columns of one name.
    #[error("the stream has two columns named `{0}`; rename one")]
    Ambiguous(String),
    /// The column's type and the table's have no values in common, or too few.
    #[error("the column `{column}`{reason}")]
    Type {
        /// The column.
        column: String,
        /// The field in it, if it is nested, and what is wrong with it.
        reason: String,
    },
    /// Delta has no such type.
    #[error("the column `{column}` is {found}, which Delta doesn't have; cast it first")]
    NoType {
        /// The column.
        column: String,
        /// The type of the column, or of a field in it.
        found: DataType,
    },
    /// There is no column to partition by.
    #[error("there is no column `{0}` to partition by")]
    NoSuchPartitionColumn(String),
    /// A column to partition by is named more than once.
    #[error("the column `{0}` is named twice among those to partition by")]
    RepeatedPartitionColumn(String),
    /// Rows are rewritten within their partitions, along a curve or in an order.
    #[error("`sort_by` and `z_order_by` exclude one another; give one")]
    TwoOrders,
    /// A path is given more than once.
    #[error("the file {0} is named twice among those to rewrite")]
    RepeatedFile(String),
    /// A table can't be partitioned by this column.
    #[error("the column `{column}` is {found}; a table can't be partitioned by it")]
    PartitionType {
        /// The column.
        column: String,
        /// The column's type.
        found: DataType,
    },
    /// The files would have no column.
    #[error("all columns are partition columns; a table needs one that isn't")]
    OnlyPartitionColumns,
    /// A null where none may be.
    #[error("row {row} (the first is 0): the column `{column}` is null and may not be")]
    Null {
        /// The column.
        column: String,
        /// Row of the stream, counted from 0.
        row: u64,
    },
    /// A value that the table's type doesn't have.
    #[error("row {row} (the first is 0): the column `{column}`: {reason}")]
    Value {
        /// The column, and the field in it.
        column: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// What is wrong with the value.
        reason: String,
    },
    /// A value that no partition can have.
    #[error("{}the partition column `{column}`: {reason}", at(*row))]
    PartitionValue {
        /// The column.
        column: String,
        /// Row of the stream, counted from 0; None where it isn't known any more.
        row: Option<u64>,
        /// What is wrong with the value.
        reason: String,
    },
    /// A constraint or an invariant isn't true.
    #[error("row {row} (the first is 0) breaks {rule} ({expression}): {values}")]
    Condition {
        /// The constraint by its name, the invariant by its column.
        rule: String,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// The columns in the expression, and their values in the row.
        values: String,
    },
    /// A generated column is given with a value that isn't its expression's.
    #[error(
        "row {row} (the first is 0): the generated column `{column}` is {given}, and its expression ({expression}) is {computed}; leave the column out to have it computed"
    )]
    Generated {
        /// The column.
        column: String,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// The value that the stream has.
        given: String,
        /// The value that the expression has.
        computed: String,
    },
    /// A rule's expression can't be computed for a row.
    #[error("row {row} (the first is 0): {rule} ({expression}) can't be computed: {reason}")]
    Uncomputed {
        /// The constraint, invariant or column by its name.
        rule: String,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// What the computation says.
        reason: String,
    },
    /// An expression that may mean something else to Spark.
    #[error("{rule} ({expression}) can't be followed: {reason}. Write with Spark")]
    Expression {
        /// The constraint, invariant or column by its name.
        rule: String,
        /// The expression as the table has it.
        expression: String,
        /// What in it isn't known to mean the same.
        reason: String,
    },
    /// The table asks for something else that can't be done.
    #[error("the table needs {0} of its writers, which can't be done here")]
    Feature(String),
}

fn at(row: Option<u64>) -> String {
    row.map_or_else(String::new, |row| format!("row {row} (the first is 0): "))
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
