//! The source of a MERGE: a stream that is read once, as a table of the query.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, stream};

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
    failure: Mutex<Option<SourceError>>,
}

impl MergeSource {
    /// Rows of `input`.
    pub(crate) fn new(input: Input) -> Self {
        Self(Arc::new(Shared {
            schema: Arc::clone(&input.schema),
            input: Mutex::new(Some(input)),
            rows: AtomicU64::new(0),
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
        let shared = Arc::clone(&self.0);
        let batches = input.batches.map(move |batch| match batch {
            Ok(batch) => {
                let rows = batch.num_rows() as u64;
                shared.rows.fetch_add(rows, Ordering::Relaxed);
                Ok(batch)
            }
            Err(reason) => {
                let told = DataFusionError::Execution(reason.to_string());
                *locked(&shared.failure) = Some(reason);
                Err(told)
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
