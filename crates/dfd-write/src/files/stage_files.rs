//! The files that a stage has begun, and what their add actions will say.

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dfd_runtime::Location;
use futures::StreamExt;
use object_store::path::Path;

use crate::error::Error;
use crate::files::storage::{delete_if_exists, local_path, table_root};

/// Files that are removed at once.
const MAX_CONCURRENT_REQUESTS: usize = 32;

/// A file that is there and not in the table: what its add action says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddFile {
    /// Path of the file, relative to the table.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// The partition columns by their physical names, and their values as the log has them.
    pub partition_values: Vec<(String, Option<String>)>,
    /// When the file was made, in milliseconds since the epoch.
    pub modification_time: i64,
    /// Statistics as JSON.
    pub stats: String,
    /// Rows in the file.
    pub rows: u64,
}

/// The files that a stage has begun so far, which it removes unless they are released.
#[derive(Debug)]
pub(crate) struct StageFiles {
    location: Location,
    root: Path,
    stage_id: String,
    paths: Mutex<Vec<Path>>,
    /// Whether there was no directory of the table before: it is removed too, then.
    made_root: bool,
}

impl StageFiles {
    /// Begins with no file.
    pub(crate) fn new(location: Location, stage_id: String) -> Result<Self, Error> {
        let root = table_root(&location)?;
        let made_root = location.is_local()
            && local_path(location.url(), &root).is_ok_and(|path| !path.exists());
        Ok(Self {
            location,
            root,
            stage_id,
            paths: Mutex::default(),
            made_root,
        })
    }

    /// The id that is in the names of the files.
    pub(crate) fn stage_id(&self) -> &str {
        &self.stage_id
    }

    /// Where the table is.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Adds a file that will be at `path`, relative to the table; gives its path in the store.
    pub(crate) fn add(&self, path: &str) -> Result<Path, Error> {
        let in_store = Path::parse(format!("{}/{path}", self.root))
            .map_err(|_| Error::Inconsistent("a partition's directory is no path"))?;
        self.paths().push(in_store.clone());
        Ok(in_store)
    }

    /// Forgets all files, and gives their paths.
    pub(crate) fn take(&self) -> Vec<Path> {
        std::mem::take(&mut *self.paths())
    }

    /// Removes all files, and gives their paths; what can't be removed isn't forgotten.
    pub(crate) async fn remove(&self) -> Result<Vec<Path>, Error> {
        let paths = self.take();
        let removals = paths.iter().cloned().map(|path| {
            let location = self.location.clone();
            async move { delete_if_exists(&location, &path).await }
        });
        let outcomes: Vec<_> = futures::stream::iter(removals)
            .buffered(MAX_CONCURRENT_REQUESTS)
            .collect()
            .await;
        let mut first_error = None;
        for (path, outcome) in paths.iter().zip(outcomes) {
            if let Err(error) = outcome {
                self.paths().push(path.clone());
                first_error.get_or_insert(error);
            }
        }
        match first_error {
            Some(error) => Err(error),
            None => Ok(paths),
        }
    }

    /// Removes the directories of a disk in which nothing is left of these files.
    pub(crate) fn remove_empty_directories<'a>(&self, paths: impl Iterator<Item = &'a Path>) {
        if !self.location.is_local() {
            return;
        }
        let Ok(root) = local_path(self.location.url(), &self.root) else {
            return;
        };
        for path in paths {
            let Ok(file) = local_path(self.location.url(), path) else {
                continue;
            };
            let inside = file.ancestors().skip(1).take_while(|path| *path != root);
            for directory in inside {
                match std::fs::remove_dir(directory) {
                    Err(error) if error.kind() != ErrorKind::NotFound => break,
                    _ => {}
                }
            }
        }
        if self.made_root {
            let _has_others = std::fs::remove_dir(root);
        }
    }

    fn paths(&self) -> MutexGuard<'_, Vec<Path>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
