//! Rows of a table, deleted, updated and merged: what a commit has to say of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use datafusion::execution::session_state::SessionState;
use dfd_delta::{DefinitionChange, ExistingFile};
use dfd_engine::EngineConfig;
use dfd_write::{
    ChangeRequest, Clause, ClauseRows, Merge, SchemaMode, Settings, StagedFiles, Statement,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::delta_log::ActiveFiles;
use crate::stage::{Reading, Stage, input, run};
use crate::support::location::location;
use crate::support::{abi_check, errors};

/// Files with another deletion vector.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct MarkedFiles(pub(crate) Vec<ExistingFile>);

/// What the next version has to say, so that rows are changed.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct RowChange {
    change: Arc<dfd_write::RowChange>,
    staged: Mutex<Option<StagedFiles>>,
}

impl RowChange {
    fn of(mut change: dfd_write::RowChange) -> Self {
        let staged = Mutex::new(change.staged.take());
        Self {
            change: Arc::new(change),
            staged,
        }
    }
}

#[pymethods]
impl RowChange {
    /// Files that go, or come back with another deletion vector.
    #[getter]
    fn removes(&self) -> ActiveFiles {
        ActiveFiles(self.change.removes())
    }

    /// Those that come back.
    #[getter]
    fn marked(&self) -> MarkedFiles {
        MarkedFiles(self.change.existing().to_vec())
    }

    /// New files, for whoever asks first.
    fn take_staged(&self) -> Option<Stage> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.take().map(Stage::of)
    }

    #[getter]
    fn metrics(&self) -> BTreeMap<&'static str, u64> {
        self.change.metrics()
    }

    /// The same on top of a later version; None where it has to be worked out again.
    fn rebased_on(&self, py: Python<'_>, version: u64) -> PyResult<Option<Self>> {
        let (change, state) = (Arc::clone(&self.change), state()?);
        let work =
            |cancellation| async move { change.rebased_on(version, state, &cancellation).await };
        Ok(run(py, work, None)?.map(Self::of))
    }
}

/// Rows that match go.
#[pyfunction]
#[pyo3(signature = (
    uri, options, version, predicate, inserted, compression, target_file_bytes, writers
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn delete_rows(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    predicate: Option<String>,
    inserted: Option<Py<Stage>>,
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
) -> PyResult<RowChange> {
    let request = ChangeRequest {
        version,
        statement: Statement::Delete {
            condition: predicate,
        },
        source: None,
        definition: inserted
            .as_ref()
            .map_or_else(Default::default, |stage| stage.get().definition().clone()),
        inserted: inserted.map_or(Vec::new(), |stage| stage.get().files().to_vec()),
        settings: settings(compression, target_file_bytes, writers)?,
    };
    changed(py, uri, &options, request, None)
}

/// Columns of rows that match get values.
#[pyfunction]
#[pyo3(signature = (
    uri, options, version, updates, predicate, compression, target_file_bytes, writers
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn update_rows(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    updates: Vec<(String, String)>,
    predicate: Option<String>,
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
) -> PyResult<RowChange> {
    let request = ChangeRequest {
        version,
        statement: Statement::Update {
            values: updates,
            condition: predicate,
        },
        source: None,
        inserted: Vec::new(),
        definition: DefinitionChange::default(),
        settings: settings(compression, target_file_bytes, writers)?,
    };
    changed(py, uri, &options, request, None)
}

/// A clause of a MERGE: its rows, its predicate, and its values unless rows go.
type ClauseParts = (String, Option<String>, Option<Vec<(String, String)>>);

/// Rows become what those of a source say.
#[pyfunction]
#[pyo3(signature = (
    uri, options, version, source, predicate, source_alias, target_alias, clauses, merge_schema,
    compression, target_file_bytes, writers
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn merge_rows(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    source: &Bound<'_, PyAny>,
    predicate: String,
    source_alias: String,
    target_alias: String,
    clauses: Vec<ClauseParts>,
    merge_schema: bool,
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
) -> PyResult<RowChange> {
    let settings = Settings {
        schema_mode: merge_schema.then_some(SchemaMode::Merge),
        ..settings(compression, target_file_bytes, writers)?
    };
    let merge = Merge {
        condition: predicate,
        source: source_alias,
        target: target_alias,
        clauses: clauses.into_iter().map(clause).collect::<PyResult<_>>()?,
    };
    let (source, reading) = input(source)?;
    let request = ChangeRequest {
        version,
        statement: Statement::Merge(merge),
        source: Some(source),
        inserted: Vec::new(),
        definition: DefinitionChange::default(),
        settings,
    };
    changed(py, uri, &options, request, reading)
}

fn clause((rows, condition, values): ClauseParts) -> PyResult<Clause> {
    let rows = match (rows.as_str(), &values) {
        ("matched", _) => ClauseRows::Matched,
        ("not_matched", Some(_)) => ClauseRows::NotMatched,
        ("not_matched_by_source", _) => ClauseRows::NotMatchedBySource,
        _ => {
            return Err(PyValueError::new_err(format!(
                "no clause is for rows {rows}"
            )));
        }
    };
    Ok(Clause {
        rows,
        condition,
        values,
    })
}

fn settings(
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
) -> PyResult<Settings> {
    Ok(Settings {
        compression: compression.parse().map_err(PyValueError::new_err)?,
        target_file_bytes,
        writers,
        ..Settings::default()
    })
}

fn changed(
    py: Python<'_>,
    uri: &str,
    options: &HashMap<String, String>,
    request: ChangeRequest,
    reading: Option<Reading>,
) -> PyResult<RowChange> {
    abi_check::check(py)?;
    let (location, state) = (location(py, uri, options)?, state()?);
    let work = |cancellation| dfd_write::change_rows(location, request, state, cancellation);
    Ok(RowChange::of(run(py, work, reading)?))
}

/// The engine in which rows are found that change.
pub(crate) fn state() -> PyResult<SessionState> {
    static ENGINE: LazyLock<Result<dfd_engine::Engine, String>> = LazyLock::new(|| {
        let caches = Arc::clone(dfd_runtime::process_caches());
        let engine = dfd_engine::Engine::try_new(EngineConfig::default(), caches);
        engine.map_err(|error| error.to_string())
    });
    match &*ENGINE {
        Ok(engine) => Ok(engine.session_state()),
        Err(reason) => Err(errors::value(reason)),
    }
}
