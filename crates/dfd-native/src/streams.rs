//! Arrow C streams in and out.

use std::sync::{Arc, Mutex, PoisonError};

use crate::errors;
use arrow::array::{RecordBatch, RecordBatchReader};
use dfd_stream::{AdaptedReader, Counters};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::{PyRecordBatch, PyRecordBatchReader, PySchema};

/// Any object with `__arrow_c_stream__` as a reader.
fn reader(stream: &Bound<'_, PyAny>) -> PyResult<Box<dyn RecordBatchReader + Send>> {
    if !stream.hasattr("__arrow_c_stream__")? {
        return Err(PyTypeError::new_err(format!(
            "an object with __arrow_c_stream__ is needed, not {}",
            stream.get_type().name()?
        )));
    }
    let capsule = stream.call_method0("__arrow_c_stream__")?;
    PyRecordBatchReader::from_arrow_pycapsule(capsule.cast::<PyCapsule>()?)?.into_reader()
}

/// A record batch that exports `__arrow_c_array__`.
#[pyclass(module = "dfd_native", name = "RecordBatch", frozen)]
pub struct Batch(RecordBatch);

impl From<RecordBatch> for Batch {
    fn from(batch: RecordBatch) -> Self {
        Self(batch)
    }
}

#[pymethods]
impl Batch {
    /// Number of rows.
    #[getter]
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        PyRecordBatch::new(self.0.clone())
            .into_pyobject(py)?
            .call_method1("__arrow_c_array__", (requested_schema,))?
            .cast_into::<PyTuple>()
            .map_err(Into::into)
    }
}

/// Read a whole stream into memory.
#[pyfunction]
pub fn arrow_stream_to_batches(py: Python<'_>, stream: &Bound<'_, PyAny>) -> PyResult<Vec<Batch>> {
    let reader = reader(stream)?;
    let read: Result<Vec<_>, _> =
        py.detach(|| reader.map(|batch| batch.map(Batch::from)).collect());
    read.map_err(|error| errors::stream(py, &error.to_string()))
}

/// A stream that is adapted as it is consumed; single use.
#[pyclass(module = "dfd_native", frozen)]
pub struct AdaptedStream {
    reader: Mutex<Option<AdaptedReader>>,
    schema: arrow::datatypes::SchemaRef,
    counters: Arc<Counters>,
}

#[pymethods]
impl AdaptedStream {
    /// Rows that have left so far.
    #[getter]
    fn rows(&self) -> u64 {
        self.counters.rows()
    }

    /// Batches that have left so far.
    #[getter]
    fn batches(&self) -> u64 {
        self.counters.batches()
    }

    /// Bytes of the batches that have left so far.
    #[getter]
    fn bytes(&self) -> u64 {
        self.counters.bytes()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PySchema::new(Arc::clone(&self.schema))
            .into_pyobject(py)?
            .call_method0("__arrow_c_schema__")
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let taken = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let reader = taken.ok_or_else(|| {
            errors::stream(
                py,
                "This stream was given away before; a stream is read once.",
            )
        })?;
        PyRecordBatchReader::new(Box::new(reader))
            .into_pyobject(py)?
            .call_method1("__arrow_c_stream__", (requested_schema,))
    }
}

/// Adapt a stream to a schema and a batch size.
#[pyfunction]
#[pyo3(signature = (stream, schema=None, batch_rows=None))]
pub fn adapt_stream(
    stream: &Bound<'_, PyAny>,
    schema: Option<PySchema>,
    batch_rows: Option<usize>,
) -> PyResult<AdaptedStream> {
    let adapted = AdaptedReader::try_new(
        reader(stream)?,
        schema.map(PySchema::into_inner),
        batch_rows,
    )
    .map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(AdaptedStream {
        schema: adapted.schema(),
        counters: adapted.counters(),
        reader: Mutex::new(Some(adapted)),
    })
}
