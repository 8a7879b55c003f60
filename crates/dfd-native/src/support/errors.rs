//! Errors of the other crates as exceptions of Python.

use std::fmt::Display;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// `ValueError` of an argument that is refused.
pub(crate) fn value(error: &impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// `StreamError` with a message.
pub(crate) fn stream(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "StreamError", message)
}

/// `TableError` of an error of `dfd_delta` or `dfd_runtime`.
pub(crate) fn table(py: Python<'_>, error: &impl std::fmt::Display) -> PyErr {
    raised(py, "TableError", &error.to_string())
}

/// `CommitError` of an error of `dfd_delta`.
pub(crate) fn commit(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    raised(py, "CommitError", &error.to_string())
}

/// `InvalidCommit` of an error of `dfd_delta`.
pub(crate) fn invalid_commit(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    raised(py, "InvalidCommit", &error.to_string())
}

/// `EngineRefusal` with the reason.
pub(crate) fn refusal(py: Python<'_>, reason: &str) -> PyErr {
    raised(py, "EngineRefusal", reason)
}

/// `EngineError` with a message.
pub(crate) fn engine(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "EngineError", message)
}

/// `RuleViolation` of what a rule forbids, `StageError` of everything else.
pub(crate) fn stage(py: Python<'_>, error: &dfd_write::Error) -> PyErr {
    let class = if error.is_rule_violation() {
        "RuleViolation"
    } else {
        "StageError"
    };
    raised(py, class, &error.to_string())
}

/// `StageError` with a message.
pub(crate) fn stage_ended(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "StageError", message)
}

/// A class of `dfd_native.errors` with a message.
fn raised(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let error = py
        .import("dfd_native.errors")
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((message,)));
    match error {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}
