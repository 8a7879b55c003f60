//! The files that a stage has begun, and what their add actions will say.

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dfd_delta::{Add, Fields};
use dfd_runtime::Location;
use futures::StreamExt;
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;
use crate::files::properties::Compression;
use crate::files::storage::{delete_if_exists, local_path, table_root};

/// Files that are removed at once.
const MAX_CONCURRENT_REQUESTS: usize = 32;

/// What is escaped in the path of an action, which is a URI (RFC 2396).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b'=')
    .remove(b'_')
    .remove(b'~');

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

impl AddFile {
    /// Its add action.
    pub fn action(&self) -> Add {
        Add {
            path: utf8_percent_encode(&self.path, ESCAPED).to_string(),
            partition_values: Fields(self.partition_values.clone()),
            size: self.size,
            modification_time: self.modification_time,
            stats: self.stats.clone(),
        }
    }
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

    /// The name of the file of this number that a writer begins. The stage's id is in every name, so that what a
    /// killed process left is known by it.
    pub(crate) fn name(&self, writer: usize, file: usize, compression: Compression) -> String {
        format!(
            "part-{writer:05}-{}-c{file:03}{}.parquet",
            self.stage_id,
            compression.suffix(),
        )
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

    /// Removes one of the files; one that can't be removed isn't forgotten.
    pub(crate) async fn remove_one(&self, path: &Path) -> Result<(), Error> {
        delete_if_exists(&self.location, path).await?;
        self.paths().retain(|known| known != path);
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::testing::{files_below, location};

    #[test]
    fn the_path_of_an_action_is_a_uri() {
        let file = AddFile {
            path: "größe=a%20b/x y~-_.parquet".to_owned(),
            size: 1,
            partition_values: vec![("größe".to_owned(), None)],
            modification_time: 2,
            stats: "{}".to_owned(),
            rows: 1,
        };
        let action = file.action();
        assert_eq!(action.path, "gr%C3%B6%C3%9Fe=a%2520b/x%20y~-_.parquet");
        assert_eq!(action.partition_values.0, file.partition_values);
    }

    #[test]
    fn files_are_removed_with_the_directories_that_they_leave_empty() {
        let directory = tempfile::tempdir().unwrap();
        let table = directory.path().join("table");
        let files = StageFiles::new(location(&table), "id".to_owned()).unwrap();
        let mut paths = Vec::new();
        for name in [
            "p=1/q=1/a.parquet",
            "p=1/b.parquet",
            "never-written.parquet",
        ] {
            paths.push(files.add(name).unwrap());
        }
        std::fs::create_dir_all(table.join("p=1/q=1")).unwrap();
        for name in ["p=1/q=1/a.parquet", "p=1/b.parquet"] {
            std::fs::write(table.join(name), "x").unwrap();
        }
        let removed = dfd_runtime::block_on(files.remove()).unwrap().unwrap();
        assert_eq!(removed, paths);
        files.remove_empty_directories(removed.iter());
        assert!(!table.exists());
        assert!(files.take().is_empty());
    }

    #[test]
    fn directories_with_files_of_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let files = StageFiles::new(location(directory.path()), "id".to_owned()).unwrap();
        let path = files.add("p=1/a.parquet").unwrap();
        std::fs::create_dir_all(directory.path().join("p=1")).unwrap();
        std::fs::write(directory.path().join("p=1/other.parquet"), "x").unwrap();
        files.remove_empty_directories([path].iter());
        assert_eq!(files_below(directory.path()), ["p=1/other.parquet"]);
    }

    #[test]
    fn files_that_were_taken_are_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let files = StageFiles::new(location(directory.path()), "id".to_owned()).unwrap();
        files.add("a.parquet").unwrap();
        std::fs::write(directory.path().join("a.parquet"), "x").unwrap();
        assert_eq!(files.take().len(), 1);
        assert!(
            dfd_runtime::block_on(files.remove())
                .unwrap()
                .unwrap()
                .is_empty()
        );
        assert_eq!(files_below(directory.path()), ["a.parquet"]);
    }
}
