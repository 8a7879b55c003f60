//! The source of a MERGE: a stream that is read once, as a table of the query.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::future::ready;
use futures::{StreamExt, stream};

use crate::changes::key_ranges::KeyRanges;
use crate::error::{Error, SourceError};
use crate::plan::shared_stream::Input;

/// A stream, and what is known of it while a query reads it.
#[derive(Debug, Clone)]
pub(crate) struct MergeSource(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    schema: SchemaRef,
    input: Mutex<Option<Input>>,
    rows: AtomicU64,
    keys: Mutex<KeyRanges>,
    is_read: AtomicBool,
    failure: Mutex<Option<SourceError>>,
}

impl MergeSource {
    /// Rows of `input`.
    pub(crate) fn new(input: Input) -> Self {
        Self(Arc::new(Shared {
            schema: Arc::clone(&input.schema),
            input: Mutex::new(Some(input)),
            rows: AtomicU64::new(0),
            keys: Mutex::default(),
            is_read: AtomicBool::new(false),
            failure: Mutex::new(None),
        }))
    }

    /// The columns of its rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    /// Counts the rows that were read.
    pub(crate) fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Keeps the ranges of these keys.
    pub(crate) fn watch(&self, keys: KeyRanges) {
        *locked(&self.0.keys) = keys;
    }

    /// What is true of every row of the table that may match one of its rows; None where any may.
    ///
    /// # Errors
    /// None is known.
    pub(crate) fn reach(&self) -> Result<Option<Expr>, Error> {
        match self.0.is_read.load(Ordering::Acquire) {
            true => Ok(locked(&self.0.keys).condition()?),
            false => Ok(None),
        }
    }

    /// The table of its rows.
    ///
    /// # Errors
    /// None is known.
    pub(crate) fn table(&self) -> Result<Arc<dyn TableProvider>, Error> {
        let partition: Arc<dyn PartitionStream> = Arc::new(self.clone());
        let table = StreamingTable::try_new(Arc::clone(&self.0.schema), vec![partition])?;
        Ok(Arc::new(table))
    }

    /// The error of the stream itself, where it is why a query failed; else the query's.
    pub(crate) fn or_failure(&self, error: Error) -> Error {
        match locked(&self.0.failure).take() {
            Some(reason) => Error::Source {
                rows: self.rows(),
                reason,
            },
            None => error,
        }
    }
}

impl PartitionStream for MergeSource {
    fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.0.schema);
        let Some(input) = locked(&self.0.input).take() else {
            let again = DataFusionError::Execution("the source is read once".to_owned());
            let failed = stream::iter([Err(again)]);
            return Box::pin(RecordBatchStreamAdapter::new(schema, failed));
        };
        let (shared, ended) = (Arc::clone(&self.0), Arc::clone(&self.0));
        let end = stream::once(async move {
            ended.is_read.store(true, Ordering::Release);
            None
        });
        let batches = input.batches.map(move |batch| match batch {
            Ok(batch) => {
                let rows = batch.num_rows() as u64;
                shared.rows.fetch_add(rows, Ordering::Relaxed);
                locked(&shared.keys).update(&batch)?;
                Ok(batch)
            }
            Err(reason) => {
                let told = DataFusionError::Execution(reason.to_string());
                *locked(&shared.failure) = Some(reason);
                Err(told)
            }
        });
        let batches = batches.chain(end.filter_map(ready));
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
