//! New versions of a table.

use std::collections::HashMap;

use dfd_delta::{Commit, CommitInfo, Error, Fields};
use dfd_runtime::Location;
use pyo3::exceptions::{PyFileExistsError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use serde_json::Value;

use crate::delta_log::ActiveFiles;
use crate::stage::Stage;
use crate::support::errors;
use crate::support::location::location;

/// What a commit says of its operation: anything with these attributes.
#[derive(FromPyObject)]
pub(crate) struct OperationInfo<'py> {
    operation: String,
    parameters: Bound<'py, PyMapping>,
    metrics: Bound<'py, PyMapping>,
    isolation_level: String,
    is_blind_append: bool,
    engine: String,
    operation_id: Option<String>,
    metadata: Bound<'py, PyMapping>,
    transactions: Vec<(String, i64)>,
}

impl OperationInfo<'_> {
    fn commit_info(&self) -> PyResult<CommitInfo> {
        Ok(CommitInfo {
            operation: self.operation.clone(),
            operation_parameters: fields(&self.parameters, json)?,
            isolation_level: self.isolation_level.clone(),
            is_blind_append: self.is_blind_append,
            operation_metrics: fields(&self.metrics, |value| Ok(value.str()?.to_string()))?,
            engine_info: self.engine.clone(),
            txn_id: self.operation_id.clone(),
            metadata: fields(&self.metadata, |value| value.extract::<String>())?,
        })
    }
}

/// The entries of a mapping in its order.
fn fields<V>(
    mapping: &Bound<'_, PyMapping>,
    convert: impl Fn(&Bound<'_, PyAny>) -> PyResult<V>,
) -> PyResult<Fields<V>> {
    let entries = mapping.items()?;
    let converted = entries.iter().map(|entry| {
        let (name, value): (String, Bound<'_, PyAny>) = entry.extract()?;
        Ok((name, convert(&value)?))
    });
    converted.collect::<PyResult<_>>().map(Fields)
}

fn json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let module = value.py().import("json")?;
    let text: String = module.call_method1("dumps", (value,))?.extract()?;
    serde_json::from_str(&text).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Commit staged files, and the removal of others, as the version after the one that was read.
#[pyfunction]
#[pyo3(signature = (
    uri, options, read_version, info, adds, removes, keeps_rows, has_in_commit_timestamp
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
    keeps_rows: bool,
    has_in_commit_timestamp: bool,
) -> PyResult<u64> {
    let commit = Commit {
        info: info.commit_info()?,
        table: None,
        transactions: info.transactions,
        removes: removes.as_ref().map(|files| &files.get().0),
        adds: adds.iter().flat_map(|stage| stage.get().adds()).collect(),
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
pub(crate) fn create_table(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    schema: &str,
    partition_by: Vec<String>,
    info: OperationInfo<'_>,
    adds: Vec<Py<Stage>>,
) -> PyResult<u64> {
    let definition = dfd_write::table_definition(schema, &partition_by);
    let commit = Commit {
        info: info.commit_info()?,
        table: Some(definition.map_err(|error| errors::stage(py, &error))?),
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
