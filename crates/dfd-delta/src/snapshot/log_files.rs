//! The files of a log that make a version: the last checkpoint with its sidecars, and the commits after it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use delta_kernel::schema::StructType;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::{Error, below};
use crate::log::commit_file::log_path;
use crate::log::listing::LogListing;
use crate::overlay_store::OverlayStore;
use crate::snapshot::log_checks::{Checkpoint, Reason, actions, text};
use crate::snapshot::log_mend::{Rules, mended};
use dfd_runtime::Location;

/// Files that are read at a time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The names of the files that make a version.
pub(super) struct LogNames<'a> {
    location: &'a Location,
    log: Path,
    checkpoint: Vec<Path>,
    compactions: Vec<Path>,
    commits: BTreeMap<u64, Path>,
    hints: Vec<Path>,
}

impl<'a> LogNames<'a> {
    /// Those up to the version `newest`; None where they can't be listed.
    pub(super) async fn list(location: &'a Location, newest: u64) -> Option<Self> {
        let log = log_path(location).ok()?;
        let mut listing = LogListing::read(location).await.ok()?;
        let after = newest.checked_add(1);
        if let Some(after) = after {
            listing.commits.split_off(&after);
            listing.checkpoints.split_off(&after);
        }
        let commits = listing.commits.into_iter();
        let mut commits: BTreeMap<_, _> = commits
            .map(|(version, file)| (version, file.location))
            .collect();
        let (checkpoint, commits) = match listing.checkpoints.pop_last() {
            Some((version, files)) => (files, commits.split_off(&version.saturating_add(1))),
            None => (Vec::new(), commits),
        };
        Some(Self {
            location,
            log,
            checkpoint,
            compactions: listing.compactions,
            commits,
            hints: listing.hints,
        })
    }

    /// Reads the files to their ends.
    ///
    /// # Errors
    /// A file isn't there, can't be read, or isn't of its format.
    pub(super) async fn read(self) -> Result<LogFiles<'a>, Error> {
        let Self { location, log, .. } = &self;
        let checkpoint = read_all(location, self.checkpoint.iter().cloned()).await?;
        let (mut names, mut schema) = (Vec::new(), None);
        for file in &checkpoint {
            let found = file.as_checkpoint(location)?;
            names.extend(found.sidecars);
            schema = schema.or(found.schema);
        }
        let folder = log.clone().join("_sidecars");
        let names = names.into_iter().map(|name| folder.clone().join(name));
        let sidecars = read_all(location, names).await?;
        for file in &sidecars {
            file.as_checkpoint(location)?;
        }
        let compactions = read_all(location, self.compactions.iter().cloned()).await?;
        let commits = read_all(location, self.commits.values().cloned()).await?;
        Ok(LogFiles {
            location,
            log: self.log,
            sidecars,
            checkpoint,
            compactions,
            commits: self.commits.into_keys().zip(commits).collect(),
            checkpoint_schema: schema,
            hints: self.hints,
        })
    }
}

async fn read_all(
    location: &Location,
    paths: impl Iterator<Item = Path>,
) -> Result<Vec<LogFile>, Error> {
    let reads = paths.map(|path| LogFile::read(location, path));
    let reads = futures::stream::iter(reads.collect::<Vec<_>>());
    reads.buffered(MAX_CONCURRENT_REQUESTS).try_collect().await
}

/// A file of a log.
pub(super) struct LogFile {
    meta: ObjectMeta,
    content: Bytes,
    is_mended: bool,
}

impl LogFile {
    async fn read(location: &Location, path: Path) -> Result<Self, Error> {
        let store: &dyn ObjectStore = location.store().as_ref();
        let read = async {
            let found = store.get(&path).await?;
            let meta = found.meta.clone();
            Ok::<_, object_store::Error>((meta, found.bytes().await?))
        };
        let (meta, content) = read.await.map_err(|error| at(location, &path, error))?;
        Ok(Self {
            meta,
            content,
            is_mended: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.meta.location
    }

    pub(super) fn content(&self) -> &Bytes {
        &self.content
    }

    fn is_json(&self) -> bool {
        self.path().extension() == Some("json")
    }

    fn as_checkpoint(&self, location: &Location) -> Result<Checkpoint, Error> {
        let found = Checkpoint::read(self.content.clone(), self.is_json());
        found.map_err(|reason| at(location, self.path(), reason))
    }

    fn mend(&mut self, rules: &Rules) {
        if let Some(content) = mended(&self.content, self.is_json(), rules) {
            self.content = content;
            self.is_mended = true;
        }
    }
}

/// The error of a file of the log.
fn at(location: &Location, path: &Path, reason: impl Into<Reason>) -> Error {
    let root = location.url();
    Error::file(root, below(root, path.as_ref()), reason)
}

/// The files that make a version.
pub(super) struct LogFiles<'a> {
    location: &'a Location,
    log: Path,
    sidecars: Vec<LogFile>,
    checkpoint: Vec<LogFile>,
    compactions: Vec<LogFile>,
    commits: BTreeMap<u64, LogFile>,
    checkpoint_schema: Option<String>,
    hints: Vec<Path>,
}

impl LogFiles<'_> {
    pub(super) fn location(&self) -> &Location {
        self.location
    }

    pub(super) fn commits(&self) -> &BTreeMap<u64, LogFile> {
        &self.commits
    }

    pub(super) fn commit_path(&self, version: u64) -> Path {
        self.log.clone().join(format!("{version:020}.json"))
    }

    pub(super) fn at(&self, path: &Path, reason: impl Into<Reason>) -> Error {
        at(self.location, path, reason)
    }

    /// The table's schema, as the newest metadata has it.
    pub(super) fn schema(&self) -> Option<StructType> {
        let in_commits = self.commits.values().rev().find_map(|commit| {
            let metadata = actions(&commit.content, "metaData");
            let schemas = metadata.filter_map(|metadata| text(&metadata, "schemaString"));
            schemas.last()
        });
        let schema = in_commits.or_else(|| self.checkpoint_schema.clone())?;
        serde_json::from_str(&schema).ok()
    }

    /// Gives the files the form that delta_kernel takes; the store that has them so, or None where they had it.
    ///
    /// That store has none of the hints, which delta_kernel takes for promises: they may be of
    /// checkpoints and versions that aren't there, and tell of other sizes than the mended files'.
    pub(super) async fn mend(&mut self) -> Option<Arc<dyn ObjectStore>> {
        dfd_runtime::blocking(|| self.mend_files());
        let all = self.sidecars.iter().chain(&self.checkpoint);
        let all = all.chain(&self.compactions).chain(self.commits.values());
        let mended = all.filter(|file| file.is_mended);
        let mended: Vec<_> = mended
            .map(|file| (file.meta.clone(), file.content.clone()))
            .collect();
        if mended.is_empty() && self.hints.is_empty() {
            return None;
        }
        let hidden: HashSet<_> = self.hints.iter().cloned().collect();
        let store = Arc::clone(self.location.store());
        let store = OverlayStore::new(store, mended, hidden).await.ok()?;
        Some(Arc::new(store))
    }

    fn mend_files(&mut self) {
        let schema = self.schema();
        let rules = schema.map_or_else(Rules::default, |schema| Rules::of(&schema));
        for file in &mut self.sidecars {
            file.mend(&rules);
        }
        let sidecars = self.sidecars.iter().filter(|file| file.is_mended);
        let sizes = sidecars.filter_map(|file| {
            let name = file.path().filename()?.to_owned();
            Some((name, file.content.len() as u64))
        });
        let rules = rules.with_sidecars(sizes.collect());
        let others = self.checkpoint.iter_mut().chain(&mut self.compactions);
        for file in others.chain(self.commits.values_mut()) {
            file.mend(&rules);
        }
    }
}
