//! The file of a log that makes a table unreadable.
//!
//! delta_kernel reads a log as one stream of rows, and its errors don't say which file they come
//! from. So once a table couldn't be opened, the files that make its version are read one by one, until one
//! of them fails: the last checkpoint with its sidecars, and the commits after it.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use arrow::datatypes::{FieldRef, Schema};
use bytes::Bytes;
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::schema::StructType;
use deltalake_core::DeltaTableError;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::error::{Error, below, cast};
use crate::files::column_mapping::PHYSICAL_NAME;
use crate::files::log_values::partition_value;
use crate::snapshot::log_checks::{Checkpoint, Reason, actions, presence, syntax, text, types};
use dfd_runtime::Location;

/// The error with which the table at `location` can't be opened: of the file that it is about, where there is one.
///
/// `version` is the one that is wanted, None for the newest.
pub(super) async fn located(
    location: &Location,
    version: Option<u64>,
    source: DeltaTableError,
) -> Error {
    let newest = version.unwrap_or(u64::MAX);
    let fault = if may_be_of_a_file(&source, location) {
        LogFiles::list(location, newest).await
    } else {
        None
    };
    let fault = match fault {
        Some(files) => files.fault().await,
        None => None,
    };
    fault.unwrap_or_else(|| Error::table(location.url(), source))
}

/// Whether a file may be at fault, and not a store that doesn't answer, or who asks for what isn't there.
fn may_be_of_a_file(error: &DeltaTableError, location: &Location) -> bool {
    let is_answer = matches!(
        error,
        DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_)
    );
    let mut link: Option<&(dyn StdError + 'static)> = Some(error);
    let mut is_of_store = false;
    while let Some(error) = link {
        is_of_store |= cast::<object_store::Error>(error)
            .is_some_and(|error| !matches!(error, object_store::Error::NotFound { .. }));
        link = error.source();
    }
    !is_answer && (!is_of_store || location.is_local())
}

/// What makes a version: the files of the newest checkpoint before it, and the commits since.
struct LogFiles<'a> {
    location: &'a Location,
    log: Path,
    checkpoint: Vec<Path>,
    commits: BTreeMap<u64, Path>,
}

impl<'a> LogFiles<'a> {
    /// Those up to the version `newest`; None where they can't be listed.
    async fn list(location: &'a Location, newest: u64) -> Option<Self> {
        let root = Path::from_url_path(location.url().path()).ok()?;
        let log = root.join("_delta_log");
        let listed = location.store().list_with_delimiter(Some(&log));
        let listed = listed.await.ok()?;
        let mut commits = BTreeMap::new();
        let mut checkpoints: BTreeMap<u64, Vec<Path>> = BTreeMap::new();
        for path in listed.objects.into_iter().map(|found| found.location) {
            match path.filename().and_then(versioned) {
                Some((version, "json")) if version <= newest => {
                    commits.insert(version, path);
                }
                Some((version, kind)) if version <= newest && kind.starts_with("checkpoint.") => {
                    checkpoints.entry(version).or_default().push(path);
                }
                _ => {}
            }
        }
        let (checkpoint, commits) = match checkpoints.pop_last() {
            Some((version, files)) => (files, commits.split_off(&version.saturating_add(1))),
            None => (Vec::new(), commits),
        };
        Some(Self {
            location,
            log,
            checkpoint,
            commits,
        })
    }

    /// What is wrong with the first file that is wrong.
    async fn fault(self) -> Option<Error> {
        let schema = match self.schema_of_checkpoint().await {
            Ok(schema) => schema,
            Err(fault) => return Some(fault),
        };
        let mut commits = Vec::new();
        for path in self.commits.values() {
            match self.content(path).await {
                Ok(bytes) => commits.push((path, bytes)),
                Err(reason) => return Some(self.at(path, reason)),
            }
        }
        // First what no reader takes.
        for check in [syntax as fn(&[u8]) -> Result<(), Reason>, types] {
            for (path, bytes) in &commits {
                if let Err(reason) = check(bytes) {
                    return Some(self.at(path, reason));
                }
            }
        }
        self.bad_value(&commits, schema)
            .or_else(|| self.gap())
            .or_else(|| {
                let mut empty = commits.iter();
                let (path, reason) =
                    empty.find_map(|(path, bytes)| Some((path, presence(bytes).err()?)))?;
                Some(self.at(path, reason))
            })
    }

    fn at(&self, path: &Path, reason: Reason) -> Error {
        let root = self.location.url();
        Error::file(root, below(root, path.as_ref()), reason)
    }

    async fn content(&self, path: &Path) -> Result<Bytes, Reason> {
        let store: &dyn ObjectStore = self.location.store().as_ref();
        Ok(store.get(path).await?.bytes().await?)
    }

    /// Reads the checkpoint and its sidecars to their ends.
    async fn schema_of_checkpoint(&self) -> Result<Option<String>, Error> {
        let mut schema = None;
        let mut files = self.checkpoint.clone();
        while let Some(path) = files.pop() {
            let is_json = path.extension() == Some("json");
            let read = self.content(&path).await;
            let found = read
                .and_then(|bytes| Checkpoint::read(bytes, is_json))
                .map_err(|reason| self.at(&path, reason))?;
            schema = schema.or(found.schema);
            let sidecars = self.log.clone().join("_sidecars");
            let names = found.sidecars.into_iter();
            files.extend(names.map(|name| sidecars.clone().join(name)));
        }
        Ok(schema)
    }

    /// The first partition value that isn't one of its column's type.
    fn bad_value(&self, commits: &[(&Path, Bytes)], schema: Option<String>) -> Option<Error> {
        let newest = commits.iter().rev().find_map(|(_, bytes)| {
            let mut metadata = actions(bytes, "metaData");
            metadata.find_map(|metadata| text(&metadata, "schemaString"))
        });
        let schema: StructType = serde_json::from_str(&newest.or(schema)?).ok()?;
        let schema: Schema = (&schema).try_into_arrow().ok()?;
        let mut adds = commits.iter().flat_map(|(_, bytes)| actions(bytes, "add"));
        adds.find_map(|add| self.bad_value_in(&add, &schema))
    }

    fn bad_value_in(&self, add: &Value, schema: &Schema) -> Option<Error> {
        let path = text(add, "path")?;
        let mut values = add.get("partitionValues")?.as_object()?.iter();
        values.find_map(|(name, value)| {
            let is_named = |field: &&FieldRef| {
                let physical = field.metadata().get(PHYSICAL_NAME);
                field.name() == name || physical == Some(name)
            };
            let field = schema.fields().iter().find(is_named)?;
            let text = value.as_str();
            let is_bad = partition_value(text, field.data_type()).is_none();
            is_bad.then(|| Error::partition_value(self.location.url(), &path, field, text))
        })
    }

    /// The first commit that isn't there, and others after it are.
    fn gap(&self) -> Option<Error> {
        let mut versions = self.commits.keys().zip(self.commits.keys().skip(1));
        let (before, _) = versions.find(|(one, next)| *one + 1 != **next)?;
        let path = self.log.clone().join(format!("{:020}.json", before + 1));
        let reason = "the log goes on after it, and it isn't there".into();
        Some(self.at(&path, reason))
    }
}

/// The version in the name of a file of the log, and what comes after it.
fn versioned(name: &str) -> Option<(u64, &str)> {
    let (version, kind) = name.split_once('.')?;
    (version.len() == 20).then(|| Some((version.parse().ok()?, kind)))?
}
