//! The versions, target and functions that the library was built from.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion_expr::{ReturnFieldArgs, ScalarUDF};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::abi_check::{DATAFUSION_MAJOR, PLUGIN_ABI};
use super::digest::digest;

/// Versions, target, features and functions, as compiled in.
#[pyfunction]
pub(crate) fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let abi = PyDict::new(py);
    abi.set_item("major", PLUGIN_ABI.0)?;
    abi.set_item("minor", PLUGIN_ABI.1)?;
    let functions = PyDict::new(py);
    for function in dfd_udf::functions() {
        let signature = signature(&function);
        functions.set_item(function.name(), digest([signature.as_bytes()]))?;
    }
    let info = PyDict::new(py);
    info.set_item("plugin_abi", abi)?;
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("id", env!("DFD_BUILD_ID"))?;
    info.set_item("datafusion_major", DATAFUSION_MAJOR)?;
    info.set_item("datafusion", env!("DFD_DATAFUSION_EXPR_VERSION"))?;
    info.set_item("ffi", env!("DFD_DATAFUSION_FFI_VERSION"))?;
    info.set_item("arrow", env!("DFD_ARROW_VERSION"))?;
    info.set_item("deltalake_core", env!("DFD_DELTALAKE_CORE_VERSION"))?;
    info.set_item("object_store", env!("DFD_OBJECT_STORE_VERSION"))?;
    info.set_item("pyo3", env!("DFD_PYO3_VERSION"))?;
    info.set_item("abi3", "3.10")?;
    info.set_item("target", env!("DFD_TARGET"))?;
    let features = env!("DFD_TARGET_FEATURES");
    info.set_item("target_features", features.split(',').collect::<Vec<_>>())?;
    info.set_item("profile", env!("DFD_PROFILE"))?;
    info.set_item("rustc", env!("DFD_RUSTC"))?;
    info.set_item("features", ["delta", "engine", "streams", "functions"])?;
    info.set_item("functions", functions)?;
    Ok(info)
}

/// A line per way to call it, like `dfd_hhmm_minutes(Int64) -> Int64? Immutable`.
fn signature(function: &ScalarUDF) -> String {
    let signature = function.signature();
    let mut lines: Vec<_> = signature
        .type_signature
        .get_example_types()
        .into_iter()
        .map(|types| {
            let fields: Vec<_> = types
                .iter()
                .map(|kind| Arc::new(Field::new("argument", kind.clone(), true)))
                .collect();
            let literals = vec![None; fields.len()];
            let returned = function.return_field_from_args(ReturnFieldArgs {
                arg_fields: &fields,
                scalar_arguments: &literals,
            });
            let result = returned.map_or_else(
                |_| "?".to_owned(),
                |field| {
                    let nullable = if field.is_nullable() { "?" } else { "" };
                    format!("{}{nullable}", field.data_type())
                },
            );
            let types: Vec<_> = types.iter().map(ToString::to_string).collect();
            let volatility = signature.volatility;
            format!(
                "{}({}) -> {result} {volatility:?}",
                function.name(),
                types.join(", ")
            )
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
