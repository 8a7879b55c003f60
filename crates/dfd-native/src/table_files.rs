//! Files and folders, as Python lists and reads them.

use std::collections::HashMap;

use dfd_delta::Error;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::support::location::location;
use crate::support::{errors, polling};

/// The paths of all files below a folder of a table, from the table's root.
#[pyfunction]
pub(crate) fn list_files(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    folder: &str,
) -> PyResult<Vec<String>> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(dfd_delta::list_files(&location, folder))?
    });
    found.map_err(|error| errors::table(py, &error))
}

/// The names of the folders right beneath one that are tables.
#[pyfunction]
pub(crate) fn tables_beneath(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
) -> PyResult<Vec<String>> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(dfd_delta::tables_beneath(&location))?
    });
    found.map_err(|error| errors::table(py, &error))
}

/// The version of a log's last checkpoint, and the commits since: how many, and their bytes.
#[pyfunction]
pub(crate) fn log_length(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
) -> PyResult<(Option<u64>, u64, u64)> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(dfd_delta::log_length(&location))?
    });
    let found = found.map_err(|error| errors::table(py, &error))?;
    Ok((found.checkpoint, found.commits, found.bytes))
}

/// Seconds and requests of opening the newest version, of which nothing is kept.
#[pyfunction]
pub(crate) fn opening_cost(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
) -> PyResult<(f64, u64)> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(dfd_delta::opening_cost(location))?
    });
    let found = found.map_err(|error| errors::table(py, &error))?;
    Ok((found.time.as_secs_f64(), found.requests))
}

/// The content of a file.
#[pyfunction]
pub(crate) fn read_file<'py>(
    py: Python<'py>,
    uri: &str,
    options: HashMap<String, String>,
    path: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let location = location(py, uri, &options)?;
    let read: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(dfd_delta::read_file(&location, path))?
    });
    let content = read.map_err(|error| errors::table(py, &error))?;
    Ok(PyBytes::new(py, &content))
}
