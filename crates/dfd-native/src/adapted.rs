//! Streams that are adapted as they flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use dfd_arrow::{AdaptedReader, Counters, Shape, Source};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::{PyRecordBatchReader, PySchema};

use crate::errors;
use crate::interrupt::{interrupt_again, is_interrupt, raised, text};
use crate::streams::{Batch, adapted, reader, requested, schema_capsule, wait};

enum State {
    Ready(Box<AdaptedReader>),
    /// A thread waits for its next batch.
    Taken,
    Given,
    Over,
}

/// A stream that is adapted as it is consumed; single use.
#[pyclass(module = "dfd_native", frozen)]
pub struct AdaptedStream {
    state: Mutex<State>,
    schema: SchemaRef,
    counters: Arc<Counters>,
    interrupted: Arc<AtomicBool>,
}

impl AdaptedStream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        let before = std::mem::replace(&mut *self.state(), state);
        drop(before);
    }

    fn take(&self, py: Python<'_>, leave: State) -> PyResult<Option<Box<AdaptedReader>>> {
        let mut state = self.state();
        let refusal = match &*state {
            State::Ready(_) => {
                let State::Ready(reader) = std::mem::replace(&mut *state, leave) else {
                    return Ok(None);
                };
                return Ok(Some(reader));
            }
            State::Over => return Ok(None),
            State::Taken => "This stream is being read by another thread.",
            State::Given => "This stream was given away before; a stream is read once.",
        };
        drop(state);
        Err(errors::stream(py, refusal))
    }
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

    /// Whether Ctrl-C ended it.
    #[getter]
    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        schema_capsule(py, &self.schema)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let Some(mut reader) = self.take(py, State::Taken)? else {
            return Ok(None);
        };
        let next = wait(py, &mut reader)
            .and_then(|item| item.transpose().map_err(|error| raised(py, &error)));
        match next {
            Ok(Some(batch)) => {
                self.set(State::Ready(reader));
                Ok(Some(Batch(batch)))
            }
            Ok(None) => {
                self.set(State::Over);
                Ok(None)
            }
            Err(error) => {
                self.set(State::Over);
                let is_interrupt = error.is_instance_of::<PyKeyboardInterrupt>(py);
                self.interrupted.fetch_or(is_interrupt, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wanted = requested(requested_schema, &self.schema)?;
        let reader = self.take(py, State::Given)?.ok_or_else(|| {
            errors::stream(
                py,
                "This stream was read to its end; a stream is read once.",
            )
        })?;
        let interrupted = Arc::clone(&self.interrupted);
        Exported::capsule(py, reader, wanted, interrupted)
    }
}

/// A stream of our own for another library: in the schema that it requests, and with an eye on Ctrl-C.
pub fn export<'py>(
    py: Python<'py>,
    source: Source,
    requested_schema: Option<Bound<'py, PyCapsule>>,
) -> PyResult<Bound<'py, PyAny>> {
    let wanted = requested(requested_schema, &source.schema())?;
    let reader = adapted(source, Shape::default())?;
    Exported::capsule(py, Box::new(reader), wanted, Arc::default())
}

/// An adapted stream that another library pulls from, with or without the GIL.
struct Exported {
    // None once it ended.
    reader: Option<Box<AdaptedReader>>,
    schema: SchemaRef,
    interrupted: Arc<AtomicBool>,
}

impl Exported {
    fn capsule(
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

    fn pull(&mut self) -> Option<Result<RecordBatch, ArrowError>> {
        let reader = self.reader.as_mut()?;
        let first_row = reader.counters().rows();
        let pulled = Python::try_attach(|py| {
            let item = py.check_signals().and_then(|()| wait(py, reader));
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

/// Stop all threads that read ahead; those whose source is still at work after `patience_s` seconds.
#[pyfunction]
pub fn stop_prefetching(py: Python<'_>, patience_s: f64) -> Vec<u64> {
    let patience = Duration::try_from_secs_f64(patience_s).unwrap_or_default();
    py.detach(|| dfd_arrow::stop_prefetching(patience))
}

impl Iterator for Exported {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.pull();
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

/// Adapt a stream to a schema and a batch size.
#[pyfunction]
#[pyo3(signature = (stream, schema=None, batch_rows=None, prefetch_batches=0))]
pub fn adapt_stream(
    stream: &Bound<'_, PyAny>,
    schema: Option<PySchema>,
    batch_rows: Option<usize>,
    prefetch_batches: usize,
) -> PyResult<AdaptedStream> {
    let shape = Shape {
        schema: schema.map(PySchema::into_inner),
        batch_rows,
        prefetch_batches,
    };
    let adapted = adapted(reader(stream)?, shape)?;
    Ok(AdaptedStream {
        schema: adapted.schema(),
        counters: adapted.counters(),
        state: Mutex::new(State::Ready(Box::new(adapted))),
        interrupted: Arc::default(),
    })
}
