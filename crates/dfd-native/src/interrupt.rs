//! Ctrl-C that comes as the text of an error: Arrow's C interface carries nothing else.

use arrow::error::ArrowError;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::errors;

/// An error of a stream as its text; the C interface says nothing else of one that came through it.
pub fn text(error: &ArrowError) -> String {
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
pub fn is_interrupt(text: &str) -> bool {
    const NAME: &str = "KeyboardInterrupt";
    let text = text.replace("\\n", "\n");
    let last = text.trim_end_matches(['\n', '"', ')', ' ']).lines().last();
    let last = last.unwrap_or_default().trim();
    let is_name = |text: &str| text == NAME || text.starts_with("KeyboardInterrupt:");
    if text.contains("Traceback (most recent call last)") {
        return is_name(last);
    }
    is_name(last)
        || last
            .split(": ")
            .last()
            .is_some_and(|said| said.trim_end_matches(':') == NAME)
}

/// The error as Python code of our own sees it.
pub fn raised(py: Python<'_>, error: &ArrowError) -> PyErr {
    let text = text(error);
    if is_interrupt(&text) {
        return interrupt(py);
    }
    errors::stream(py, &text)
}

/// One `KeyboardInterrupt`, also where a stream below has asked for one already.
fn interrupt(py: Python<'_>) -> PyErr {
    let pending = py.check_signals().err();
    pending.unwrap_or_else(|| PyKeyboardInterrupt::new_err(()))
}

/// What the consumer raises is its own error; the interrupt follows once Python code runs again.
pub fn interrupt_again(py: Python<'_>) -> PyResult<()> {
    let thread = py.import("_thread")?;
    let is_ours = py
        .import("dfd_native.streams")?
        .call_method0("_may_interrupt_again")?;
    if is_ours.is_truthy()? {
        // No Python code may run after it: there it would be raised.
        thread.call_method0("interrupt_main")?;
    }
    Ok(())
}
