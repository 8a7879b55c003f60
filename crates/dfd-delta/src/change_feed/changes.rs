//! Which rows of which files a commit changed.

use std::collections::BTreeMap;

use deltalake_core::kernel::DeletionVectorDescriptor;
use serde_json::Value;

use crate::change_feed::commit::{Commit, FileAction};

/// What happened to the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// They were inserted.
    Insert,
    /// They were deleted.
    Delete,
    /// They say themselves: it is a change data file.
    Written,
}

impl ChangeKind {
    /// The `_change_type` of all rows; None where each has its own.
    pub(super) fn change_type(self) -> Option<&'static str> {
        match self {
            Self::Insert => Some("insert"),
            Self::Delete => Some("delete"),
            Self::Written => None,
        }
    }
}

/// Which rows of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChangedRows {
    /// All.
    All,
    /// All but those of a deletion vector.
    Without(DeletionVectorDescriptor),
    /// Those of one deletion vector that another doesn't have.
    Of(DeletionVectorDescriptor, Option<DeletionVectorDescriptor>),
}

/// Some rows of one file that a version changed.
#[derive(Debug)]
pub(super) struct FileChange {
    pub action: FileAction,
    pub kind: ChangeKind,
    pub rows: ChangedRows,
}

impl FileChange {
    fn of_file(mut action: FileAction, kind: ChangeKind) -> Self {
        let rows = match action.deletion_vector.take() {
            Some(vector) => ChangedRows::Without(vector),
            None => ChangedRows::All,
        };
        Self { action, kind, rows }
    }
}

impl Commit {
    /// The rows that this commit changed, as Delta-Spark's `CDCReader` tells them.
    pub(super) fn into_changes(self) -> Vec<FileChange> {
        if !self.cdc.is_empty() {
            let written = self.cdc.into_iter();
            let changes = written.map(|file| FileChange::of_file(file, ChangeKind::Written));
            return changes.collect();
        }
        if is_merge_without_changes(&self.info) {
            return Vec::new();
        }
        let is_change = |action: &FileAction| action.data_change;
        let removed = self.removes.into_iter().filter(is_change);
        let mut removed: BTreeMap<_, _> = removed.map(|file| (file.path.clone(), file)).collect();
        let mut changes = Vec::new();
        for added in self.adds.into_iter().filter(is_change) {
            match removed.remove(&added.path) {
                Some(removed) => changes.extend(between(removed, added)),
                None => changes.push(FileChange::of_file(added, ChangeKind::Insert)),
            }
        }
        let deleted = removed.into_values();
        changes.extend(deleted.map(|file| FileChange::of_file(file, ChangeKind::Delete)));
        changes
    }
}

/// The changes of a file that stayed, and whose deletion vector is another now.
fn between(removed: FileAction, mut added: FileAction) -> Vec<FileChange> {
    let (before, after) = (removed.deletion_vector, added.deletion_vector.take());
    if before == after {
        return Vec::new();
    }
    let change = |kind, of: Option<_>, but| {
        of.map(|of| FileChange {
            action: added.clone(),
            kind,
            rows: ChangedRows::Of(of, but),
        })
    };
    let deleted = change(ChangeKind::Delete, after.clone(), before.clone());
    let restored = change(ChangeKind::Insert, before, after);
    deleted.into_iter().chain(restored).collect()
}

/// A MERGE that matched nothing may have written files anew all the same.
fn is_merge_without_changes(info: &Value) -> bool {
    const CHANGED: [&str; 3] = [
        "numTargetRowsInserted",
        "numTargetRowsUpdated",
        "numTargetRowsDeleted",
    ];
    let metrics = &info["operationMetrics"];
    info["operation"] == "MERGE" && CHANGED.iter().all(|rows| metrics[*rows] == "0")
}
