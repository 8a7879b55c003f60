//! Errors of this library as those of `dfd_native.errors`.

use pyo3::prelude::*;

/// `StreamError` with a message.
pub fn stream(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "StreamError", message)
}

/// `TableError` of an error of `dfd_delta`.
pub fn table(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    raised(py, "TableError", &error.to_string())
}

/// `CommitError` of an error of `dfd_delta`.
pub fn commit(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    raised(py, "CommitError", &error.to_string())
}

/// `EngineRefusal` with the reason.
pub fn refusal(py: Python<'_>, reason: &str) -> PyErr {
    raised(py, "EngineRefusal", reason)
}

/// `EngineError` with a message.
pub fn engine(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "EngineError", message)
}

/// `RuleViolation` of what a rule forbids, `StageError` of everything else.
pub fn stage(py: Python<'_>, error: &dfd_write::Error) -> PyErr {
    let class = if error.is_rule_violation() {
        "RuleViolation"
    } else {
        "StageError"
    };
    raised(py, class, &error.to_string())
}

/// `StageError` with a message.
pub fn stage_ended(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "StageError", message)
}

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
