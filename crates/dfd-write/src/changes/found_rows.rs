//! Rows that a query finds: where they are, and what becomes of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use dfd_delta::RowSet;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::cancellation::{CancellationToken, unless_cancelled};
use crate::error::{Error, RuleViolation, SourceError};
use crate::plan::shared_stream::Input;
use crate::schema::expressions::describe_value;

/// The columns of a query that say where a row is: those of its file and of its number there.
const PLACE_COLUMNS: usize = 2;
/// Batches of rows that wait for the other part to be written.
const WAITING: usize = 2;

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Delete,
    Update,
    Insert,
}

/// A query of the rows that a statement changes.
///
/// Its columns are those of a row's file, its number there and the clause by which it changes, then the keys, then the
/// columns that it has afterwards.
pub(crate) struct ChangeQuery {
    pub(crate) plan: LogicalPlan,
    /// What each clause does.
    pub(crate) effects: Vec<Effect>,
    /// Names of columns by which a row of the table is told.
    pub(crate) keys: Vec<String>,
    /// Whether a row may be found more than once.
    pub(crate) allows_repeats: bool,
}

/// The rows that were found so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) deleted: RowSet,
    pub(crate) updated: RowSet,
    pub(crate) inserted: u64,
}

/// Where the rows are that were read so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Found>>);

impl Places {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that were read so far.
    pub(crate) fn so_far(&self) -> Found {
        self.found().clone()
    }

    /// Gives them, and forgets them.
    pub(crate) fn take(&self) -> Found {
        std::mem::take(&mut *self.found())
    }
}

impl Found {
    /// Where the rows of the table are that change.
    pub(crate) fn places(&self) -> RowSet {
        self.deleted.clone().and(&self.updated)
    }

    /// Takes in a row of the table; false where it was there.
    fn insert(&mut self, effect: Effect, file: usize, row: u64) -> bool {
        let (rows, others) = match effect {
            Effect::Delete => (&mut self.deleted, &self.updated),
            _ => (&mut self.updated, &self.deleted),
        };
        !others.contains(file, row) && rows.insert(file, row)
    }
}

/// Rows that a query finds, each with what becomes of it; to be read to their end.
pub(crate) struct FoundRows {
    pub(crate) schema: SchemaRef,
    batches: BoxStream<'static, Result<Rows, SourceError>>,
    /// Where those are that were read.
    pub(crate) places: Places,
}

/// Rows as they are afterwards.
pub(crate) struct Rows {
    effects: Vec<Effect>,
    /// The file of each, and its number there; None of those that are inserted.
    pub(crate) places: Vec<Option<(usize, u64)>>,
    pub(crate) columns: RecordBatch,
}

impl Rows {
    /// Those of some effects.
    fn only(&self, is_wanted: impl Fn(Effect) -> bool) -> Result<RecordBatch, SourceError> {
        if self.effects.iter().all(|effect| is_wanted(*effect)) {
            return Ok(self.columns.clone());
        }
        let wanted = self.effects.iter().map(|effect| Some(is_wanted(*effect)));
        let wanted: BooleanArray = wanted.collect();
        Ok(filter_record_batch(&self.columns, &wanted)?)
    }
}

impl FoundRows {
    /// The rows that there are afterwards.
    pub(crate) fn written(self) -> Input {
        let batches = self
            .batches
            .map(|rows| rows?.only(|effect| effect != Effect::Delete));
        Input {
            schema: self.schema,
            batches: batches.boxed(),
        }
    }

    /// Those that are updated, and those that are inserted; both are to be read at once.
    pub(crate) fn parted(self) -> (Input, Input) {
        let (sender, inserted) = mpsc::channel(WAITING);
        let updated = self.batches.then(move |rows| {
            let sender = sender.clone();
            async move {
                let rows = rows?;
                let inserted = rows.only(|effect| effect == Effect::Insert)?;
                // Whoever reads them not to their end tells why.
                let _ended = sender.send(Ok(inserted)).await;
                rows.only(|effect| effect == Effect::Update)
            }
        });
        let input = |batches| Input {
            schema: Arc::clone(&self.schema),
            batches,
        };
        let inserted = stream::unfold(inserted, |mut inserted| async {
            let rows = inserted.recv().await?;
            Some((rows, inserted))
        });
        (input(updated.boxed()), input(inserted.boxed()))
    }

    /// The next of them.
    ///
    /// # Errors
    /// The query fails.
    pub(crate) async fn next(
        &mut self,
        cancellation: &CancellationToken,
    ) -> Result<Option<Rows>, Error> {
        let rows = unless_cancelled(cancellation, self.batches.next()).await?;
        rows.transpose().map_err(Error::of_query)
    }

    /// The same rows, where some were read already.
    pub(crate) fn after(self, read: Vec<Rows>) -> Self {
        let read = stream::iter(read.into_iter().map(Ok));
        Self {
            batches: read.chain(self.batches).boxed(),
            ..self
        }
    }

    /// Reads them to their end.
    ///
    /// # Errors
    /// The query fails.
    pub(crate) async fn drain(mut self, cancellation: &CancellationToken) -> Result<(), Error> {
        while self.next(cancellation).await?.is_some() {}
        Ok(())
    }
}

/// Runs a query until it finds a row. None where it finds none.
///
/// # Errors
/// The query can't be planned, or fails before its first row.
pub(crate) async fn found_rows(
    query: ChangeQuery,
    state: SessionState,
    cancellation: &CancellationToken,
) -> Result<Option<FoundRows>, Error> {
    let planned = unless_cancelled(cancellation, state.create_physical_plan(&query.plan)).await?;
    let mut batches =
        execute_stream(planned.map_err(unfound)?, state.task_ctx()).map_err(unfound)?;
    let first = loop {
        match unless_cancelled(cancellation, batches.next()).await? {
            None => return Ok(None),
            Some(batch) => match batch.map_err(unfound)? {
                batch if batch.num_rows() == 0 => {}
                batch => break batch,
            },
        }
    };
    let places = Places::default();
    let columns = batches.schema();
    let written = columns.fields().iter().skip(query.columns_before());
    let schema = Arc::new(Schema::new(written.cloned().collect::<Vec<_>>()));
    let found = places.clone();
    let batches = stream::iter([Ok(first)]).chain(batches);
    let batches = batches.map(move |batch| query.rows(&batch?, &mut found.found()));
    Ok(Some(FoundRows {
        schema,
        batches: batches.boxed(),
        places,
    }))
}

impl ChangeQuery {
    fn columns_before(&self) -> usize {
        PLACE_COLUMNS + 1 + self.keys.len()
    }

    /// Takes in where the rows of a batch are; gives what becomes of them.
    fn rows(&self, batch: &RecordBatch, found: &mut Found) -> Result<Rows, SourceError> {
        let [files, numbers, clauses] =
            [0, 1, PLACE_COLUMNS].map(|place| batch.column(place).as_primitive::<Int64Type>());
        let mut effects = Vec::with_capacity(batch.num_rows());
        let mut places = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let clause = usize::try_from(clauses.value(row)).ok();
            let effect = clause.and_then(|clause| self.effects.get(clause));
            let effect = *effect.ok_or("a row has no clause by which it changes")?;
            effects.push(effect);
            if effect == Effect::Insert {
                found.inserted += 1;
                places.push(None);
                continue;
            }
            let file = usize::try_from(files.value(row)).ok();
            let place = file.zip(u64::try_from(numbers.value(row)).ok());
            let is_null = files.is_null(row) || numbers.is_null(row);
            let place = place.filter(|_| !is_null);
            let (file, number) = place.ok_or("a row has no place in its file")?;
            places.push(Some((file, number)));
            if !found.insert(effect, file, number) && !self.allows_repeats {
                return Err(self.repeated(batch, row)?.into());
            }
        }
        let columns: Vec<_> = (self.columns_before()..batch.num_columns()).collect();
        Ok(Rows {
            effects,
            places,
            columns: batch.project(&columns)?,
        })
    }

    fn repeated(&self, batch: &RecordBatch, row: usize) -> Result<RuleViolation, SourceError> {
        let keys = self.keys.iter().zip(PLACE_COLUMNS + 1..);
        let values = keys.map(|(name, place)| {
            let value = describe_value(batch.column(place), row);
            (name.clone(), value)
        });
        Ok(RuleViolation::SeveralMatches {
            values: values.collect(),
        })
    }
}

fn unfound(error: DataFusionError) -> Error {
    Error::of_query(error.into())
}
