//! Scalar functions as objects that `datafusion.udf()` takes.

use std::sync::Arc;

use datafusion_expr::ScalarUDF;
use datafusion_ffi::udf::FFI_ScalarUDF;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::support::abi_check;

/// A scalar function of `dfd_udf`.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct NativeFunction(Arc<ScalarUDF>);

#[pymethods]
impl NativeFunction {
    /// The name in SQL.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// What the function does, from its documentation.
    #[getter]
    fn description(&self) -> Option<String> {
        self.0.documentation().map(|doc| doc.description.clone())
    }

    fn __datafusion_scalar_udf__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        abi_check::check(py)?;
        let exported = FFI_ScalarUDF::from(Arc::clone(&self.0));
        PyCapsule::new_with_value(py, exported, c"datafusion_scalar_udf")
    }

    fn __repr__(&self) -> String {
        format!("<function {}>", self.0.name())
    }
}

/// Every function of `dfd_udf`.
#[pyfunction]
pub(crate) fn functions() -> Vec<NativeFunction> {
    dfd_udf::functions()
        .into_iter()
        .map(NativeFunction)
        .collect()
}
