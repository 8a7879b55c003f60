//! What a statement tells of what it did.

use std::collections::BTreeMap;

use crate::changes::statement::Statement;

/// Counts of rows, files and deletion vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) source_rows: u64,
    pub(crate) deleted_rows: u64,
    pub(crate) updated_rows: u64,
    pub(crate) inserted_rows: u64,
    pub(crate) copied_rows: u64,
    pub(crate) added_files: u64,
    pub(crate) removed_files: u64,
    pub(crate) added_change_files: u64,
    pub(crate) vectors_added: u64,
    pub(crate) vectors_updated: u64,
    pub(crate) vectors_removed: u64,
}

impl Counts {
    /// The counts by their names, which are Delta-Spark's in the other case of letters.
    pub(crate) fn of(&self, statement: &Statement) -> BTreeMap<&'static str, u64> {
        let mut metrics = match statement {
            Statement::Merge(_) => return self.of_merge(),
            Statement::Delete { .. } => BTreeMap::from([("num_deleted_rows", self.deleted_rows)]),
            Statement::Update { .. } => BTreeMap::from([("num_updated_rows", self.updated_rows)]),
        };
        metrics.extend([
            ("num_copied_rows", self.copied_rows),
            ("num_added_files", self.added_files),
            ("num_removed_files", self.removed_files),
            ("num_added_change_files", self.added_change_files),
            ("num_deletion_vectors_added", self.vectors_added),
            ("num_deletion_vectors_updated", self.vectors_updated),
            ("num_deletion_vectors_removed", self.vectors_removed),
        ]);
        metrics
    }

    fn of_merge(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("num_source_rows", self.source_rows),
            ("num_target_rows_inserted", self.inserted_rows),
            ("num_target_rows_updated", self.updated_rows),
            ("num_target_rows_deleted", self.deleted_rows),
            ("num_target_rows_copied", self.copied_rows),
            (
                "num_output_rows",
                self.inserted_rows + self.updated_rows + self.copied_rows,
            ),
            ("num_target_files_added", self.added_files),
            ("num_target_files_removed", self.removed_files),
            ("num_target_change_files_added", self.added_change_files),
            ("num_target_deletion_vectors_added", self.vectors_added),
            ("num_target_deletion_vectors_updated", self.vectors_updated),
            ("num_target_deletion_vectors_removed", self.vectors_removed),
        ])
    }
}
