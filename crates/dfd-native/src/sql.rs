//! SQL of Delta tables, taken apart; as JSON, which Python makes its own types of.

use std::collections::HashMap;

use pyo3::prelude::*;
use serde::Serialize;

use crate::support::errors;

/// The statements of a text; `literals` are the values of its placeholders.
#[pyfunction]
pub(crate) fn sql_script(
    py: Python<'_>,
    text: &str,
    literals: HashMap<String, String>,
) -> PyResult<String> {
    told(py, dfd_sql::script(text, &literals))
}

/// A query with names that begin with `prefix` in place of tables by version, time or URI, and what they stand for.
#[pyfunction]
pub(crate) fn sql_mentions(py: Python<'_>, text: &str, prefix: &str) -> PyResult<String> {
    told(py, dfd_sql::mentions(text, prefix))
}

/// The queries in an expression.
#[pyfunction]
pub(crate) fn sql_subqueries(py: Python<'_>, expression: &str) -> PyResult<String> {
    told(py, dfd_sql::subqueries(expression))
}

/// An expression with values in place of its queries.
#[pyfunction]
pub(crate) fn sql_with_values(py: Python<'_>, expression: &str, values: &str) -> PyResult<String> {
    let values = serde_json::from_str(values).map_err(|error| errors::value(&error))?;
    let made = dfd_sql::with_values(expression, values);
    made.map_err(|error| errors::sql_syntax(py, &error))
}

fn told<T: Serialize>(py: Python<'_>, found: Result<T, dfd_sql::SyntaxError>) -> PyResult<String> {
    let found = found.map_err(|error| errors::sql_syntax(py, &error))?;
    serde_json::to_string(&found).map_err(|error| errors::value(&error))
}
