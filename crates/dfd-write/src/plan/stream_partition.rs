//! One writer's part of a shared stream, as rows of the table.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{BatchCoalescer, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream::try_unfold;

use crate::error::Error;
use crate::first_error::FirstError;
use crate::plan::batch_size::{is_large_enough, is_whole, sliced_bytes};
use crate::plan::shared_stream::SharedStream;
use crate::plan::z_order::ZOrder;
use crate::schema::transform::BatchTransform;

/// A partition of a plan that reads a shared stream.
#[derive(Debug)]
pub(crate) struct StreamPartition {
    /// The stream that all partitions read.
    pub(crate) stream: Arc<SharedStream>,
    /// How its batches become rows of the table.
    pub(crate) transform: Arc<BatchTransform>,
    /// What gives the rows their keys, if they are sorted by any.
    pub(crate) z_order: Option<Arc<ZOrder>>,
    /// The columns of the table, and the keys.
    pub(crate) columns: SchemaRef,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
    /// How many writers must be worthwhile beside the first before this one reads.
    pub(crate) starts_after_writers: usize,
    /// Whether batches own their memory, so that what holds them knows how much it holds.
    pub(crate) is_compact: bool,
    /// Where errors go.
    pub(crate) first_error: FirstError,
}

impl PartitionStream for StreamPartition {
    fn schema(&self) -> &SchemaRef {
        &self.columns
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reader = PartitionReader {
            stream: Arc::clone(&self.stream),
            transform: Arc::clone(&self.transform),
            z_order: self.z_order.clone(),
            coalescer: BatchCoalescer::new(Arc::clone(&self.columns), self.batch_rows),
            coalesced_bytes: 0,
            starts_after_writers: self.starts_after_writers,
            is_compact: self.is_compact,
            is_over: false,
        };
        let first_error = self.first_error.clone();
        let batches =
            try_unfold(
                (reader, first_error),
                async |(mut reader, first_error)| match reader.next().await {
                    Ok(batch) => Ok(batch.map(|batch| (batch, (reader, first_error)))),
                    Err(error) => Err(first_error.record_for_operator(error)),
                },
            );
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.columns),
            batches,
        ))
    }
}

struct PartitionReader {
    stream: Arc<SharedStream>,
    transform: Arc<BatchTransform>,
    z_order: Option<Arc<ZOrder>>,
    coalescer: BatchCoalescer,
    coalesced_bytes: usize,
    starts_after_writers: usize,
    is_compact: bool,
    is_over: bool,
}

impl PartitionReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.starts_after_writers > 0 {
            let writers = std::mem::take(&mut self.starts_after_writers);
            self.stream.wait_until_worthwhile(writers).await;
        }
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.is_over {
                return Ok(None);
            }
            let Some(slice) = self.stream.next().await? else {
                self.is_over = true;
                self.coalescer.finish_buffered_batch()?;
                continue;
            };
            let mut batch = self.transform.apply(&slice.batch, slice.first_row)?;
            if let Some(z_order) = &self.z_order {
                batch = z_order.with_keys(&batch)?;
            }
            let bytes = sliced_bytes(&batch);
            if is_large_enough(batch.num_rows(), bytes) && self.coalescer.is_empty() {
                return self.compact(batch, bytes).map(Some);
            }
            self.coalesce(batch, bytes)?;
        }
    }

    /// Joins a small batch to those before it.
    fn coalesce(&mut self, batch: RecordBatch, bytes: usize) -> Result<(), Error> {
        self.coalescer.push_batch(batch)?;
        self.coalesced_bytes += bytes;
        if is_whole(self.coalesced_bytes) {
            self.coalescer.finish_buffered_batch()?;
        }
        if self.coalescer.is_empty() || self.coalescer.has_completed_batch() {
            self.coalesced_bytes = 0;
        }
        Ok(())
    }

    /// Copies the rows if their arrays keep much more memory than they need.
    fn compact(&self, batch: RecordBatch, bytes: usize) -> Result<RecordBatch, Error> {
        if !self.is_compact || get_record_batch_memory_size(&batch) < bytes.saturating_mul(2) {
            return Ok(batch);
        }
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let all = UInt32Array::from_iter_values(0..rows);
        Ok(take_record_batch(&batch, &all)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::SessionContext;
    use dfd_delta::TableDescription;
    use futures::StreamExt;

    use crate::error::SourceError;
    use crate::plan::batch_size::BatchSize;
    use crate::schema::delta_types::Nulls;
    use crate::schema::requirements::WriteRequirements;
    use crate::testing::{batch, input, int64s};

    fn partition(batches: Vec<std::result::Result<RecordBatch, SourceError>>) -> StreamPartition {
        let input = input(batches);
        let plain = TableDescription::default();
        let requirements =
            WriteRequirements::for_new_table(&input.schema, &[], Nulls::AsGiven, &plain).unwrap();
        StreamPartition {
            transform: Arc::new(requirements.transform(&input.schema).unwrap()),
            columns: Arc::clone(requirements.columns()),
            stream: Arc::new(SharedStream::new(input)),
            z_order: None,
            batch_rows: BatchSize::DEFAULT.rows,
            starts_after_writers: 0,
            is_compact: false,
            first_error: FirstError::default(),
        }
    }

    fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
        batch(vec![("a", int64s(rows.map(Some)))])
    }

    fn rows_of_batches(partition: &StreamPartition) -> Vec<Option<usize>> {
        let batches = partition.execute(SessionContext::new().task_ctx());
        let counts = batches.map(|batch| batch.ok().map(|batch| batch.num_rows()));
        dfd_runtime::block_on(counts.collect()).unwrap()
    }

    #[test]
    fn small_batches_are_joined_and_large_ones_are_not() {
        let few = || Ok(numbers(0..1_000));
        let joined = partition((0..10).map(|_| few()).collect());
        assert_eq!(rows_of_batches(&joined), [Some(8192), Some(1808)]);
        let large = partition(vec![Ok(numbers(0..5_000)), Ok(numbers(0..6_000))]);
        assert_eq!(rows_of_batches(&large), [Some(5_000), Some(6_000)]);
    }

    #[test]
    fn an_error_ends_the_partition_and_is_kept() {
        let broken = partition(vec![Ok(numbers(0..10)), Err("broken".into())]);
        assert_eq!(rows_of_batches(&broken), [None]);
        let kept = broken.first_error.take();
        assert!(kept.is_some_and(|error| matches!(error, Error::Source { rows: 10, .. })));
    }

    #[test]
    fn partitions_share_the_rows_of_a_stream() {
        let first = partition(vec![Ok(numbers(0..30_000))]);
        let second = StreamPartition {
            stream: Arc::clone(&first.stream),
            transform: Arc::clone(&first.transform),
            columns: Arc::clone(&first.columns),
            z_order: None,
            batch_rows: first.batch_rows,
            starts_after_writers: 1,
            is_compact: true,
            first_error: first.first_error.clone(),
        };
        let context = SessionContext::new().task_ctx();
        let mut one = first.execute(Arc::clone(&context));
        let work = async {
            let taken = one.next().await.unwrap().unwrap().num_rows();
            let rest = rows_in(one).await;
            (taken, rest, rows_in(second.execute(context)).await)
        };
        let (taken, rest, other) = dfd_runtime::block_on(work).unwrap();
        assert_eq!((taken, taken + rest + other), (8192, 30_000));
    }

    async fn rows_in(batches: SendableRecordBatchStream) -> usize {
        let counts = batches.map(|batch| batch.unwrap().num_rows());
        counts.fold(0, |sum, rows| async move { sum + rows }).await
    }
}
