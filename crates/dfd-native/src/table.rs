//! Snapshots of Delta tables as table providers of a DataFusion session.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::table_provider::FFI_TableProvider;
use dfd_delta::{At, DeltaTableProvider, Error, FilterCodec, QueryVersions, TableSnapshot};
use dfd_runtime::Location;
use futures::future::try_join_all;
use pyo3::exceptions::PyDeprecationWarning;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tokio::runtime::Handle;

use crate::support::arrow_export::schema_capsule;
use crate::support::{abi_check, errors, foreign_session, polling};

/// One version of a Delta table; exports `__datafusion_table_provider__`.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct DeltaTable {
    snapshot: Arc<TableSnapshot>,
    schema: SchemaRef,
}

impl DeltaTable {
    /// What is read.
    pub(crate) fn snapshot(&self) -> &Arc<TableSnapshot> {
        &self.snapshot
    }
}

#[pymethods]
impl DeltaTable {
    /// The version of the table.
    #[getter]
    fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// Always None: every table is scanned from its snapshot's files. Deprecated.
    #[getter]
    fn fallback(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let message = c"`DeltaTable.fallback` is always None now; it goes with the next release.";
        PyErr::warn(py, &py.get_type::<PyDeprecationWarning>(), message, 1)?;
        Ok(None)
    }

    /// The newest version, or None when this is it.
    fn refreshed(slf: Py<Self>, py: Python<'_>) -> PyResult<Option<Self>> {
        Ok(refreshed(py, vec![slf])?.pop().flatten())
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        schema_capsule(py, &self.schema)
    }

    /// The commits, newest first.
    fn history(&self, py: Python<'_>) -> PyResult<LogTable> {
        LogTable::made(py, || {
            dfd_runtime::block_on(dfd_delta::history(&self.snapshot))?
        })
    }

    /// The files.
    fn files(&self, py: Python<'_>) -> PyResult<LogTable> {
        LogTable::made(py, || dfd_delta::files(&self.snapshot))
    }

    /// The changes of the versions from `first` to `last`, both included.
    #[pyo3(signature = (first, last=None))]
    fn changes(&self, py: Python<'_>, first: u64, last: Option<u64>) -> PyResult<LogTable> {
        LogTable::made(py, || {
            let changes = dfd_runtime::block_on(self.snapshot.changes(first, last))?;
            changes.map(DeltaTableProvider::opaque)
        })
    }

    fn __datafusion_table_provider__<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let provider = DeltaTableProvider::opaque(Arc::clone(&self.snapshot));
        exported(py, session, Arc::new(provider))
    }

    fn __repr__(&self) -> String {
        format!(
            "<DeltaTable {} version {}>",
            self.snapshot.location().url(),
            self.snapshot.version()
        )
    }
}

/// `provider` for the session of another library.
fn exported<'py>(
    py: Python<'py>,
    session: &Bound<'py, PyAny>,
    provider: Arc<dyn TableProvider>,
) -> PyResult<Bound<'py, PyCapsule>> {
    abi_check::check(py)?;
    let handle = dfd_runtime::handle().map_err(|error| errors::table(py, &error))?;
    let codec = exported_codec(session, &handle)?;
    let exported = FFI_TableProvider::new_with_ffi_codec(provider, true, Some(handle), codec);
    PyCapsule::new_with_value(py, exported, c"datafusion_table_provider")
}

/// The codec with which tables of dfd's read what `session` wants of them; a capsule may stand for the session.
pub(crate) fn exported_codec(
    session: &Bound<'_, PyAny>,
    handle: &Handle,
) -> PyResult<FFI_LogicalExtensionCodec> {
    let codec = FilterCodec::new((&foreign_session::logical_codec(session)?).into());
    let context = dfd_runtime::task_context_provider();
    let handle = Some(handle.clone());
    Ok(FFI_LogicalExtensionCodec::new(
        Arc::new(codec),
        handle,
        &context,
    ))
}

/// What the log says beside the rows; exports `__datafusion_table_provider__`.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct LogTable(Arc<dyn TableProvider>);

impl LogTable {
    pub(crate) fn made<T: TableProvider + 'static>(
        py: Python<'_>,
        work: impl FnOnce() -> Result<T, Error> + Send,
    ) -> PyResult<Self> {
        let table = polling::detached(py, work);
        let table = table.map_err(|error| errors::table(py, &error))?;
        Ok(Self(Arc::new(table)))
    }
}

#[pymethods]
impl LogTable {
    fn __datafusion_table_provider__<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        exported(py, session, Arc::clone(&self.0))
    }
}

impl From<Arc<TableSnapshot>> for DeltaTable {
    fn from(snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            schema: Arc::clone(snapshot.schema()),
            snapshot,
        }
    }
}

/// The newest version of each table, or None where that is it; all logs are looked at at once.
#[pyfunction]
pub(crate) fn refreshed(
    py: Python<'_>,
    tables: Vec<Py<DeltaTable>>,
) -> PyResult<Vec<Option<DeltaTable>>> {
    let snapshots: Vec<_> = tables
        .iter()
        .map(|table| Arc::clone(&table.get().snapshot))
        .collect();
    let found: Result<Vec<_>, Error> = polling::detached(py, || {
        let looks = snapshots.iter().map(|snapshot| snapshot.refreshed());
        dfd_runtime::block_on(try_join_all(looks))?
    });
    let newer = found.map_err(|error| errors::table(py, &error))?;
    Ok(newer
        .into_iter()
        .map(|snapshot| snapshot.map(DeltaTable::from))
        .collect())
}

/// Open a table: the newest version, or that of a number or a time; `in_query`, the newest is the version
/// that the query of this thread reads.
#[pyfunction]
#[pyo3(signature = (uri, options, version=None, timestamp=None, profile=None, in_query=false))]
pub(crate) fn delta_table(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
    timestamp: Option<DateTime<Utc>>,
    profile: Option<&str>,
    in_query: bool,
) -> PyResult<DeltaTable> {
    abi_check::check(py)?;
    let at = match (version, timestamp) {
        (Some(version), _) => At::Version(version),
        (None, Some(time)) => At::Time(time),
        (None, None) => At::Newest,
    };
    let query = QueryVersions::current().filter(|_| in_query && at == At::Newest);
    let opened: Result<_, Error> = polling::detached(py, || {
        let location = Location::try_new(uri, &options, profile)?;
        match query {
            Some(query) => dfd_runtime::block_on(query.open(location))?,
            None => dfd_runtime::block_on(TableSnapshot::open(location, at))?,
        }
    });
    opened
        .map(DeltaTable::from)
        .map_err(|error| errors::table(py, &error))
}
