//! Errors of the other crates as exceptions of Python, with their fields and causes.
//!
//! The class says what failed, as far as the caller knows. What a program can read of an error (a file, a
//! column, a row) stands in the errors of the crates and those that they come from; it is taken from
//! there, and never from a text.

use std::error::Error;
use std::fmt::Display;

use dfd_delta::{ErrorFields, cast, causes, told};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::IntoPyDict;

use super::calling::{self, Callable};

/// `ValueError` of an argument that is refused.
pub(crate) fn value(error: &impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// `StreamError` with a message.
pub(crate) fn stream(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "StreamError", message)
}

/// `TableError` of an error of `dfd_delta` or `dfd_runtime`.
pub(crate) fn table(py: Python<'_>, error: &(impl Error + 'static)) -> PyErr {
    converted(py, "TableError", error)
}

/// `TableError` of a name that no Delta table has.
pub(crate) fn unregistered(py: Python<'_>, name: &str) -> PyErr {
    raised(
        py,
        "TableError",
        &format!("no Delta table is registered as {name}"),
    )
}

/// `CommitError` of an error of `dfd_delta`.
pub(crate) fn commit(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    converted(py, "CommitError", error)
}

/// `InvalidCommit` of an error of `dfd_delta`.
pub(crate) fn invalid_commit(py: Python<'_>, error: &dfd_delta::Error) -> PyErr {
    converted(py, "InvalidCommit", error)
}

/// `EngineRefusal` with a message, and the code of its reason.
pub(crate) fn refusal(py: Python<'_>, message: &str, reason: &str) -> PyErr {
    with_reason(py, raised(py, "EngineRefusal", message), reason)
}

/// `EngineRefusal` of why a plan can't be planned, with the code of that.
pub(crate) fn unplanned(py: Python<'_>, error: &(impl Error + 'static), reason: &str) -> PyErr {
    with_reason(py, converted(py, "EngineRefusal", error), reason)
}

fn with_reason(py: Python<'_>, refusal: PyErr, reason: &str) -> PyErr {
    match refusal.value(py).setattr("reason", reason) {
        Ok(()) => refusal,
        Err(error) => error,
    }
}

/// `EngineError` with a message.
pub(crate) fn engine(py: Python<'_>, message: &str) -> PyErr {
    raised(py, "EngineError", message)
}

/// `EngineError` of what a query failed with.
pub(crate) fn failed(py: Python<'_>, error: &(impl Error + 'static)) -> PyErr {
    converted(py, "EngineError", error)
}

/// `StatementError` of what can't be asked of the table, `RuleViolation` of what a rule forbids, `SourceError` of the
/// stream, `StageError` of everything else.
pub(crate) fn stage(py: Python<'_>, error: &dfd_write::Error) -> PyErr {
    let class = if error.is_of_statement() {
        "StatementError"
    } else if error.is_rule_violation() {
        "RuleViolation"
    } else if error.is_of_source() {
        "SourceError"
    } else {
        "StageError"
    };
    converted(py, class, error)
}

/// `SqlSyntaxError` of a text that is no statement.
pub(crate) fn sql_syntax(py: Python<'_>, error: &dfd_sql::SyntaxError) -> PyErr {
    raised(py, "SqlSyntaxError", &error.to_string())
}

/// `NativeError` of work that panicked.
pub(crate) fn panicked(py: Python<'_>, error: &dfd_runtime::Error) -> PyErr {
    converted(py, "NativeError", error)
}

/// A class of `dfd_native.errors` for an error, with what it and its causes know.
fn converted(py: Python<'_>, class: &str, error: &(dyn Error + 'static)) -> PyErr {
    let class = match (class, dfd_delta::gone_file(error)) {
        ("TableError" | "EngineError", Some(_)) => "SnapshotGone",
        _ => class,
    };
    let exception = raised(py, class, &told(error));
    let mut cause = None;
    for text in causes(error).iter().rev() {
        let nearer = raised(py, "ErrorCause", text);
        nearer.set_cause(py, cause);
        cause = Some(nearer);
    }
    exception.set_cause(py, cause);
    match set_fields(exception.value(py), fields(error)) {
        Ok(()) => exception,
        Err(error) => error,
    }
}

/// What an error and those that it comes from know, the nearest first.
fn fields(error: &(dyn Error + 'static)) -> ErrorFields {
    let mut found = ErrorFields::default();
    let mut link = Some(error);
    while let Some(error) = link {
        found = found.or(own_fields(error));
        link = error.source();
    }
    found
}

fn own_fields(error: &(dyn Error + 'static)) -> ErrorFields {
    if let Some(error) = cast::<dfd_write::Error>(error) {
        error.fields()
    } else if let Some(error) = cast::<dfd_write::RuleViolation>(error) {
        error.fields()
    } else if let Some(error) = cast::<dfd_delta::Error>(error) {
        error.fields()
    } else if let Some(gone) = cast::<dfd_delta::ChangesGone>(error) {
        gone.fields()
    } else if let Some(dfd_runtime::Error::Location { uri, .. }) = cast::<dfd_runtime::Error>(error)
    {
        ErrorFields {
            uri: Some(uri.clone()),
            ..ErrorFields::default()
        }
    } else {
        ErrorFields::default()
    }
}

/// Sets what is known; the class has None for the rest.
fn set_fields(exception: &Bound<'_, PyAny>, fields: ErrorFields) -> PyResult<()> {
    let texts = [
        ("uri", fields.uri),
        ("path", fields.path),
        ("column", fields.column),
        ("rule", fields.rule),
        ("expression", fields.expression),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            exception.setattr(name, text)?;
        }
    }
    for (name, number) in [("version", fields.version), ("row", fields.row)] {
        if let Some(number) = number {
            exception.setattr(name, number)?;
        }
    }
    if let Some(values) = fields.values {
        exception.setattr("values", values.into_py_dict(exception.py())?)?;
    }
    Ok(())
}

/// A class of `dfd_native.errors` with a message.
fn raised(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let error =
        calling::function(py, "dfd_native.errors", class).and_then(|class| class.run((message,)));
    match error {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}
