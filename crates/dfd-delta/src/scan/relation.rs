//! What a scan reads: a version of a table, or the changes between two.

use std::slice;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::Expr;
use dfd_runtime::Location;

use crate::change_feed::ChangeFeed;
use crate::files::file_set::FileSet;
use crate::scan::located_rows::LocatedRows;
use crate::snapshot::TableSnapshot;

/// Rows of a Delta table that a scan can be asked for.
#[derive(Debug, Clone)]
pub enum Relation {
    /// Those of one version.
    Snapshot(Arc<TableSnapshot>),
    /// Those of one version, each with where it is.
    Located(Arc<LocatedRows>),
    /// Those that some versions changed.
    Changes(Arc<ChangeFeed>),
}

impl From<Arc<LocatedRows>> for Relation {
    fn from(rows: Arc<LocatedRows>) -> Self {
        Self::Located(rows)
    }
}

impl From<Arc<TableSnapshot>> for Relation {
    fn from(snapshot: Arc<TableSnapshot>) -> Self {
        Self::Snapshot(snapshot)
    }
}

impl From<Arc<ChangeFeed>> for Relation {
    fn from(feed: Arc<ChangeFeed>) -> Self {
        Self::Changes(feed)
    }
}

impl Relation {
    /// The relation of this number in this process, while anybody uses it; `first` is that of a change feed.
    pub(crate) fn alive(first: Option<u64>, instance: u64) -> Option<Self> {
        match first {
            Some(_) => ChangeFeed::alive(instance).map(Self::Changes),
            None => TableSnapshot::alive(instance).map(Self::Snapshot),
        }
    }

    /// The number of this relation in this process.
    pub(crate) fn instance(&self) -> u64 {
        match self {
            Self::Snapshot(snapshot) => snapshot.instance(),
            Self::Located(rows) => rows.snapshot().instance(),
            Self::Changes(feed) => feed.instance(),
        }
    }

    /// The columns in their order.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::Snapshot(snapshot) => snapshot.schema(),
            Self::Located(rows) => rows.schema(),
            Self::Changes(feed) => feed.schema(),
        }
    }

    /// Where the table is.
    pub fn location(&self) -> &Location {
        match self {
            Self::Snapshot(snapshot) => snapshot.location(),
            Self::Located(rows) => rows.snapshot().location(),
            Self::Changes(feed) => feed.location(),
        }
    }

    /// The version, or the last of those whose changes these are.
    pub fn version(&self) -> u64 {
        match self {
            Self::Snapshot(snapshot) => snapshot.version(),
            Self::Located(rows) => rows.snapshot().version(),
            Self::Changes(feed) => feed.last(),
        }
    }

    /// The first of the versions whose changes these are; None of a snapshot.
    pub fn first_version(&self) -> Option<u64> {
        match self {
            Self::Snapshot(_) | Self::Located(_) => None,
            Self::Changes(feed) => Some(feed.first()),
        }
    }

    /// The snapshot; None of a change feed.
    pub fn snapshot(&self) -> Option<&Arc<TableSnapshot>> {
        match self {
            Self::Snapshot(snapshot) => Some(snapshot),
            Self::Located(_) | Self::Changes(_) => None,
        }
    }

    /// The files that are read, by the columns under which they are.
    pub(crate) fn file_sets(&self) -> &[FileSet] {
        match self {
            Self::Snapshot(snapshot) => slice::from_ref(snapshot.file_set()),
            Self::Located(rows) => slice::from_ref(rows.file_set()),
            Self::Changes(feed) => feed.file_sets(),
        }
    }

    /// How many files there are.
    pub(crate) fn num_files(&self) -> usize {
        self.file_sets().iter().map(|set| set.files.len()).sum()
    }

    /// Whether every file has the column inside, so that how it is read can be chosen.
    pub(crate) fn is_in_files(&self, name: &str) -> bool {
        let has = |set: &FileSet| set.columns.file_schema.column_with_name(name).is_some();
        self.file_sets().iter().all(has)
    }

    /// Whether the values of partition columns alone say which rows match, so that the scan gives
    /// those and no others.
    pub(crate) fn is_partition_predicate(&self, filter: &Expr) -> bool {
        let mut sets = self.file_sets().iter();
        sets.all(|set| set.is_partition_predicate(filter))
    }
}
