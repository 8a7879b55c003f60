//! Runs of queries that tell whoever observes them of their begin, and once of their end.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use dfd_engine::{PlannedQuery, RunningQuery};
use pyo3::prelude::*;

use crate::plan_node::PlanNode;
use crate::support::arrow_export::PyBatches;
use crate::support::calling::Callable;
use crate::support::{errors, polling};

/// The batches of a query, under a schema. Dropping it stops the work.
pub(crate) struct ObservedRun {
    stage: Stage,
    schema: SchemaRef,
    // Rows that have left.
    rows: u64,
    // Its tables and functions live as long as the session.
    _session: Py<PyAny>,
}

enum Stage {
    /// Nothing runs yet; what is called when it begins gives what is called when it ends.
    Ready(PlannedQuery, Option<Py<PyAny>>),
    Running(RunningQuery, PlannedQuery, Option<Py<PyAny>>),
    Over,
}

impl ObservedRun {
    /// A run of `query` that begins with the first batch that is asked for.
    pub(crate) fn new(
        query: PlannedQuery,
        schema: SchemaRef,
        on_begin: Option<Py<PyAny>>,
        session: Py<PyAny>,
    ) -> Self {
        Self {
            stage: Stage::Ready(query, on_begin),
            schema,
            rows: 0,
            _session: session,
        }
    }

    fn begin(&mut self, py: Python<'_>) -> PyResult<()> {
        let (query, on_begin) = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Ready(query, on_begin) => (query, on_begin),
            begun => {
                self.stage = begun;
                return Ok(());
            }
        };
        let on_end = on_begin
            .map(|begin| begin.bind(py).run(()).map(Bound::unbind))
            .transpose()?;
        match query.start() {
            Ok(run) => {
                self.stage = Stage::Running(run, query, on_end);
                Ok(())
            }
            Err(error) => {
                let error = errors::failed(py, &error);
                let raised = self.tell(py, on_end, &query, Some(&error), false);
                Err(raised.unwrap_or(error))
            }
        }
    }

    /// The next batch of a run that has begun, under the schema.
    fn advance(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        let Stage::Running(run, ..) = &mut self.stage else {
            return Ok(None);
        };
        py.check_signals()?;
        let Some(batch) = polling::wait(py, |patience| run.poll_next(patience))? else {
            return Ok(None);
        };
        let batch = batch.map_err(|error| errors::failed(py, &error))?;
        let aligned = dfd_arrow::align(&batch, &self.schema, self.rows);
        aligned
            .map(Some)
            .map_err(|error| errors::failed(py, &error))
    }

    /// The work is stopped, and the observer told. What it gives is raised in place of `error`.
    fn end(&mut self, py: Python<'_>, error: Option<&PyErr>, is_abandoned: bool) -> Option<PyErr> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Running(run, query, on_end) => {
                drop(run);
                self.tell(py, on_end, &query, error, is_abandoned)
            }
            Stage::Ready(..) | Stage::Over => None,
        }
    }

    fn tell(
        &self,
        py: Python<'_>,
        on_end: Option<Py<PyAny>>,
        query: &PlannedQuery,
        error: Option<&PyErr>,
        is_abandoned: bool,
    ) -> Option<PyErr> {
        let on_end = on_end?;
        let error = error.map(|error| error.value(py));
        let raised =
            on_end
                .bind(py)
                .run((PlanNode::new(query.plan()), self.rows, error, is_abandoned));
        match raised {
            Ok(raised) if raised.is_none() => None,
            Ok(raised) => Some(PyErr::from_value(raised)),
            Err(error) => {
                error.write_unraisable(py, None);
                None
            }
        }
    }
}

impl PyBatches for ObservedRun {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next(&mut self, py: Python<'_>) -> PyResult<Option<RecordBatch>> {
        self.begin(py)?;
        match self.advance(py) {
            Ok(Some(batch)) => {
                self.rows += batch.num_rows() as u64;
                Ok(Some(batch))
            }
            Ok(None) => {
                self.end(py, None, false);
                Ok(None)
            }
            Err(error) => Err(self.end(py, Some(&error), false).unwrap_or(error)),
        }
    }
}

impl Drop for ObservedRun {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Running(..)) {
            return;
        }
        // In any thread, and while an exception is on its way. Nobody is told once the interpreter ends.
        Python::try_attach(|py| {
            let on_its_way = PyErr::take(py);
            self.end(py, None, true);
            if let Some(error) = on_its_way {
                error.restore(py);
            }
        });
    }
}
