//! Staged writes.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use arrow::array::RecordBatchReader;
use dfd_arrow::panic_message;
use dfd_delta::{Add, DefinitionChange};
use dfd_write::{
    AbandonedStage, AddFile, CancellationToken, Error, Input, Nulls, Rewrite, SchemaMode, Settings,
    SourceError, StagedFiles,
};
use futures::{StreamExt, stream};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::mpsc::channel;

use crate::descriptions::Description;
use crate::engine_run::EngineRun;
use crate::support::arrow_import::reader;
use crate::support::interrupt::text;
use crate::support::location::location;
use crate::support::{abi_check, errors, polling};

/// Batches of another library's stream that may wait.
const WAITING: usize = 2;
/// How long a stage that is over waits for the thread that reads its stream.
const READING: Duration = Duration::from_millis(500);
/// How long an interrupt waits for what was written to be removed.
const TIDYING: Duration = Duration::from_secs(5);

/// Files that were staged; removed when this goes, unless they were released.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct Stage(StagedFiles);

impl Stage {
    /// Those files.
    pub(crate) fn of(files: StagedFiles) -> Self {
        Self(files)
    }

    /// The files' add actions.
    pub(crate) fn adds(&self) -> impl Iterator<Item = Add> {
        self.0.added().iter().map(AddFile::action)
    }

    /// What their commit makes of the table itself.
    pub(crate) fn definition(&self) -> &DefinitionChange {
        self.0.requirements().definition()
    }

    /// The files.
    pub(crate) fn files(&self) -> &[AddFile] {
        self.0.added()
    }

    /// The actions of the files of changed rows, but for their kind.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Add> {
        self.0.changes().iter().map(AddFile::action)
    }
}

#[pymethods]
impl Stage {
    #[getter]
    fn stage_id(&self) -> &str {
        self.0.id()
    }

    #[getter]
    fn read_version(&self) -> Option<u64> {
        self.0.requirements().read_version()
    }

    #[getter]
    fn schema_json(&self, py: Python<'_>) -> PyResult<String> {
        let schema = self.0.requirements().delta_schema();
        schema.map_err(|error| errors::stage(py, &error))
    }

    #[getter]
    fn partition_by(&self) -> Vec<String> {
        self.0.requirements().partition_columns().to_vec()
    }

    /// As `deltalake.transaction.AddAction` takes them.
    #[getter]
    fn actions<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let actions = self.0.added().iter().map(|file| {
            let values = PyDict::new(py);
            for (name, value) in &file.partition_values {
                values.set_item(name, value.as_deref())?;
            }
            let action = PyDict::new(py);
            action.set_item("path", &file.path)?;
            action.set_item("size", file.size)?;
            action.set_item("partition_values", values)?;
            action.set_item("modification_time", file.modification_time)?;
            action.set_item("stats", &file.stats)?;
            Ok(action)
        });
        actions.collect()
    }

    #[getter]
    fn file_bytes(&self) -> Vec<u64> {
        self.0.added().iter().map(|file| file.size).collect()
    }

    #[getter]
    fn metrics(&self) -> BTreeMap<&'static str, f64> {
        self.0.metrics().clone()
    }

    fn release(&self, py: Python<'_>) -> PyResult<()> {
        let released = py.detach(|| dfd_runtime::block_on(self.0.release()));
        settled(py, released)
    }

    fn drop(&self, py: Python<'_>) -> PyResult<()> {
        let removed = py.detach(|| dfd_runtime::block_on(self.0.discard()));
        settled(py, removed)
    }
}

fn settled(py: Python<'_>, outcome: Result<Result<(), Error>, dfd_runtime::Error>) -> PyResult<()> {
    outcome
        .map_err(|error| dfd_delta::Error::from(error).into())
        .flatten()
        .map_err(|error| errors::stage(py, &error))
}

/// Stage what `data` gives.
#[pyfunction]
#[pyo3(signature = (
    uri, options, data, partition_by, schema_mode, all_nullable, description, sort_by, predicate,
    compression, target_file_bytes, writers, memory_limit_bytes
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn stage(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    data: &Bound<'_, PyAny>,
    partition_by: Option<Vec<String>>,
    schema_mode: Option<&str>,
    all_nullable: bool,
    description: Description,
    sort_by: Vec<String>,
    predicate: Option<String>,
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
    memory_limit_bytes: Option<usize>,
) -> PyResult<Stage> {
    abi_check::check(py)?;
    let schema_mode = match schema_mode {
        None => None,
        Some("merge") => Some(SchemaMode::Merge),
        Some("overwrite") => Some(SchemaMode::Overwrite),
        Some("replace") => Some(SchemaMode::Replace),
        Some(other) => {
            let refused =
                format!("`schema_mode` is 'merge', 'overwrite' or 'replace', not {other:?}");
            return Err(PyValueError::new_err(refused));
        }
    };
    let nulls = match all_nullable {
        true => Nulls::Everywhere,
        false => Nulls::AsGiven,
    };
    let settings = Settings {
        partition_by,
        schema_mode,
        nulls,
        description: description.of_table(),
        sort_by,
        compression: compression.parse().map_err(PyValueError::new_err)?,
        target_file_bytes,
        writers,
        memory_limit_bytes,
        predicate,
    };
    let location = location(py, uri, &options)?;
    let (input, reading) = input(data)?;
    let work = |cancellation| dfd_write::stage(location, input, settings, cancellation);
    run(py, work, reading).map(Stage::of)
}

/// Write files of a version anew.
#[pyfunction]
#[pyo3(signature = (
    uri, options, version, paths, sort_by, z_order_by, compression, target_file_bytes, writers,
    memory_limit_bytes
))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn rewrite(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
    version: u64,
    paths: Vec<String>,
    sort_by: Vec<String>,
    z_order_by: Vec<String>,
    compression: &str,
    target_file_bytes: Option<u64>,
    writers: Option<usize>,
    memory_limit_bytes: Option<usize>,
) -> PyResult<Stage> {
    let wanted = Rewrite {
        version,
        paths,
        z_order_by,
        settings: Settings {
            sort_by,
            compression: compression.parse().map_err(PyValueError::new_err)?,
            target_file_bytes,
            writers,
            memory_limit_bytes,
            ..Settings::default()
        },
    };
    let location = location(py, uri, &options)?;
    run(
        py,
        |cancellation| dfd_write::rewrite(location, wanted, cancellation),
        None,
    )
    .map(Stage::of)
}

/// Do the work on our threads; a stream that another library gives is `reading`.
pub(crate) fn run<T, W>(
    py: Python<'_>,
    work: impl FnOnce(CancellationToken) -> W,
    reading: Option<Reading>,
) -> PyResult<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Error>> + Send + 'static,
{
    let handle = dfd_runtime::handle().map_err(|error| errors::table(py, &error))?;
    let cancellation = CancellationToken::new();
    let (done, mut outcome) = sync_channel(1);
    let work = work(cancellation.clone());
    let work = handle.spawn(async move {
        // Where nobody waits any more, what was staged is dropped here.
        let _gone = done.send(work.await);
    });
    let outcome = wait(py, &mut outcome, &cancellation);
    if let Some(mut reading) = reading {
        // A thread in Python code would end the process badly when the interpreter ends.
        py.detach(move || {
            let reading = &mut reading;
            dfd_runtime::blocking(move || reading.recv_timeout(READING).is_ok())
        });
    }
    match outcome? {
        Some(Ok(staged)) => Ok(staged),
        Some(Err(error)) => Err(errors::stage(py, &error)),
        None => {
            let ended = py.detach(|| dfd_runtime::block_on(work));
            let ended = ended.and_then(|work| work.map_err(dfd_runtime::Error::from));
            let error = ended.err().unwrap_or_else(|| {
                dfd_runtime::Error::Runtime("the stage's work ended without an outcome".to_owned())
            });
            Err(errors::stage(py, &dfd_delta::Error::from(error).into()))
        }
    }
}

/// The outcome, with an eye on Ctrl-C; None where the work panicked.
fn wait<T: Send>(
    py: Python<'_>,
    outcome: &mut Receiver<Result<T, Error>>,
    cancellation: &CancellationToken,
) -> PyResult<Option<Result<T, Error>>> {
    let mut poll = |patience| {
        let waiting = &mut *outcome;
        dfd_runtime::blocking(move || match waiting.recv_timeout(patience) {
            Ok(outcome) => Poll::Ready(Some(outcome)),
            Err(RecvTimeoutError::Disconnected) => Poll::Ready(None),
            Err(RecvTimeoutError::Timeout) => Poll::Pending,
        })
    };
    polling::wait(py, &mut poll).inspect_err(|_| {
        cancellation.cancel();
        // Where it was done already, what was staged goes.
        let staged = polling::wait_at_most(py, TIDYING, poll);
        py.detach(|| drop(staged));
    })
}

/// Disconnected once the thread that reads a stream is over.
pub(crate) type Reading = Receiver<()>;

pub(crate) fn input(data: &Bound<'_, PyAny>) -> PyResult<(Input, Option<Reading>)> {
    if let Ok(run) = data.cast::<EngineRun>() {
        let batches = run.get().stream(data.py())?;
        let input = Input {
            schema: batches.schema(),
            batches: batches
                .map(|batch| batch.map_err(SourceError::from))
                .boxed(),
        };
        return Ok((input, None));
    }
    let (input, reading) = foreign(reader(data)?);
    Ok((input, Some(reading)))
}

/// A thread of its own reads another library's stream: it may block, and may need the GIL. It begins when rows are
/// asked for, so that what is refused before reads nothing.
fn foreign(mut reader: Box<dyn RecordBatchReader + Send>) -> (Input, Reading) {
    let schema = reader.schema();
    let (sender, mut batches) = channel(WAITING);
    let (reads, reading) = sync_channel::<()>(0);
    let read = move || {
        // The last to be dropped, after the reader.
        let _reads = reads;
        loop {
            let next = catch_unwind(AssertUnwindSafe(|| reader.next()));
            let next = match next {
                Ok(next) => next.map(|batch| batch.map_err(|error| text(&error).into())),
                Err(panic) => Some(Err(SourceError::from(format!(
                    "it panicked: {}",
                    panic_message(panic.as_ref())
                )))),
            };
            // Without a word for the end, a thread that died would look like it.
            let is_last = !matches!(next, Some(Ok(_)));
            if sender.blocking_send(next).is_err() || is_last {
                return;
            }
        }
    };
    let mut unread = Some(read);
    let mut is_over = false;
    let batches = stream::poll_fn(move |context| {
        if is_over {
            return Poll::Ready(None);
        }
        if let Some(read) = unread.take() {
            let thread = thread::Builder::new().name("dfd-source".to_owned());
            if let Err(error) = thread.spawn(read) {
                is_over = true;
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        batches.poll_recv(context).map(|item| match item {
            Some(Some(batch)) => Some(batch),
            Some(None) => {
                is_over = true;
                None
            }
            None => {
                is_over = true;
                Some(Err("the thread that reads it died".into()))
            }
        })
    });
    let input = Input {
        schema,
        batches: batches.boxed(),
    };
    (input, reading)
}

/// The stages of a table that a process works on: id, host, process, begin.
#[pyfunction]
pub(crate) fn live_stages(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
) -> PyResult<Vec<(String, String, u32, i64)>> {
    let location = location(py, uri, &options)?;
    let found = py.detach(|| dfd_runtime::block_on(dfd_write::live_stages(&location)));
    let found = found.map_err(|error| errors::table(py, &error))?;
    let found = found.map_err(|error| errors::stage(py, &error))?;
    let told = found.into_iter();
    Ok(told
        .map(|stage| (stage.stage_id, stage.host, stage.pid, stage.started_ms))
        .collect())
}

/// What a process that is gone has left: id, host, process, begin, expiry, files, bytes.
type Abandoned = (String, String, u32, i64, i64, Vec<String>, u64);

/// The stages of a table whose process is gone.
#[pyfunction]
pub(crate) fn abandoned_stages(
    py: Python<'_>,
    uri: &str,
    options: HashMap<String, String>,
) -> PyResult<Vec<Abandoned>> {
    let location = location(py, uri, &options)?;
    let found = py.detach(|| dfd_runtime::block_on(dfd_write::abandoned_stages(&location)));
    let found = found.map_err(|error| errors::table(py, &error))?;
    let found = found.map_err(|error| errors::stage(py, &error))?;
    let told = |stage: AbandonedStage| {
        (
            stage.stage_id,
            stage.host,
            stage.pid,
            stage.started_ms,
            stage.expires_ms,
            stage.files,
            stage.bytes,
        )
    };
    Ok(found.into_iter().map(told).collect())
}
