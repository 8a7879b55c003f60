//! Runs of plans in the engine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::execution::SendableRecordBatchStream;
use dfd_engine::{PlannedQuery, RunningQuery};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::batch::Batch;
use crate::plan_node::PlanNode;
use crate::support::arrow_export::{export, schema_capsule};
use crate::support::{errors, polling};

enum State {
    /// Nothing runs yet.
    Ready,
    /// Its batches are asked for one by one.
    Running(RunningQuery),
    /// It has ended, or another library has it.
    Over,
}

/// One run of a plan: an iterator of batches, or an Arrow C stream. Single use.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct EngineRun {
    query: PlannedQuery,
    state: Mutex<State>,
    // Its tables and functions live as long as the session.
    _session: Py<PyAny>,
}

impl EngineRun {
    /// A run of `query`, which has tables and functions of `session`.
    pub(crate) fn new(query: PlannedQuery, session: Py<PyAny>) -> Self {
        Self {
            query,
            state: Mutex::new(State::Ready),
            _session: session,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begin to run.
    fn begin(&self, py: Python<'_>) -> PyResult<RunningQuery> {
        self.ensure_ready(py)?;
        self.query
            .start()
            .map_err(|error| errors::failed(py, &error))
    }

    /// Fail where it was begun before.
    fn ensure_ready(&self, py: Python<'_>) -> PyResult<()> {
        if matches!(*self.state(), State::Ready) {
            return Ok(());
        }
        let reason = "This run was begun before; a run is read once.";
        Err(errors::engine(py, reason))
    }

    /// The batches for whoever consumes them on our own threads.
    pub(crate) fn stream(&self, py: Python<'_>) -> PyResult<SendableRecordBatchStream> {
        self.ensure_ready(py)?;
        let batches = self
            .query
            .stream()
            .map_err(|error| errors::failed(py, &error))?;
        *self.state() = State::Over;
        Ok(batches)
    }
}

/// The next batch, with an eye on Ctrl-C.
fn next(py: Python<'_>, run: &mut RunningQuery) -> PyResult<Option<RecordBatch>> {
    let batch = polling::wait(py, |patience| run.poll_next(patience))?.transpose();
    batch.map_err(|error| errors::failed(py, &error))
}

#[pymethods]
impl EngineRun {
    /// Where the plan runs.
    #[classattr]
    fn route() -> &'static str {
        "engine"
    }

    /// The plan, whose metrics are those of this run.
    #[getter]
    fn plan(&self) -> PlanNode {
        PlanNode::new(Arc::clone(self.query.plan()))
    }

    /// The physical plan as text.
    fn explain(&self) -> String {
        self.query.explain()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        schema_capsule(py, &self.query.schema())
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        if matches!(*self.state(), State::Ready) {
            let run = self.begin(py)?;
            *self.state() = State::Running(run);
        }
        let taken = std::mem::replace(&mut *self.state(), State::Over);
        let State::Running(mut run) = taken else {
            return Ok(None);
        };
        // What raises, and the end, drop the run.
        let batch = next(py, &mut run)?;
        if batch.is_some() {
            *self.state() = State::Running(run);
        }
        Ok(batch.map(Batch::from))
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let run = self.begin(py)?;
        *self.state() = State::Over;
        let reader = RunReader {
            run: Some(run),
            schema: self.query.schema(),
        };
        export(py, Box::new(reader), requested_schema)
    }
}

/// A run as a reader, which other libraries pull from threads with and without the GIL.
struct RunReader {
    // None once it ended.
    run: Option<RunningQuery>,
    schema: SchemaRef,
}

impl Iterator for RunReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let run = self.run.as_mut()?;
        // Functions written in Python need the GIL, whoever holds it while waiting here.
        let batch = Python::try_attach(|py| next(py, run).map_err(|error| error.to_string()));
        let item = match batch {
            Some(Ok(batch)) => batch.map(Ok),
            Some(Err(reason)) => Some(Err(ArrowError::ExternalError(reason.into()))),
            None => Some(Err(ArrowError::ExternalError(
                "the interpreter is shutting down".into(),
            ))),
        };
        if !matches!(item, Some(Ok(_))) {
            self.run = None;
        }
        item
    }
}

impl RecordBatchReader for RunReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
