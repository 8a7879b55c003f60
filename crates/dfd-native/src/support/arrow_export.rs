//! Arrow streams of our own, for other libraries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use dfd_arrow::{AdaptedReader, AlignError, Shape, Source};
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::{PyRecordBatchReader, PySchema};

use super::errors;
use super::interrupt::{interrupt_again, is_interrupt, text};
use super::polling;

/// The schema that a consumer asks for, if `own` can be given so.
///
/// Other columns are refused. Types that nothing leads to leave the schema as it is, which the
/// consumer sees; values that don't fit will be errors.
pub(crate) fn requested(
    capsule: Option<Bound<'_, PyCapsule>>,
    own: &SchemaRef,
) -> PyResult<Option<SchemaRef>> {
    let Some(capsule) = capsule else {
        return Ok(None);
    };
    let wanted = PySchema::from_arrow_pycapsule(&capsule)?.into_inner();
    if wanted.fields().len() != own.fields().len() {
        return Err(PyValueError::new_err(format!(
            "a schema of {} columns was requested of {}",
            wanted.fields().len(),
            own.fields().len()
        )));
    }
    match dfd_arrow::alignable(own, &wanted) {
        Ok(()) => Ok(Some(wanted)),
        Err(AlignError::Type { .. }) => Ok(None),
        Err(error) => Err(errors::value(&error)),
    }
}

/// A schema as Python exports it.
pub(crate) fn schema_capsule<'py>(
    py: Python<'py>,
    schema: &SchemaRef,
) -> PyResult<Bound<'py, PyAny>> {
    PySchema::new(Arc::clone(schema))
        .into_pyobject(py)?
        .call_method0(intern!(py, "__arrow_c_schema__"))
}

/// A stream of our own for another library: in the schema that it requests, and with an eye on Ctrl-C.
pub(crate) fn export<'py>(
    py: Python<'py>,
    source: Source,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyAny>> {
    let wanted = requested(requested_schema, &source.schema())?;
    let reader =
        AdaptedReader::try_new(source, Shape::default()).map_err(|error| errors::value(&error))?;
    Exported::capsule(py, Box::new(reader), wanted, Arc::default())
}

/// An adapted stream that another library pulls from, with or without the GIL.
pub(crate) struct Exported {
    // None once it ended.
    reader: Option<Box<AdaptedReader>>,
    schema: SchemaRef,
    interrupted: Arc<AtomicBool>,
}

impl Exported {
    /// A capsule with the stream, in the schema `wanted`; `interrupted` is set where Ctrl-C ends it.
    pub(crate) fn capsule(
        py: Python<'_>,
        reader: Box<AdaptedReader>,
        wanted: Option<SchemaRef>,
        interrupted: Arc<AtomicBool>,
    ) -> PyResult<Bound<'_, PyAny>> {
        let exported = Self {
            schema: wanted.unwrap_or_else(|| reader.schema()),
            reader: Some(reader),
            interrupted,
        };
        PyRecordBatchReader::new(Box::new(exported))
            .into_pyobject(py)?
            .call_method0(intern!(py, "__arrow_c_stream__"))
    }

    /// The next batch in the schema; an interrupt is also raised in Python once its code runs again.
    fn pull(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        let reader = self.reader.as_mut()?;
        let first_row = reader.counters().rows();
        let pulled = Python::try_attach(|py| {
            let item = py
                .check_signals()
                .and_then(|()| polling::wait(py, |patience| reader.poll_next(patience)));
            let (text, is_interrupt) = match item {
                Ok(Some(Ok(batch))) => return Ok(Some(batch)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => {
                    let text = text(&error);
                    let is_interrupt = is_interrupt(&text);
                    (text, is_interrupt)
                }
                Err(raised) => (
                    raised.to_string(),
                    raised.is_instance_of::<PyKeyboardInterrupt>(py),
                ),
            };
            if is_interrupt {
                self.interrupted.store(true, Ordering::Relaxed);
                if let Err(error) = interrupt_again(py) {
                    error.write_unraisable(py, None);
                }
            }
            Err(text)
        });
        let batch = match pulled {
            Some(Ok(batch)) => batch?,
            Some(Err(text)) => return Some(Err(ArrowError::ExternalError(text.into()))),
            None => return Some(Err(ArrowError::ExternalError("Python is ending".into()))),
        };
        let aligned = dfd_arrow::align(&batch, &self.schema, first_row);
        Some(aligned.map_err(|error| {
            let text = text(&ArrowError::from(error));
            ArrowError::ExternalError(text.into())
        }))
    }
}

impl Iterator for Exported {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        // No panic crosses into another library.
        let item = dfd_runtime::catching(|| self.pull())
            .unwrap_or_else(|panic| Some(Err(ArrowError::ExternalError(panic.into()))));
        if !matches!(item, Some(Ok(_))) {
            self.reader = None;
        }
        item
    }
}

impl RecordBatchReader for Exported {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
