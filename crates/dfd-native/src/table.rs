//! Snapshots of Delta tables as table providers of a DataFusion session.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::table_provider::FFI_TableProvider;
use dfd_delta::{At, DeltaTableProvider, Error, Location, TableSnapshot};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PySchema;

use crate::errors;
use crate::gate;

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
        let found: Result<_, Error> =
            py.detach(|| dfd_delta::runtime_handle()?.block_on(self.snapshot.refreshed()));
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
        let codec = logical_codec(session)?;
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

impl From<TableSnapshot> for DeltaTable {
    fn from(snapshot: TableSnapshot) -> Self {
        Self {
            schema: Arc::clone(snapshot.schema()),
            snapshot: Arc::new(snapshot),
        }
    }
}

/// The codec with which the session reads plans, as its capsule holds it.
#[allow(unsafe_code)]
fn logical_codec(session: &Bound<'_, PyAny>) -> PyResult<FFI_LogicalExtensionCodec> {
    let capsule = session.call_method0("__datafusion_logical_extension_codec__")?;
    let capsule = capsule
        .cast::<PyCapsule>()
        .map_err(|_| PyTypeError::new_err("the session exports no logical extension codec"))?;
    let pointer = capsule.pointer_checked(Some(c"datafusion_logical_extension_codec"))?;
    // SAFETY: the gate has seen that the session's DataFusion has the layouts of ours, and the
    // capsule, whose name was checked, lives until the clone is made.
    let codec = unsafe { pointer.cast::<FFI_LogicalExtensionCodec>().as_ref() };
    Ok(codec.clone())
}

/// Open a table: the newest version, or that of a number or a time.
#[pyfunction]
#[pyo3(signature = (uri, options, version=None, timestamp=None))]
pub fn delta_table(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: Option<u64>,
    timestamp: Option<DateTime<Utc>>,
) -> PyResult<DeltaTable> {
    gate::check(py)?;
    let at = match (version, timestamp) {
        (Some(version), _) => At::Version(version),
        (None, Some(time)) => At::Time(time),
        (None, None) => At::Newest,
    };
    let opened: Result<TableSnapshot, Error> = py.detach(|| {
        let location = Location::try_new(uri, &options)?;
        dfd_delta::runtime_handle()?.block_on(TableSnapshot::open(location, at))
    });
    opened
        .map(DeltaTable::from)
        .map_err(|error| errors::table(py, &error))
}
