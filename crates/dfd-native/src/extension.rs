//! Codecs of Delta tables for the plans of foreign sessions.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::proto::physical_extension_codec::FFI_PhysicalExtensionCodec;
use dfd_delta::Resolve;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::support::calling::Callable;
use crate::support::{abi_check, errors};

/// Reads and writes Delta tables in plans; exports both codecs of a session.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct DeltaCodec(dfd_delta::DeltaCodec);

#[pymethods]
impl DeltaCodec {
    /// `resolve(uri, profile)` gives the options of a profile, or None.
    #[new]
    fn new(resolve: Option<Py<PyAny>>) -> Self {
        let resolve: Arc<Resolve> = Arc::new(move |uri, profile| {
            let resolve = resolve.as_ref()?;
            Python::attach(|py| -> PyResult<Option<HashMap<String, String>>> {
                resolve.bind(py).run((uri, profile))?.extract()
            })
            .ok()?
        });
        Self(dfd_delta::DeltaCodec::new(resolve))
    }

    #[classattr]
    fn __datafusion_codec_id__() -> &'static str {
        "dfd_native.delta.v1"
    }

    #[pyo3(signature = (session=None))]
    fn __datafusion_logical_extension_codec__<'py>(
        &self,
        py: Python<'py>,
        session: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        abi_check::check(py)?;
        session.map_or(Ok(()), abi_check::check_session)?;
        let handle = dfd_runtime::handle().map_err(|error| errors::table(py, &error))?;
        let context = dfd_runtime::task_context_provider();
        let codec = Arc::new(self.0.clone());
        let exported = FFI_LogicalExtensionCodec::new(codec, Some(handle), &context);
        PyCapsule::new_with_value(py, exported, c"datafusion_logical_extension_codec")
    }

    #[pyo3(signature = (session=None))]
    fn __datafusion_physical_extension_codec__<'py>(
        &self,
        py: Python<'py>,
        session: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        abi_check::check(py)?;
        session.map_or(Ok(()), abi_check::check_session)?;
        let handle = dfd_runtime::handle().map_err(|error| errors::table(py, &error))?;
        let context = dfd_runtime::task_context_provider();
        let codec = Arc::new(self.0.clone());
        let exported = FFI_PhysicalExtensionCodec::new(codec, Some(handle), &context);
        PyCapsule::new_with_value(py, exported, c"datafusion_physical_extension_codec")
    }
}
