//! Plans of a session, run in dfd's own DataFusion.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::{DataFusionError, plan_err};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use dfd_delta::{QueryVersions, RegistrationScope};
use dfd_engine::{EngineConfig, ForeignPlanCodec};
use dfd_runtime::{CacheLimits, Caches};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::PySchema;

use crate::caches::{Figures, Limit, Named, figures, limits_of, set_limits};
use crate::engine_run::EngineRun;
use crate::support::calling::{self, Callable};
use crate::support::location::location;
use crate::support::{abi_check, errors, foreign_session};

/// An engine: it runs plans of any session.
#[pyclass(module = "dfd_native", frozen, subclass)]
pub(crate) struct Engine(dfd_engine::Engine);

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (memory_limit_bytes=None, spill_directory=None))]
    fn new(
        py: Python<'_>,
        memory_limit_bytes: Option<usize>,
        spill_directory: Option<PathBuf>,
    ) -> PyResult<Self> {
        abi_check::check(py)?;
        let config = EngineConfig {
            memory_bytes: memory_limit_bytes,
            spill_directory,
        };
        dfd_engine::Engine::try_new(config, Caches::new(CacheLimits::default()))
            .map(Self)
            .map_err(|error| errors::value(&error))
    }

    /// Bytes that queries have reserved now.
    #[getter]
    fn reserved_bytes(&self) -> usize {
        self.0.reserved_bytes()
    }

    /// List directories anew from now on.
    fn forget_listings(&self) {
        self.0.caches().forget_listings();
    }

    /// What its caches may hold, by name: bytes, and seconds.
    fn cache_limits(&self) -> Named<Limit> {
        limits_of(self.0.caches())
    }

    /// Set what its caches may hold; those that aren't named stay as they are.
    fn set_cache_limits(&self, limits: HashMap<String, Limit>) -> PyResult<()> {
        set_limits(self.0.caches(), &limits)
    }

    /// How its caches are doing.
    fn cache_stats(&self) -> Named<Figures> {
        let stats = self.0.caches().stats().into_iter();
        stats.map(|(name, stats)| (name, figures(stats))).collect()
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
    ///
    /// A call of a function by one of the names `ambiguous` is refused.
    #[pyo3(signature = (plan, session, schema=None, ambiguous=HashSet::new()))]
    fn run(
        &self,
        py: Python<'_>,
        plan: &Bound<'_, PyAny>,
        session: &Bound<'_, PyAny>,
        schema: Option<PySchema>,
        ambiguous: HashSet<String>,
    ) -> PyResult<EngineRun> {
        abi_check::check(py)?;
        // Tables in memory that nobody takes are freed when this ends.
        let _scope = RegistrationScope::begin();
        let bytes = match plan.cast::<PyBytes>() {
            Ok(bytes) => bytes.clone(),
            Err(_) => written(plan, session)?,
        };
        let foreign: Arc<dyn LogicalExtensionCodec> =
            (&foreign_session::logical_codec(session)?).into();
        let codec = ForeignPlanCodec::new(foreign, Arc::new(guard_udf));
        let config = foreign_session::settings(session)?;
        let expected = schema.map(PySchema::into_inner);
        let bytes = bytes.as_bytes();
        let planned = py.detach(|| {
            let work = self
                .0
                .plan(bytes, codec, config, expected.as_deref(), &ambiguous);
            dfd_runtime::block_on(work)
        });
        match planned {
            Ok(Ok(query)) => Ok(EngineRun::new(query, expected, session.clone().unbind())),
            Ok(Err(unsupported)) => Err(errors::unplanned(py, &unsupported, unsupported.code())),
            Err(panic @ dfd_runtime::Error::Panicked(_)) => {
                Err(errors::unplanned(py, &panic, "unplannable"))
            }
            Err(error) => Err(errors::table(py, &error)),
        }
    }
}

/// Refuse Python functions whose copy isn't as good as the original.
fn guard_udf(name: &str, payload: &[u8]) -> Result<(), DataFusionError> {
    if !payload.starts_with(b"DFPY") {
        return Ok(());
    }
    let captured = Python::attach(|py| -> PyResult<Option<String>> {
        calling::function(py, "dfd_native.udf_pickling", "captured_state")?
            .run((PyBytes::new(py, payload),))?
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

/// The bytes of a plan that reads the newest versions of its tables, or those that its query has chosen.
fn written<'py>(
    plan: &Bound<'py, PyAny>,
    session: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = plan.py();
    let versions = QueryVersions::current().unwrap_or_default();
    loop {
        versions.enter();
        let bytes = encoded(plan, session);
        QueryVersions::leave();
        let bytes = bytes?;
        let caught_up = py.detach(|| dfd_runtime::block_on(versions.catch_up()));
        let caught_up = caught_up.map_err(|error| errors::table(py, &error))?;
        if !caught_up.map_err(|error| errors::table(py, &error))? {
            return Ok(bytes);
        }
    }
}

/// The bytes of a plan, as its session writes them.
fn encoded<'py>(
    plan: &Bound<'py, PyAny>,
    session: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = plan.py();
    let bytes = plan.run_method("to_bytes", (session,));
    match bytes {
        Ok(bytes) => Ok(bytes.cast_into::<PyBytes>()?),
        Err(error) if error.is_instance_of::<PyException>(py) => Err(errors::refusal(
            py,
            &format!("the plan can't be written: {error}"),
            "unwritable",
        )),
        Err(error) => Err(error),
    }
}
