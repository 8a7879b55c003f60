//! Ctrl-C that comes as the text of an error: Arrow's C interface carries nothing else.

use arrow::error::ArrowError;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use super::calling::{self, Callable};
use super::errors;

/// The exception that Ctrl-C raises, by its name.
const NAME: &str = "KeyboardInterrupt";

/// An error of a stream as its text; the C interface says nothing else of one that came through it.
pub(crate) fn text(error: &ArrowError) -> String {
    let text = match error {
        ArrowError::CDataInterface(text) => text.clone(),
        ArrowError::ExternalError(source) => source.to_string(),
        other => other.to_string(),
    };
    // It may become a C string again.
    text.replace('\0', "\\0")
}

/// Whether the error is a `KeyboardInterrupt` that Python code of the source raised.
///
/// pyarrow's text ends with the traceback; through others it may be quoted once more.
pub(crate) fn is_interrupt(text: &str) -> bool {
    let text = text.replace("\\n", "\n");
    let lines = text.trim_end_matches(['\n', '"', ')', ' ']).lines();
    let last = lines.last().unwrap_or_default().trim();
    let is_name = |text: &str| text == NAME || text.starts_with("KeyboardInterrupt:");
    if text.contains("Traceback (most recent call last)") {
        return is_name(last);
    }
    is_name(last)
        || last
            .split(": ")
            .last()
            .is_some_and(|name| name.trim_end_matches(':') == NAME)
}

/// An error of a stream as the exception that Python code of our own sees.
pub(crate) fn raised(py: Python<'_>, error: &ArrowError) -> PyErr {
    let text = text(error);
    if is_interrupt(&text) {
        return interrupt(py);
    }
    errors::stream(py, &text)
}

/// A single `KeyboardInterrupt`, also where a stream below has asked for one already.
fn interrupt(py: Python<'_>) -> PyErr {
    let pending = py.check_signals().err();
    pending.unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
}

/// An exception as the text that crosses Arrow's C interface; an interrupt is also raised in Python once its
/// code runs again.
pub(crate) fn crossing(py: Python<'_>, error: &PyErr) -> String {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        if let Err(error) = interrupt_again(py) {
            error.write_unraisable(py, None);
        }
        return NAME.to_owned();
    }
    error.value(py).to_string().replace('\0', "\\0")
}

/// Raise the interrupt once Python code runs again: what the consumer raises is an error of its own.
fn interrupt_again(py: Python<'_>) -> PyResult<()> {
    let interrupt_main = calling::function(py, "_thread", "interrupt_main")?;
    let is_ours = calling::function(py, "dfd_native.streams", "_may_interrupt_again")?.run(())?;
    if is_ours.is_truthy()? {
        // No Python code may run after it: there it would be raised.
        interrupt_main.run(())?;
    }
    Ok(())
}
