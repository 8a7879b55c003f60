//! What the library was built from.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gate::DATAFUSION_MAJOR;

/// Raised when the meaning of what the Python half calls changes.
const PLUGIN_ABI: (u32, u32) = (1, 0);

/// Versions, target, features and functions, as compiled in.
#[pyfunction]
pub fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let abi = PyDict::new(py);
    abi.set_item("major", PLUGIN_ABI.0)?;
    abi.set_item("minor", PLUGIN_ABI.1)?;
    let functions = PyDict::new(py);
    for function in dfd_udf::functions() {
        let mut hasher = DefaultHasher::new();
        (function.name(), function.signature()).hash(&mut hasher);
        functions.set_item(function.name(), format!("{:016x}", hasher.finish()))?;
    }
    let info = PyDict::new(py);
    info.set_item("plugin_abi", abi)?;
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("datafusion_major", DATAFUSION_MAJOR)?;
    info.set_item("datafusion", env!("DFD_DATAFUSION_EXPR_VERSION"))?;
    info.set_item("ffi", env!("DFD_DATAFUSION_FFI_VERSION"))?;
    info.set_item("arrow", env!("DFD_ARROW_VERSION"))?;
    info.set_item("deltalake_core", env!("DFD_DELTALAKE_CORE_VERSION"))?;
    info.set_item("object_store", env!("DFD_OBJECT_STORE_VERSION"))?;
    info.set_item("pyo3", env!("DFD_PYO3_VERSION"))?;
    info.set_item("abi3", "3.10")?;
    info.set_item("target", env!("DFD_TARGET"))?;
    info.set_item("profile", env!("DFD_PROFILE"))?;
    info.set_item("features", ["delta", "streams", "functions"])?;
    info.set_item("functions", functions)?;
    Ok(info)
}
