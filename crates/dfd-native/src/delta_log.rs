//! The log of a table, as it is read: its files, its commits, and what it may ask for.

use std::collections::{BTreeMap, HashMap};

use dfd_delta::{At, Error, TableSnapshot};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::stage::Stage;
use crate::support::location::location;
use crate::support::{errors, polling};

/// Files of one version.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct ActiveFiles(pub(crate) dfd_delta::ActiveFiles);

#[pymethods]
impl ActiveFiles {
    #[getter]
    fn version(&self) -> u64 {
        self.0.version
    }

    #[getter]
    fn bytes(&self) -> i64 {
        self.0.bytes()
    }

    fn __len__(&self) -> usize {
        self.0.files.len()
    }

    /// The add actions as JSON.
    fn actions(&self, py: Python<'_>) -> PyResult<String> {
        let text = py.detach(|| serde_json::to_string(&self.0.files));
        text.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Those of these paths.
    fn only(&self, py: Python<'_>, paths: Vec<String>) -> PyResult<Self> {
        let found = polling::detached(py, || self.0.only(&paths));
        found.map(Self).map_err(|error| errors::table(py, &error))
    }
}

/// The files of a version, or those of its partitions that staged files are in.
#[pyfunction]
#[pyo3(signature = (uri, options, version=None, beside=None))]
pub(crate) fn active_files(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
    beside: Option<Py<Stage>>,
) -> PyResult<ActiveFiles> {
    let at = version.map_or(At::Newest, At::Version);
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> = polling::detached(py, || {
        let snapshot = dfd_runtime::block_on(TableSnapshot::open(location, at))??;
        match beside.as_ref().map(|stage| stage.get().files()) {
            Some(new) => {
                snapshot.active_files_beside(new.iter().map(|file| &*file.partition_values))
            }
            None => snapshot.active_files(),
        }
    });
    let found = found.map_err(|error| errors::table(py, &error))?;
    Ok(ActiveFiles(found))
}

/// Commits after a version, and the line of each that has its commitInfo.
#[pyfunction]
#[pyo3(signature = (uri, options, version, last=None))]
pub(crate) fn commits_since(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
    last: Option<u64>,
) -> PyResult<Vec<(u64, Option<String>)>> {
    let location = location(py, uri, &options)?;
    let found: Result<_, Error> =
        py.detach(|| dfd_runtime::block_on(dfd_delta::commits_since(&location, version, last))?);
    let found = found.map_err(|error| errors::table(py, &error))?;
    let commits = found.into_iter();
    Ok(commits
        .map(|commit| (commit.version, commit.info_line))
        .collect())
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
    let found: Result<_, Error> = polling::detached(py, || {
        dfd_runtime::block_on(async {
            let snapshot = TableSnapshot::open(location, At::Version(version)).await?;
            snapshot.misread_columns(predicate).await
        })?
    });
    found.map_err(|error| errors::table(py, &error))
}

/// The table features that any work honours, with the names of that work.
#[pyfunction]
pub(crate) fn table_features() -> Vec<(&'static str, Vec<&'static str>)> {
    let features = dfd_delta::table_features().iter();
    features
        .map(|(feature, by)| (*feature, by.iter().map(|work| work.name()).collect()))
        .collect()
}
