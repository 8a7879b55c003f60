//! Runs of plans in the engine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use dfd_engine::PlannedQuery;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::batch::Batch;
use crate::observed_run::ObservedRun;
use crate::plan_node::PlanNode;
use crate::support::arrow_export::{Exported, PyBatches, requested, schema_capsule};
use crate::support::errors;

enum State {
    /// Nothing runs yet; what is called when it begins.
    Ready(Option<Py<PyAny>>),
    /// Its batches are asked for one by one.
    Running(ObservedRun),
    /// It has ended, or another library has it.
    Over,
}

/// One run of a plan: an iterator of batches, or an Arrow C stream. Single use.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct EngineRun {
    query: PlannedQuery,
    schema: SchemaRef,
    state: Mutex<State>,
    session: Py<PyAny>,
}

impl EngineRun {
    /// A run of `query`, which has tables and functions of `session`; `schema` has the names and types of its own.
    pub(crate) fn new(query: PlannedQuery, schema: Option<SchemaRef>, session: Py<PyAny>) -> Self {
        Self {
            schema: schema.unwrap_or_else(|| query.schema()),
            query,
            state: Mutex::new(State::Ready(None)),
            session,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run is no longer here. What is called when it begins; an error where it was begun before.
    fn give_away(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Over) {
            State::Ready(on_begin) => Ok(on_begin),
            begun => {
                *state = begun;
                drop(state);
                let reason = "This run was begun before; a run is read once.";
                Err(errors::engine(py, reason))
            }
        }
    }

    fn observed(
        &self,
        py: Python<'_>,
        on_begin: Option<Py<PyAny>>,
        schema: SchemaRef,
    ) -> ObservedRun {
        ObservedRun::new(
            self.query.clone(),
            schema,
            on_begin,
            self.session.clone_ref(py),
        )
    }

    /// The batches for whoever consumes them on our own threads, who is not observed.
    pub(crate) fn stream(&self, py: Python<'_>) -> PyResult<SendableRecordBatchStream> {
        let on_begin = self.give_away(py)?;
        let batches = self.query.stream();
        batches.map_err(|error| {
            *self.state() = State::Ready(on_begin);
            errors::failed(py, &error)
        })
    }
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
        PlanNode::new(self.query.plan())
    }

    /// The physical plan as text.
    fn explain(&self) -> String {
        self.query.explain()
    }

    /// Call `on_begin` when the first batch is asked for, and what it gives once the run is over.
    fn observe(&self, py: Python<'_>, on_begin: Py<PyAny>) -> PyResult<()> {
        self.give_away(py)?;
        *self.state() = State::Ready(Some(on_begin));
        Ok(())
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        schema_capsule(py, &self.schema)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let taken = std::mem::replace(&mut *self.state(), State::Over);
        let mut run = match taken {
            State::Ready(on_begin) => self.observed(py, on_begin, Arc::clone(&self.schema)),
            State::Running(run) => run,
            State::Over => return Ok(None),
        };
        let batch = run.next(py)?;
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
        let wanted = requested(requested_schema, &self.schema)?;
        let on_begin = self.give_away(py)?;
        let schema = wanted.unwrap_or_else(|| Arc::clone(&self.schema));
        Exported::capsule(py, Box::new(self.observed(py, on_begin, schema)))
    }
}
