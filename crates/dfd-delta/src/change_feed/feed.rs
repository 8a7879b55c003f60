//! The changes of a range of versions.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use dfd_runtime::Location;
use futures::{StreamExt, TryStreamExt};

use crate::change_feed::changes::ChangeKind;
use crate::change_feed::commit::Commit;
use crate::change_feed::data_files::DataFiles;
use crate::change_feed::versions::Versions;
use crate::change_feed_error::ChangeFeedError;
use crate::error::Error;
use crate::files::data_file::DataFile;
use crate::files::file_set::FileSet;
use crate::files::scan_columns::ScanColumns;
use crate::snapshot::TableSnapshot;
use crate::snapshot::in_use::InUse;

/// Requests of one kind that are made at once.
const MAX_CONCURRENT_REQUESTS: usize = 16;

static IN_USE: InUse<ChangeFeed> = InUse::new();

/// The rows that the versions from `first` to `last`, both included, inserted, updated and deleted.
///
/// Beside the columns of the last version it has `_change_type` (`insert`, `delete`, `update_preimage` or
/// `update_postimage`), `_commit_version` and `_commit_timestamp`: the in-commit timestamp where the table has
/// such, else the time of the commit's file.
pub struct ChangeFeed {
    location: Location,
    first: u64,
    last: u64,
    schema: SchemaRef,
    file_sets: Vec<FileSet>,
    instance: u64,
}

impl fmt::Debug for ChangeFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeFeed")
            .field("location", &self.location)
            .field("first", &self.first)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Drop for ChangeFeed {
    fn drop(&mut self) {
        IN_USE.leave(self.instance);
    }
}

impl TableSnapshot {
    /// The changes of the versions from `first` to `last`, or to this one where that is none or later.
    ///
    /// # Errors
    /// `first` comes after `last` or this version; else those of [`ChangeFeed::open`].
    pub async fn changes(&self, first: u64, last: Option<u64>) -> Result<Arc<ChangeFeed>, Error> {
        let refused = |reason| Err(Error::change_feed(self.location().url(), reason));
        let newest = self.version();
        if first > newest {
            return refused(ChangeFeedError::AfterNewest { first, newest });
        }
        let last = last.unwrap_or(newest);
        if first > last {
            return refused(ChangeFeedError::EndsBeforeStart { first, last });
        }
        ChangeFeed::open(self.location().clone(), first, last.min(newest)).await
    }
}

impl ChangeFeed {
    /// The changes of the versions from `first` to `last`, which the table has or had; no data file is read.
    ///
    /// # Errors
    /// At a version of the range `delta.enableChangeDataFeed` isn't true, the schema doesn't fit that of `last`, or there is
    /// a reader feature that a scan doesn't honour; the log no longer has a version, or can't be read.
    pub async fn open(location: Location, first: u64, last: u64) -> Result<Arc<Self>, Error> {
        let mut versions = Versions::open(&location, first, last).await?;
        let columns = FeedColumns::new(&versions.columns);
        let schema = columns.schema_after(&versions.schema);
        let schema = schema.map_err(|reason| Error::change_feed(location.url(), reason))?;
        let mut changes = Vec::new();
        let commits = futures::stream::iter(first..=last);
        let mut commits = commits
            .map(|version| Commit::read(&location, version))
            .buffered(MAX_CONCURRENT_REQUESTS);
        while let Some(commit) = commits.try_next().await? {
            let (version, time) = (commit.version, versions.advance(&commit)?);
            let of_commit = commit.into_changes().into_iter();
            changes.extend(of_commit.map(|change| (change, version, time)));
        }
        drop(commits);
        let data_files = &DataFiles::new(&location, &versions.columns);
        let columns = &columns;
        let opened = futures::stream::iter(changes).map(|(change, version, time)| async move {
            let kind = change.kind;
            let under = columns.of(kind);
            let file = data_files.open(&change, version, time, under).await?;
            Ok::<_, Error>(file.map(|file| (kind, file)))
        });
        let opened: Vec<_> = opened
            .buffered(MAX_CONCURRENT_REQUESTS)
            .try_collect()
            .await?;
        let (written, inferred): (Vec<_>, Vec<_>) = opened
            .into_iter()
            .flatten()
            .partition(|(kind, _)| *kind == ChangeKind::Written);
        let sets = [(&columns.inferred, inferred), (&columns.written, written)];
        let sets = sets.into_iter().filter(|(_, files)| !files.is_empty());
        let file_set = |(columns, files): (&ScanColumns, Vec<(_, DataFile)>)| {
            let files = files.into_iter().map(|(_, file)| file).collect();
            FileSet::new(location.clone(), last, columns.clone(), files)
        };
        let feed = Arc::new(Self {
            file_sets: sets.map(file_set).collect(),
            location: location.clone(),
            first,
            last,
            schema,
            instance: IN_USE.number(),
        });
        IN_USE.enter(feed.instance, &feed);
        Ok(feed)
    }

    /// The change feed of this number, while anybody uses it.
    pub(crate) fn alive(instance: u64) -> Option<Arc<Self>> {
        IN_USE.alive(instance)
    }

    /// The number of this change feed in this process.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Where the table is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The first version.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last version.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The columns of the table at the last version, then those of a change.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn file_sets(&self) -> &[FileSet] {
        &self.file_sets
    }
}

/// The columns of both sets of files.
struct FeedColumns {
    /// Of the files that a commit added or removed.
    inferred: ScanColumns,
    /// Of change data files.
    written: ScanColumns,
    /// Those of a change.
    added: [FieldRef; 3],
}

impl FeedColumns {
    fn new(table: &ScanColumns) -> Self {
        let field = |name, kind| Arc::new(Field::new(name, kind, false));
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let added = [
            field("_change_type", DataType::Utf8),
            field("_commit_version", DataType::Int64),
            field("_commit_timestamp", time),
        ];
        Self {
            inferred: table.with_more(&[], &added),
            written: table.with_more(&added[..1], &added[1..]),
            added,
        }
    }

    fn of(&self, kind: ChangeKind) -> &ScanColumns {
        match kind {
            ChangeKind::Insert | ChangeKind::Delete => &self.inferred,
            ChangeKind::Written => &self.written,
        }
    }

    fn schema_after(&self, table: &Schema) -> Result<SchemaRef, ChangeFeedError> {
        let reserved = table.fields().iter().find(|field| {
            let mut added = self.added.iter();
            added.any(|added| added.name().eq_ignore_ascii_case(field.name()))
        });
        if let Some(field) = reserved {
            let name = field.name().clone();
            return Err(ChangeFeedError::ReservedColumn { name });
        }
        let fields = table.fields().iter().chain(&self.added).cloned();
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }
}
