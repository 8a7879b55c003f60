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

use super::calling::Callable;
use super::errors;
use super::interrupt::{crossing, raised};
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
        .into_any()
        .run_method(intern!(py, "__arrow_c_schema__"), ())
}

/// Batches of our own that Python, or another library, pulls one by one.
pub(crate) trait PyBatches: Send {
    /// The columns that leave.
    fn schema(&self) -> SchemaRef;

    /// The next batch, with an eye on Ctrl-C; there is none after the end, nor after an error.
    fn next(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>>;
}

/// An adapted stream in the schema that is asked of it.
pub(crate) struct AdaptedBatches {
    reader: Box<AdaptedReader>,
    schema: SchemaRef,
    interrupted: Arc<AtomicBool>,
}

impl AdaptedBatches {
    /// `reader` in the schema `wanted`; `interrupted` is set where Ctrl-C ends it.
    pub(crate) fn new(
        reader: Box<AdaptedReader>,
        wanted: Option<SchemaRef>,
        interrupted: Arc<AtomicBool>,
    ) -> Self {
        Self {
            schema: wanted.unwrap_or_else(|| reader.schema()),
            reader,
            interrupted,
        }
    }

    fn pull(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let first_row = self.reader.counters().rows();
        py.check_signals()?;
        let Some(batch) = polling::wait(py, |patience| self.reader.poll_next(patience))? else {
            return Ok(None);
        };
        let batch = batch.map_err(|error| raised(py, &error))?;
        let aligned = dfd_arrow::align(&batch, &self.schema, first_row);
        aligned
            .map(Some)
            .map_err(|error| errors::stream(py, &error.to_string()))
    }
}

impl PyBatches for AdaptedBatches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        self.pull(py).inspect_err(|error| {
            let is_interrupt = error.is_instance_of::<PyKeyboardInterrupt>(py);
            self.interrupted.fetch_or(is_interrupt, Ordering::Relaxed);
        })
    }
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
    let batches = AdaptedBatches::new(Box::new(reader), wanted, Arc::default());
    Exported::capsule(py, Box::new(batches))
}

/// Batches that another library pulls, with or without the GIL.
pub(crate) struct Exported {
    // None once they ended.
    batches: Option<Box<dyn PyBatches>>,
    schema: SchemaRef,
}

impl Exported {
    /// A capsule with the stream.
    pub(crate) fn capsule(
        py: Python<'_>,
        batches: Box<dyn PyBatches>,
    ) -> PyResult<Bound<'_, PyAny>> {
        let exported = Self {
            schema: batches.schema(),
            batches: Some(batches),
        };
        PyRecordBatchReader::new(Box::new(exported))
            .into_pyobject(py)?
            .into_any()
            .run_method(intern!(py, "__arrow_c_stream__"), ())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>, String> {
        let Some(batches) = self.batches.as_mut() else {
            return Ok(None);
        };
        // Functions written in Python need the GIL, whoever holds it while waiting here.
        let pulled =
            Python::try_attach(|py| batches.next(py).map_err(|error| crossing(py, &error)));
        pulled.unwrap_or_else(|| Err("Python is ending".to_owned()))
    }
}

impl Iterator for Exported {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        // No panic crosses into another library.
        let pulled =
            dfd_runtime::catching(|| self.pull()).unwrap_or_else(|panic| Err(panic.to_string()));
        if !matches!(pulled, Ok(Some(_))) {
            self.batches = None;
        }
        let item = pulled.map_err(|text| ArrowError::ExternalError(text.into()));
        item.transpose()
    }
}

impl RecordBatchReader for Exported {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
