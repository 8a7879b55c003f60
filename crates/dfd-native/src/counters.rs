//! Counters of what the process has asked of stores.

use std::collections::HashMap;

use pyo3::prelude::*;

/// Requests by kind.
#[pyfunction]
pub(crate) fn request_counts() -> HashMap<&'static str, u64> {
    dfd_runtime::request_counts().collect()
}
