//! The batches of one stream, dealt to several writers.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewArray, RecordBatch, StringViewArray, UInt32Array};
use arrow::compute::{BatchCoalescer, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use futures::stream::{BoxStream, try_unfold};
use tokio::sync::{Mutex, watch};

use crate::error::{Error, SourceError};
use crate::first_error::FirstError;
use crate::plan::z_order::ZOrder;
use crate::schema::transform::Conform;

/// Rows that go through the operators at once, where they aren't wide.
const BATCH_ROWS: usize = 8192;
/// Bytes that go through the operators at once.
const BATCH_BYTES: usize = 1 << 20;
/// Of how much input a further writer is worth its file.
const SHARE_BYTES: u64 = 32 << 20;

/// A stream of batches, all of one schema.
pub struct Input {
    /// That of every batch.
    pub schema: SchemaRef,
    /// Read once, to its end or its first error.
    pub batches: BoxStream<'static, Result<RecordBatch, SourceError>>,
}

/// A stream that is read by turns, in pieces of a size that operators like.
pub struct Dealer {
    source: Mutex<Source>,
    dealt_bytes: watch::Sender<u64>,
}

struct Source {
    // None once it has ended or failed: it is never asked again.
    batches: Option<BoxStream<'static, Result<RecordBatch, SourceError>>>,
    rest: Option<Rest>,
    rows: u64,
}

/// How much goes through the operators at once.
#[derive(Debug, Clone, Copy)]
pub struct BatchSize {
    /// At most.
    pub rows: usize,
    /// About; more where a row is wider.
    pub bytes: usize,
}

impl BatchSize {
    const USUAL: Self = Self {
        rows: BATCH_ROWS,
        bytes: BATCH_BYTES,
    };
}

/// What is left of a batch, and how many of its rows make a piece.
struct Rest {
    batch: RecordBatch,
    fitting_rows: usize,
}

impl fmt::Debug for Dealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dealer").finish_non_exhaustive()
    }
}

/// A piece of the stream, and the place of its first row.
struct Piece {
    batch: RecordBatch,
    first_row: u64,
}

impl Dealer {
    /// Deals `input`.
    pub fn new(input: Input) -> Self {
        Self {
            source: Mutex::new(Source {
                batches: Some(input.batches),
                rest: None,
                rows: 0,
            }),
            dealt_bytes: watch::Sender::new(0),
        }
    }

    /// Rows that were dealt so far.
    pub async fn rows(&self) -> u64 {
        self.source.lock().await.rows
    }

    /// The rows and bytes of a batch, as the first rows of this stream have it.
    pub async fn batch_size(&self) -> Result<BatchSize, Error> {
        let mut source = self.source.lock().await;
        source.fill().await?;
        Ok(source.rest.as_ref().map_or(BatchSize::USUAL, |rest| {
            let rows = rest.fitting_rows.min(rest.batch.num_rows());
            BatchSize {
                rows: rest.fitting_rows,
                bytes: sliced_bytes(&rest.batch.slice(0, rows)).max(BATCH_BYTES),
            }
        }))
    }

    async fn next(&self) -> Result<Option<Piece>, Error> {
        let mut source = self.source.lock().await;
        source.fill().await?;
        let Some(Rest {
            mut batch,
            fitting_rows,
        }) = source.rest.take()
        else {
            self.dealt_bytes.send_replace(u64::MAX);
            return Ok(None);
        };
        let first_row = source.rows;
        if let Some(left) = batch.num_rows().checked_sub(fitting_rows)
            && left > 0
        {
            source.rest = Some(Rest {
                batch: batch.slice(fitting_rows, left),
                fitting_rows,
            });
            batch = batch.slice(0, fitting_rows);
        }
        source.rows += batch.num_rows() as u64;
        let bytes = sliced_bytes(&batch) as u64;
        self.dealt_bytes
            .send_modify(|dealt| *dealt = dealt.saturating_add(bytes));
        Ok(Some(Piece { batch, first_row }))
    }

    /// Wait until the stream is long enough for `writers` more than one, or over.
    async fn worth(&self, writers: usize) {
        let enough = SHARE_BYTES.saturating_mul(writers as u64);
        let mut dealt = self.dealt_bytes.subscribe();
        // The sender lives as long as this.
        let _closed = dealt.wait_for(|dealt| *dealt >= enough).await;
    }
}

impl Source {
    /// Have rows at hand, if there are any.
    async fn fill(&mut self) -> Result<(), Error> {
        while self.rest.is_none() {
            let Some(batches) = self.batches.as_mut() else {
                return Ok(());
            };
            match batches.next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => {
                    let fitting_rows = fitting_rows(&batch);
                    self.rest = Some(Rest {
                        batch,
                        fitting_rows,
                    });
                }
                None => self.batches = None,
                Some(Err(reason)) => {
                    self.batches = None;
                    return Err(Error::Source {
                        rows: self.rows,
                        reason,
                    });
                }
            }
        }
        Ok(())
    }
}

fn fitting_rows(batch: &RecordBatch) -> usize {
    let row_bytes = sliced_bytes(batch).div_ceil(batch.num_rows().max(1)).max(1);
    (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS)
}

/// Bytes of the rows, without what they share with others.
fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let of_views = |views: &[u128]| views.iter().map(|view| *view as u32 as usize).sum();
    let texts = array.as_any().downcast_ref::<StringViewArray>();
    let blobs = array.as_any().downcast_ref::<BinaryViewArray>();
    // Arrow leaves out the buffers to which views point.
    let viewed: usize = texts
        .map(|array| of_views(array.views()))
        .or_else(|| blobs.map(|array| of_views(array.views())))
        .unwrap_or_default();
    let data = array.to_data();
    viewed
        + data
            .get_slice_memory_size()
            .unwrap_or_else(|_| array.get_array_memory_size())
}

/// One writer's share of the stream, as rows of the table.
#[derive(Debug)]
pub struct Share {
    /// Of which stream.
    pub dealer: Arc<Dealer>,
    /// How its batches become rows of the table.
    pub conform: Arc<Conform>,
    /// What gives the rows their keys, if they are sorted by any.
    pub z_order: Option<Arc<ZOrder>>,
    /// The columns of the table, and the keys.
    pub columns: SchemaRef,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// How many writers must be worth it before this one reads.
    pub after: usize,
    /// Whether batches own their memory, so that what holds them knows how much it holds.
    pub is_compact: bool,
    /// Where errors go.
    pub first_error: FirstError,
}

impl PartitionStream for Share {
    fn schema(&self) -> &SchemaRef {
        &self.columns
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let reading = Reading {
            dealer: Arc::clone(&self.dealer),
            conform: Arc::clone(&self.conform),
            z_order: self.z_order.clone(),
            coalescer: BatchCoalescer::new(Arc::clone(&self.columns), self.batch_rows),
            held_bytes: 0,
            after: self.after,
            is_compact: self.is_compact,
            is_over: false,
        };
        let first_error = self.first_error.clone();
        let batches = try_unfold(reading, move |mut reading| {
            let first_error = first_error.clone();
            async move {
                match reading.next().await {
                    Ok(batch) => Ok(batch.map(|batch| (batch, reading))),
                    Err(error) => Err(first_error.record_for_operator(error)),
                }
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.columns),
            batches,
        ))
    }
}

struct Reading {
    dealer: Arc<Dealer>,
    conform: Arc<Conform>,
    z_order: Option<Arc<ZOrder>>,
    coalescer: BatchCoalescer,
    held_bytes: usize,
    after: usize,
    is_compact: bool,
    is_over: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        if self.after > 0 {
            self.dealer.worth(std::mem::take(&mut self.after)).await;
        }
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if self.is_over {
                return Ok(None);
            }
            let Some(piece) = self.dealer.next().await? else {
                self.is_over = true;
                self.coalescer.finish_buffered_batch()?;
                continue;
            };
            let mut batch = self.conform.apply(&piece.batch, piece.first_row)?;
            if let Some(z_order) = &self.z_order {
                batch = z_order.keyed(&batch)?;
            }
            let bytes = sliced_bytes(&batch);
            let is_whole = batch.num_rows() * 2 > BATCH_ROWS || bytes * 2 > BATCH_BYTES;
            if is_whole && self.coalescer.is_empty() {
                return self.compact(batch, bytes).map(Some);
            }
            self.coalescer.push_batch(batch)?;
            self.held_bytes += bytes;
            if self.held_bytes > BATCH_BYTES {
                self.coalescer.finish_buffered_batch()?;
            }
            if self.coalescer.is_empty() || self.coalescer.has_completed_batch() {
                self.held_bytes = 0;
            }
        }
    }

    fn compact(&self, batch: RecordBatch, bytes: usize) -> Result<RecordBatch, Error> {
        if !self.is_compact || get_record_batch_memory_size(&batch) < bytes.saturating_mul(2) {
            return Ok(batch);
        }
        let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
        let all = UInt32Array::from_iter_values(0..rows);
        Ok(take_record_batch(&batch, &all)?)
    }
}
