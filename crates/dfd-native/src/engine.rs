//! Plans of a session, run in dfd's own DataFusion.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, plan_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use dfd_delta::Crossing;
use dfd_engine::{EngineConfig, ForeignPlanCodec, PlannedQuery, RunningQuery};
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};
use pyo3_arrow::PySchema;

use crate::adapted::export;
use crate::errors;
use crate::gate;
use crate::host;
use crate::location::location;
use crate::plan::PlanNode;
use crate::streams::Batch;

/// How long to wait before looking whether Ctrl-C was pressed.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Runs plans of any session.
#[pyclass(module = "dfd_native", frozen, subclass)]
pub struct Engine(dfd_engine::Engine);

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (memory_limit_bytes=None, spill_directory=None, footer_cache_bytes=None))]
    fn new(
        py: Python<'_>,
        memory_limit_bytes: Option<usize>,
        spill_directory: Option<PathBuf>,
        footer_cache_bytes: Option<usize>,
    ) -> PyResult<Self> {
        gate::check(py)?;
        let config = EngineConfig {
            memory_bytes: memory_limit_bytes,
            spill_directory,
            footer_cache_bytes,
        };
        dfd_engine::Engine::try_new(config)
            .map(Self)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Bytes that queries have reserved now.
    #[getter]
    fn reserved_bytes(&self) -> usize {
        self.0.reserved_bytes()
    }

    /// Read what tables have under the scheme and host of `uri` with these options.
    fn register_store(
        &self,
        py: Python<'_>,
        uri: &str,
        options: HashMap<String, String>,
    ) -> PyResult<()> {
        let location = location(py, uri, &options)?;
        self.0.register_store(&location);
        Ok(())
    }

    /// Plan an optimized plan of `session`, or its bytes; it runs as it is consumed.
    #[pyo3(signature = (plan, session, schema=None))]
    fn run(
        &self,
        py: Python<'_>,
        plan: &Bound<'_, PyAny>,
        session: &Bound<'_, PyAny>,
        schema: Option<PySchema>,
    ) -> PyResult<EngineRun> {
        gate::check(py)?;
        // Tables in memory that nobody takes are freed when this ends.
        let _crossing = Crossing::begin();
        let bytes = match plan.cast::<PyBytes>() {
            Ok(bytes) => bytes.clone(),
            Err(_) => encoded(plan, session)?,
        };
        let codec = host::logical_codec(session)?;
        let codec: Arc<dyn LogicalExtensionCodec> = (&codec).into();
        let codec = ForeignPlanCodec::new(codec, Arc::new(accepts));
        let config = host::settings(session)?;
        let schema = schema.map(PySchema::into_inner);
        let bytes = bytes.as_bytes();
        let prepared = py.detach(|| {
            let work = self.0.plan(bytes, codec, config, schema.as_deref());
            catch_unwind(AssertUnwindSafe(|| dfd_delta::block_on(work)))
        });
        let prepared = match prepared {
            Ok(Ok(Ok(prepared))) => prepared,
            Ok(Ok(Err(refusal))) => return Err(errors::refusal(py, &refusal.to_string())),
            Ok(Err(error)) => return Err(errors::table(py, &error)),
            Err(_) => return Err(errors::refusal(py, "planning it panicked")),
        };
        Ok(EngineRun {
            prepared,
            state: Mutex::new(State::Ready),
            _session: session.clone().unbind(),
        })
    }
}

/// Python functions whose copy is as good as the original.
fn accepts(name: &str, payload: &[u8]) -> Result<(), DataFusionError> {
    if !payload.starts_with(b"DFPY") {
        return Ok(());
    }
    let captured = Python::attach(|py| -> PyResult<Option<String>> {
        py.import("dfd_native.pickled")?
            .call_method1("captured", (PyBytes::new(py, payload),))?
            .extract()
    });
    match captured {
        Ok(None) => Ok(()),
        Ok(Some(state)) => plan_err!(
            "the Python function {name} captures {state}, which a copy of it would not share"
        ),
        Err(error) => plan_err!("the Python function {name} can't be copied: {error}"),
    }
}

fn encoded<'py>(
    plan: &Bound<'py, PyAny>,
    session: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = plan.py();
    let bytes = plan.call_method1("to_bytes", (session,));
    match bytes {
        Ok(bytes) => Ok(bytes.cast_into::<PyBytes>()?),
        Err(error) if error.is_instance_of::<PyException>(py) => Err(errors::refusal(
            py,
            &format!("the plan can't be written: {error}"),
        )),
        Err(error) => Err(error),
    }
}

enum State {
    Ready,
    Running(RunningQuery),
    Over,
}

/// One run of a plan: an iterator of batches, or an Arrow C stream. Single use.
#[pyclass(module = "dfd_native", frozen)]
pub struct EngineRun {
    prepared: PlannedQuery,
    state: Mutex<State>,
    // Its tables and functions live as long as the session.
    _session: Py<PyAny>,
}

impl EngineRun {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, py: Python<'_>) -> PyResult<RunningQuery> {
        self.is_ready(py)?;
        self.prepared
            .start()
            .map_err(|error| errors::engine(py, &error.to_string()))
    }

    fn is_ready(&self, py: Python<'_>) -> PyResult<()> {
        if matches!(*self.state(), State::Ready) {
            return Ok(());
        }
        let reason = "This run was begun before; a run is read once.";
        Err(errors::engine(py, reason))
    }

    /// The run for who consumes it on our own threads.
    pub(crate) fn stream(&self, py: Python<'_>) -> PyResult<SendableRecordBatchStream> {
        self.is_ready(py)?;
        let batches = self.prepared.stream();
        let batches = batches.map_err(|error| errors::engine(py, &error.to_string()))?;
        *self.state() = State::Over;
        Ok(batches)
    }
}

/// The next batch, with an eye on Ctrl-C.
fn wait(py: Python<'_>, run: &mut RunningQuery) -> PyResult<Option<RecordBatch>> {
    loop {
        match py.detach(|| run.poll_next(PATIENCE)) {
            Poll::Ready(batch) => {
                let batch = batch.transpose();
                return batch.map_err(|error| errors::engine(py, &error.to_string()));
            }
            Poll::Pending => py.check_signals()?,
        }
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
        PlanNode(Arc::clone(self.prepared.plan()))
    }

    /// The physical plan as text.
    fn explain(&self) -> String {
        self.prepared.explain()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PySchema::new(self.prepared.schema())
            .into_pyobject(py)?
            .call_method0("__arrow_c_schema__")
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
        let batch = wait(py, &mut run)?;
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
            schema: self.prepared.schema(),
        };
        export(py, Box::new(reader), requested_schema)
    }
}

/// A run as a reader, which other libraries pull from threads with and without the GIL.
struct RunReader {
    run: Option<RunningQuery>,
    schema: SchemaRef,
}

impl Iterator for RunReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let run = self.run.as_mut()?;
        // Functions written in Python need the GIL, whoever holds it while waiting here.
        let batch = Python::try_attach(|py| wait(py, run).map_err(|error| error.to_string()));
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
