//! Where a table is, as Python names it.

use std::collections::HashMap;

use dfd_runtime::Location;
use pyo3::prelude::*;

use super::errors;

/// The location, under the name of no profile.
pub(crate) fn location(
    py: Python<'_>,
    uri: &str,
    options: &HashMap<String, String>,
) -> PyResult<Location> {
    let location = Location::try_new(uri, options, None);
    location.map_err(|error| errors::table(py, &error))
}
