//! The files of a stage, and whose they are.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dfd_delta::Location;
use futures::StreamExt;
use object_store::path::Path;
use uuid::Uuid;

use crate::error::Error;
use crate::files::upload::on_disk;
use crate::lease::{Held, remove, root};
use crate::schema::requirements::Rules;

/// Files that are removed at once.
const AT_ONCE: usize = 32;

/// A file that is there and not in the table: what its add action says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Relative to the table.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// By physical name.
    pub partition_values: Vec<(String, Option<String>)>,
    /// In milliseconds since the epoch.
    pub modification_time: i64,
    /// Statistics as JSON.
    pub stats: String,
    /// How many there are.
    pub rows: u64,
}

/// What a stage has made so far, and has to remove unless it is released.
#[derive(Debug)]
pub struct Owned {
    location: Location,
    root: Path,
    id: String,
    lease: Held,
    paths: Mutex<Vec<Path>>,
    // A directory that wasn't there before is ours too.
    made_root: bool,
}

impl Owned {
    /// Begin to own: from now on the stage is known to others.
    pub async fn begin(location: Location) -> Result<Self, Error> {
        let id = Uuid::new_v4().to_string();
        let root = root(&location)?;
        let made_root =
            location.is_local() && on_disk(location.url(), &root).is_ok_and(|path| !path.exists());
        Ok(Self {
            lease: Held::begin(&location, &id).await?,
            location,
            root,
            id,
            paths: Mutex::default(),
            made_root,
        })
    }

    /// In the names of the files.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the table is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Own what will be at `path`, relative to the table.
    pub fn own(&self, path: &str) -> Result<Path, Error> {
        let full = Path::parse(format!("{}/{path}", self.root));
        let full = full.map_err(|_| Error::Inconsistent("a partition's directory is no path"))?;
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.push(full.clone());
        Ok(full)
    }

    fn taken(&self) -> Vec<Path> {
        std::mem::take(&mut self.paths.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remove all of it; what can't be removed is owned on.
    pub async fn remove(&self) -> Result<(), Error> {
        let paths = self.taken();
        let removals = paths.iter().cloned().map(|path| {
            let location = self.location.clone();
            async move { remove(&location, &path).await }
        });
        let removed: Vec<_> = futures::stream::iter(removals)
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut failed = None;
        for (path, outcome) in paths.iter().zip(removed) {
            if let Err(error) = outcome {
                let mut owned = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
                owned.push(path.clone());
                failed.get_or_insert(error);
            }
        }
        if let Some(error) = failed {
            // The lease stays, and tells whoever asks.
            return Err(error);
        }
        self.lease.give_up(&self.location).await?;
        self.remove_directories(&paths);
        Ok(())
    }

    /// Let others have it.
    pub async fn release(&self) -> Result<(), Error> {
        self.taken();
        self.lease.give_up(&self.location).await?;
        self.remove_directories(&[]);
        Ok(())
    }

    /// Directories of a disk that nothing is left in.
    fn remove_directories(&self, paths: &[Path]) {
        if !self.location.is_local() {
            return;
        }
        let Ok(root) = on_disk(self.location.url(), &self.root) else {
            return;
        };
        for path in paths.iter().chain([self.lease.path()]) {
            let Ok(file) = on_disk(self.location.url(), path) else {
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
}

/// Files that were written and not committed. Dropping it removes them, unless they were released.
#[derive(Debug)]
pub struct StagedFiles {
    owned: Arc<Owned>,
    rules: Arc<Rules>,
    added: Vec<Added>,
    metrics: BTreeMap<&'static str, f64>,
    is_settled: AtomicBool,
}

impl StagedFiles {
    pub(crate) fn new(
        owned: Arc<Owned>,
        rules: Arc<Rules>,
        added: Vec<Added>,
        metrics: BTreeMap<&'static str, f64>,
    ) -> Self {
        Self {
            owned,
            rules,
            added,
            metrics,
            is_settled: AtomicBool::new(false),
        }
    }

    /// In the names of the files.
    pub fn id(&self) -> &str {
        self.owned.id()
    }

    /// What the rows follow.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The files.
    pub fn added(&self) -> &[Added] {
        &self.added
    }

    /// What it took.
    pub fn metrics(&self) -> &BTreeMap<&'static str, f64> {
        &self.metrics
    }

    /// The files belong to the table: they are never removed.
    ///
    /// # Errors
    /// The lease can't be removed; the files are released all the same.
    pub async fn release(&self) -> Result<(), Error> {
        if self.is_settled.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.owned.release().await
    }

    /// Remove the files, unless they were released.
    ///
    /// # Errors
    /// Some can't be removed; the next call tries again.
    pub async fn discard(&self) -> Result<(), Error> {
        if self.is_settled.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let removed = self.owned.remove().await;
        if removed.is_err() {
            self.is_settled.store(false, Ordering::SeqCst);
        }
        removed
    }
}

impl Drop for StagedFiles {
    fn drop(&mut self) {
        if !self.is_settled.load(Ordering::SeqCst) {
            // Nobody is there to be told: the lease of what stays tells.
            let _left = dfd_delta::block_on(self.discard());
        }
    }
}
