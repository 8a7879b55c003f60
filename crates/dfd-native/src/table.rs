//! Snapshots of Delta tables as table providers of a DataFusion session.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion_ffi::table_provider::FFI_TableProvider;
use dfd_delta::{At, DeltaTableProvider, Error, Location, TableSnapshot};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PySchema;

use crate::errors;
use crate::gate;
use crate::host;

/// One version of a Delta table; exports `__datafusion_table_provider__`.
#[pyclass(module = "dfd_native", frozen)]
pub struct DeltaTable {
    snapshot: Arc<TableSnapshot>,
    schema: SchemaRef,
}

#[pymethods]
impl DeltaTable {
    /// The version of the table.
    #[getter]
    fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// Why deltalake-core's own scan is used, or None for a scan of the snapshot's files.
    #[getter]
    fn fallback(&self) -> Option<&str> {
        self.snapshot.fallback()
    }

    /// The newest version, or None when this is it.
    fn refreshed(&self, py: Python<'_>) -> PyResult<Option<Self>> {
        let found: Result<_, Error> = py.detach(|| dfd_delta::block_on(self.snapshot.refreshed())?);
        let newer = found.map_err(|error| errors::table(py, &error))?;
        Ok(newer.map(Self::from))
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PySchema::new(Arc::clone(&self.schema))
            .into_pyobject(py)?
            .call_method0("__arrow_c_schema__")
    }

    fn __datafusion_table_provider__<'py>(
        &self,
        py: Python<'py>,
        session: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        gate::check(py)?;
        let provider = Arc::new(DeltaTableProvider::opaque(Arc::clone(&self.snapshot)));
        let handle = dfd_delta::runtime_handle().map_err(|error| errors::table(py, &error))?;
        let codec = host::logical_codec(session)?;
        let exported = FFI_TableProvider::new_with_ffi_codec(provider, true, Some(handle), codec);
        PyCapsule::new_with_value(py, exported, c"datafusion_table_provider")
    }

    fn __repr__(&self) -> String {
        format!(
            "<DeltaTable {} version {}>",
            self.snapshot.location().url(),
            self.snapshot.version()
        )
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

/// Open a table: the newest version, or that of a number or a time.
#[pyfunction]
#[pyo3(signature = (uri, options, version=None, timestamp=None, profile=None))]
pub fn delta_table(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
    timestamp: Option<DateTime<Utc>>,
    profile: Option<&str>,
) -> PyResult<DeltaTable> {
    gate::check(py)?;
    let at = match (version, timestamp) {
        (Some(version), _) => At::Version(version),
        (None, Some(time)) => At::Time(time),
        (None, None) => At::Newest,
    };
    let opened: Result<_, Error> = py.detach(|| {
        let location = Location::try_new(uri, &options, profile)?;
        dfd_delta::block_on(TableSnapshot::open(location, at))?
    });
    opened
        .map(DeltaTable::from)
        .map_err(|error| errors::table(py, &error))
}
