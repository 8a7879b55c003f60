//! Streams that are adapted as they are consumed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatchReader;
use arrow::datatypes::SchemaRef;
use dfd_arrow::{AdaptedReader, Counters, Shape};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::PySchema;

use crate::batch::Batch;
use crate::support::arrow_export::{AdaptedBatches, Exported, requested, schema_capsule};
use crate::support::arrow_import::reader;
use crate::support::interrupt::raised;
use crate::support::{errors, polling};

enum State {
    /// Nobody reads it now.
    Ready(Box<AdaptedReader>),
    /// A thread waits for its next batch.
    Taken,
    /// Another library has it.
    Given,
    /// It has ended or failed.
    Over,
}

/// A stream that is adapted as it is consumed; single use.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct AdaptedStream {
    state: Mutex<State>,
    schema: SchemaRef,
    counters: Arc<Counters>,
    interrupted: Arc<AtomicBool>,
}

impl AdaptedStream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was there is dropped after the lock is given back.
    fn set(&self, state: State) {
        let before = std::mem::replace(&mut *self.state(), state);
        drop(before);
    }

    /// The reader, in whose place is `leave`; None where the stream is over.
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
        let next = polling::wait(py, |patience| reader.poll_next(patience))
            .and_then(|item| item.transpose().map_err(|error| raised(py, &error)));
        match next {
            Ok(Some(batch)) => {
                self.set(State::Ready(reader));
                Ok(Some(Batch::from(batch)))
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
        let batches = AdaptedBatches::new(reader, wanted, interrupted);
        Exported::capsule(py, Box::new(batches))
    }
}

/// Adapt a stream to a schema and a batch size.
#[pyfunction]
#[pyo3(signature = (stream, schema=None, batch_rows=None, prefetch_batches=0))]
pub(crate) fn adapt_stream(
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
    let adapted =
        AdaptedReader::try_new(reader(stream)?, shape).map_err(|error| errors::value(&error))?;
    Ok(AdaptedStream {
        schema: adapted.schema(),
        counters: adapted.counters(),
        state: Mutex::new(State::Ready(Box::new(adapted))),
        interrupted: Arc::default(),
    })
}

/// Stop all threads that read ahead; those whose source is still at work after `patience_s` seconds.
#[pyfunction]
pub(crate) fn stop_prefetching(py: Python<'_>, patience_s: f64) -> Vec<u64> {
    let patience = Duration::try_from_secs_f64(patience_s).unwrap_or_default();
    py.detach(|| dfd_arrow::stop_prefetching(patience))
}
