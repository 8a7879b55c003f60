//! New versions of a table.

use std::collections::HashMap;

use dfd_delta::{At, Commit, Error, TableSnapshot};
use dfd_runtime::Location;
use pyo3::exceptions::PyFileExistsError;
use pyo3::prelude::*;

use crate::delta_log::ActiveFiles;
use crate::descriptions::{Description, OperationInfo};
use crate::row_change::{MarkedFiles, state};
use crate::stage::{Stage, run};
use crate::support::location::location;
use crate::support::{abi_check, errors, polling};

/// What a commit makes of the table itself.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct DefinitionChange(dfd_delta::DefinitionChange);

#[pymethods]
impl DefinitionChange {
    /// Whether it changes nothing.
    #[getter]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The change by which a version of a table gets properties; those without a value go.
#[pyfunction]
pub(crate) fn change_properties(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    properties: Vec<(String, Option<String>)>,
) -> PyResult<DefinitionChange> {
    abi_check::check(py)?;
    let (location, state) = (location(py, uri, &options)?, state()?);
    let work = |cancellation| {
        dfd_write::change_properties(location, version, properties, state, cancellation)
    };
    run(py, work, None).map(DefinitionChange)
}

/// The change by which a version of a table gets columns: `columns` is a schema in the JSON of Delta's log.
#[pyfunction]
pub(crate) fn add_columns(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    columns: String,
) -> PyResult<DefinitionChange> {
    abi_check::check(py)?;
    let location = location(py, uri, &options)?;
    let work = |_| dfd_write::add_columns(location, version, columns);
    run(py, work, None).map(DefinitionChange)
}

/// What takes a table back to an older version.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct Restore(dfd_delta::Restore);

#[pymethods]
impl Restore {
    /// Whether it changes nothing.
    #[getter]
    fn is_empty(&self) -> bool {
        self.0.definition.is_empty() && self.0.removes.files.is_empty() && self.0.adds.is_empty()
    }

    /// Files that would come back and aren't there any more.
    #[getter]
    fn missing(&self) -> Vec<String> {
        self.0.missing.clone()
    }

    /// Counts of files and bytes, as Delta-Spark names them.
    #[getter]
    fn metrics(&self) -> [(&'static str, i64); 6] {
        let count = |files: usize| i64::try_from(files).unwrap_or(i64::MAX);
        let (removes, adds) = (&self.0.removes, &self.0.adds);
        [
            ("tableSizeAfterRestore", self.0.bytes),
            ("numOfFilesAfterRestore", count(self.0.files)),
            ("numRemovedFiles", count(removes.files.len())),
            ("numRestoredFiles", count(adds.len())),
            ("removedFilesSize", removes.bytes()),
            (
                "restoredFilesSize",
                adds.iter().map(|add| add.file.size).sum(),
            ),
        ]
    }
}

/// What takes a table from one version back to another.
#[pyfunction]
pub(crate) fn plan_restore(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    read_version: u64,
    version: u64,
) -> PyResult<Restore> {
    let location = location(py, uri, &options)?;
    let planned: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(async {
            let now = TableSnapshot::open(location.clone(), At::Version(read_version)).await?;
            let then = TableSnapshot::open(location, At::Version(version)).await?;
            now.restored_to(&then).await
        })?
    });
    planned
        .map(Restore)
        .map_err(|error| errors::table(py, &error))
}

/// Commit staged files and other changes as the version after the one that was read.
#[pyfunction]
#[pyo3(signature = (
    uri, options, read_version, info, adds, removes, marked, restore, definition, keeps_rows,
    has_in_commit_timestamp
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn commit_files(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    read_version: u64,
    info: OperationInfo<'_>,
    adds: Vec<Py<Stage>>,
    removes: Option<Py<ActiveFiles>>,
    marked: Option<Py<MarkedFiles>>,
    restore: Option<Py<Restore>>,
    definition: Option<Py<DefinitionChange>>,
    keeps_rows: bool,
    has_in_commit_timestamp: bool,
) -> PyResult<u64> {
    let restore = restore.as_ref().map(|restore| &restore.get().0);
    let removes = removes.as_ref().map(|files| &files.get().0);
    let marked = marked.as_ref().map(|files| files.get().0.as_slice());
    let definition = definition.as_ref().map(|definition| &definition.get().0);
    let mut staged = adds.iter().map(|stage| stage.get().definition());
    let definition = definition
        .or(restore.map(|restore| &restore.definition))
        .or(staged.find(|change| !change.is_empty()));
    let commit = Commit {
        info: info.commit_info()?,
        definition: definition.cloned().unwrap_or_default(),
        transactions: info.transactions,
        removes: removes.or(restore.map(|restore| &restore.removes)),
        adds: adds.iter().flat_map(|stage| stage.get().adds()).collect(),
        changes: adds
            .iter()
            .flat_map(|stage| stage.get().changes())
            .collect(),
        existing: marked
            .or(restore.map(|restore| &*restore.adds))
            .unwrap_or_default(),
        keeps_rows,
        has_in_commit_timestamp,
    };
    put(
        py,
        &location(py, uri, &options)?,
        Some(read_version),
        &commit,
    )
}

/// Make a table of a schema, with staged files, by its version 0.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub(crate) fn create_table(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    schema: &str,
    partition_by: Vec<String>,
    description: Description,
    info: OperationInfo<'_>,
    adds: Vec<Py<Stage>>,
) -> PyResult<u64> {
    let description = description.of_table();
    let definition = dfd_write::table_definition(schema, &partition_by, &description);
    let commit = Commit {
        info: info.commit_info()?,
        definition: definition.map_err(|error| errors::stage(py, &error))?,
        transactions: info.transactions,
        adds: adds.iter().flat_map(|stage| stage.get().adds()).collect(),
        ..Commit::default()
    };
    put(py, &location(py, uri, &options)?, None, &commit)
}

fn put(
    py: Python<'_>,
    location: &Location,
    read_version: Option<u64>,
    commit: &Commit<'_>,
) -> PyResult<u64> {
    let put: Result<_, Error> =
        py.detach(|| dfd_runtime::block_on(dfd_delta::commit(location, read_version, commit))?);
    let version = put.map_err(|error| failed(py, &error))?;
    let next = read_version.map_or(0, |version| version + 1);
    version.ok_or_else(|| taken(location, next))
}

/// Put a version into the log, unless it is there.
#[pyfunction]
pub(crate) fn commit(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    actions: &[u8],
) -> PyResult<()> {
    let location = location(py, uri, &options)?;
    let actions = actions.to_vec();
    let put: Result<_, Error> =
        py.detach(|| dfd_runtime::block_on(dfd_delta::put_commit(&location, version, actions))?);
    match put.map_err(|error| failed(py, &error))? {
        true => Ok(()),
        false => Err(taken(&location, version)),
    }
}

fn taken(location: &Location, version: u64) -> PyErr {
    PyFileExistsError::new_err(format!(
        "version {version} of the Delta table at {} is taken",
        location.url()
    ))
}

fn failed(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Commit { .. } => errors::commit(py, error),
        Error::Log { .. } => errors::invalid_commit(py, error),
        error => errors::table(py, error),
    }
}
