//! The log of a table: its files, and new versions.

use std::collections::{BTreeMap, HashMap};

use dfd_delta::{At, Error, TableSnapshot};
use pyo3::exceptions::PyFileExistsError;
use pyo3::prelude::*;

use crate::support::errors;
use crate::support::location::location;

/// The version, and the add actions as JSON.
#[pyfunction]
#[pyo3(signature = (uri, options, version=None))]
pub(crate) fn active_files(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
) -> PyResult<(u64, String)> {
    let at = version.map_or(At::Newest, At::Version);
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = py.detach(|| {
        let snapshot = dfd_runtime::block_on(TableSnapshot::open(location, at))??;
        Ok((snapshot.version(), snapshot.active_files()?))
    });
    found.map_err(|error| errors::table(py, &error))
}

/// The columns that deltalake misreads in files of a version that may match a condition, and why.
#[pyfunction]
pub(crate) fn misread_columns(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    predicate: Option<&str>,
) -> PyResult<BTreeMap<String, String>> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = py.detach(|| {
        dfd_runtime::block_on(async {
            let snapshot = TableSnapshot::open(location, At::Version(version)).await?;
            snapshot.misread_columns(predicate).await
        })?
    });
    found.map_err(|error| errors::table(py, &error))
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
    let put =
        py.detach(|| dfd_runtime::block_on(dfd_delta::put_commit(&location, version, actions))?);
    match put {
        Ok(true) => Ok(()),
        Ok(false) => Err(PyFileExistsError::new_err(format!(
            "version {version} of the Delta table at {} is taken",
            location.url()
        ))),
        Err(error @ Error::Commit { .. }) => Err(errors::commit(py, &error)),
        Err(error) => Err(errors::table(py, &error)),
    }
}
