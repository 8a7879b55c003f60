//! The files of a stage, until they are the table's or are removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dfd_runtime::Location;
use uuid::Uuid;

use crate::error::Error;
use crate::files::stage_files::{AddFile, StageFiles};
use crate::lease::StageLease;
use crate::schema::requirements::WriteRequirements;

/// A stage that others know of by its lease, and its files so far.
#[derive(Debug)]
pub(crate) struct OpenStage {
    files: Arc<StageFiles>,
    lease: StageLease,
}

impl OpenStage {
    /// Begins a stage: from now on others know of it.
    pub(crate) async fn begin(location: Location) -> Result<Self, Error> {
        let stage_id = Uuid::new_v4().to_string();
        let files = Arc::new(StageFiles::new(location, stage_id)?);
        let lease = StageLease::begin(files.location(), files.stage_id()).await?;
        Ok(Self { files, lease })
    }

    /// The files of the stage.
    pub(crate) fn files(&self) -> &Arc<StageFiles> {
        &self.files
    }

    /// Removes all files. Where one can't be removed the lease stays, and tells whoever asks.
    pub(crate) async fn remove(&self) -> Result<(), Error> {
        let removed = self.files.remove().await?;
        self.lease.give_up(self.files.location()).await?;
        self.files
            .remove_empty_directories(removed.iter().chain([self.lease.path()]));
        Ok(())
    }

    /// Leaves all files to the table.
    pub(crate) async fn release(&self) -> Result<(), Error> {
        self.files.take();
        self.lease.give_up(self.files.location()).await?;
        self.files
            .remove_empty_directories([self.lease.path()].into_iter());
        Ok(())
    }
}

/// Files that were written and not committed. Dropping it removes them, unless they were released.
#[derive(Debug)]
pub struct StagedFiles {
    stage: OpenStage,
    requirements: Arc<WriteRequirements>,
    added: Vec<AddFile>,
    changes: Vec<AddFile>,
    metrics: BTreeMap<&'static str, f64>,
    /// Whether the files were released or removed.
    is_closed: AtomicBool,
}

impl StagedFiles {
    pub(crate) fn new(
        stage: OpenStage,
        requirements: Arc<WriteRequirements>,
        added: Vec<AddFile>,
        metrics: BTreeMap<&'static str, f64>,
    ) -> Self {
        Self {
            stage,
            requirements,
            added,
            changes: Vec::new(),
            metrics,
            is_closed: AtomicBool::new(false),
        }
    }

    /// The same with files of the rows that change.
    pub(crate) fn with_changes(mut self, changes: Vec<AddFile>) -> Self {
        self.changes = changes;
        self
    }

    /// The id that is in the names of the files.
    pub fn id(&self) -> &str {
        self.stage.files().stage_id()
    }

    /// The files that are removed unless they are released.
    pub(crate) fn files(&self) -> &Arc<StageFiles> {
        self.stage.files()
    }

    /// What the table asked of the files.
    pub fn requirements(&self) -> &WriteRequirements {
        &self.requirements
    }

    /// The files.
    pub fn added(&self) -> &[AddFile] {
        &self.added
    }

    /// The files of the rows that change, for readers of changes.
    pub fn changes(&self) -> &[AddFile] {
        &self.changes
    }

    /// Counts and durations of the work, by name.
    pub fn metrics(&self) -> &BTreeMap<&'static str, f64> {
        &self.metrics
    }

    /// Leaves the files to the table: they are never removed.
    ///
    /// # Errors
    /// The lease can't be removed; the files are released all the same.
    pub async fn release(&self) -> Result<(), Error> {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.stage.release().await
    }

    /// Removes the files, unless they were released.
    ///
    /// # Errors
    /// Some can't be removed; the next call tries again.
    pub async fn discard(&self) -> Result<(), Error> {
        if self.is_closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let removed = self.stage.remove().await;
        if removed.is_err() {
            self.is_closed.store(false, Ordering::SeqCst);
        }
        removed
    }
}

impl Drop for StagedFiles {
    fn drop(&mut self) {
        if !self.is_closed.load(Ordering::SeqCst) {
            // Nobody is there to be told: the lease of what stays tells.
            let _left = dfd_runtime::block_on(self.discard());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::Settings;
    use crate::testing::{batch, files_below, int64s, stage_into, texts};

    fn staged(directory: &Path) -> StagedFiles {
        let rows = batch(vec![
            ("a", int64s([Some(1), Some(2)])),
            ("p", texts([Some("x"), Some("y")])),
        ]);
        let settings = Settings {
            partition_by: Some(vec!["p".to_owned()]),
            ..Settings::default()
        };
        stage_into(directory, vec![rows], settings).unwrap()
    }

    #[test]
    fn dropping_it_removes_files_lease_and_directories() {
        let directory = tempfile::tempdir().unwrap();
        let table = directory.path().join("table");
        let files = staged(&table);
        assert_eq!(files_below(&table).len(), 3);
        drop(files);
        assert!(!table.exists());
    }

    #[test]
    fn releasing_it_keeps_the_files_alone() {
        let directory = tempfile::tempdir().unwrap();
        let files = staged(directory.path());
        let paths: Vec<_> = files.added().iter().map(|file| file.path.clone()).collect();
        dfd_runtime::block_on(files.release()).unwrap().unwrap();
        // Later calls do nothing.
        dfd_runtime::block_on(files.discard()).unwrap().unwrap();
        drop(files);
        assert_eq!(files_below(directory.path()), paths);
    }

    #[test]
    fn what_cannot_be_removed_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = staged(directory.path());
        let path = directory.path().join(&files.added()[0].path);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), "x").unwrap();
        assert!(dfd_runtime::block_on(files.discard()).unwrap().is_err());
        assert_eq!(files_below(directory.path()).len(), 2);
        std::fs::remove_dir_all(&path).unwrap();
        dfd_runtime::block_on(files.discard()).unwrap().unwrap();
        assert!(files_below(directory.path()).is_empty());
    }
}
