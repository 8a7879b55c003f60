//! One stream that several writers read by turns.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{Mutex, watch};

use crate::error::{Error, SourceError};
use crate::plan::batch_size::{BatchSize, fitting_rows, sliced_bytes};

/// Bytes of input for which a further writer is worth its file.
const WRITER_BYTES: u64 = 32 << 20;

/// A stream of batches, all of one schema.
pub struct Input {
    /// Schema of every batch.
    pub schema: SchemaRef,
    /// Batches, read once, to their end or the first error.
    pub batches: BoxStream<'static, Result<RecordBatch, SourceError>>,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A stream that is read by turns, in slices of a size that operators like.
pub(crate) struct SharedStream {
    source: Mutex<Source>,
    read_bytes: watch::Sender<u64>,
}

struct Source {
    // None once it has ended or failed: it is never asked again.
    batches: Option<BoxStream<'static, Result<RecordBatch, SourceError>>>,
    remainder: Option<Remainder>,
    rows: u64,
}

/// What is left of a batch, and how many of its rows make a slice.
struct Remainder {
    batch: RecordBatch,
    fitting_rows: usize,
}

/// Rows of the stream, and the place of the first one.
pub(crate) struct Slice {
    pub(crate) batch: RecordBatch,
    pub(crate) first_row: u64,
}

impl fmt::Debug for SharedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStream").finish_non_exhaustive()
    }
}

impl SharedStream {
    /// Shares `input`.
    pub(crate) fn new(input: Input) -> Self {
        Self {
            source: Mutex::new(Source {
                batches: Some(input.batches),
                remainder: None,
                rows: 0,
            }),
            read_bytes: watch::Sender::new(0),
        }
    }

    /// Counts the rows that were read so far.
    pub(crate) async fn rows(&self) -> u64 {
        self.source.lock().await.rows
    }

    /// Chooses the size of batches by the first rows of the stream.
    pub(crate) async fn batch_size(&self) -> Result<BatchSize, Error> {
        let mut source = self.source.lock().await;
        source.fill().await?;
        Ok(match &source.remainder {
            Some(remainder) => BatchSize::for_rows_of(&remainder.batch),
            None => BatchSize::DEFAULT,
        })
    }

    /// Reads the next rows; None at the end.
    pub(crate) async fn next(&self) -> Result<Option<Slice>, Error> {
        let mut source = self.source.lock().await;
        source.fill().await?;
        let Some(slice) = source.take_slice() else {
            self.read_bytes.send_replace(u64::MAX);
            return Ok(None);
        };
        let bytes = sliced_bytes(&slice.batch) as u64;
        self.read_bytes
            .send_modify(|read| *read = read.saturating_add(bytes));
        Ok(Some(slice))
    }

    /// Waits until the stream is long enough for `writers` more than one, or over.
    pub(crate) async fn wait_until_worthwhile(&self, writers: usize) {
        let enough = WRITER_BYTES.saturating_mul(writers as u64);
        let mut read_bytes = self.read_bytes.subscribe();
        // The sender lives as long as this.
        let _closed = read_bytes.wait_for(|read| *read >= enough).await;
    }
}

impl Source {
    /// Reads on until there are rows, if there are any.
    async fn fill(&mut self) -> Result<(), Error> {
        while self.remainder.is_none() {
            let Some(batches) = self.batches.as_mut() else {
                return Ok(());
            };
            match batches.next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => {
                    let fitting_rows = fitting_rows(&batch);
                    self.remainder = Some(Remainder {
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

    /// Takes a slice of the rows that are there.
    fn take_slice(&mut self) -> Option<Slice> {
        let Remainder {
            mut batch,
            fitting_rows,
        } = self.remainder.take()?;
        let first_row = self.rows;
        let left = batch.num_rows().saturating_sub(fitting_rows);
        if left > 0 {
            self.remainder = Some(Remainder {
                batch: batch.slice(fitting_rows, left),
                fitting_rows,
            });
            batch = batch.slice(0, fitting_rows);
        }
        self.rows += batch.num_rows() as u64;
        Some(Slice { batch, first_row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::testing::{batch, input, int64s, texts};

    fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
        batch(vec![("a", int64s(rows.map(Some)))])
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        dfd_runtime::block_on(work).unwrap()
    }

    async fn slices(stream: &SharedStream) -> Result<Vec<(u64, usize)>, Error> {
        let mut found = Vec::new();
        while let Some(slice) = stream.next().await? {
            found.push((slice.first_row, slice.batch.num_rows()));
        }
        Ok(found)
    }

    #[test]
    fn batches_are_cut_and_rows_are_counted() {
        let batches = vec![Ok(numbers(0..0)), Ok(numbers(0..20_000)), Ok(numbers(0..5))];
        let stream = SharedStream::new(input(batches));
        let found = run(slices(&stream)).unwrap();
        assert_eq!(
            found,
            [(0, 8192), (8192, 8192), (16_384, 3616), (20_000, 5)]
        );
        assert_eq!(run(stream.rows()), 20_005);
    }

    #[test]
    fn the_size_of_batches_is_that_of_the_first_rows() {
        let text = "x".repeat(1 << 19);
        let wide = batch(vec![("a", texts([Some(text.as_str()); 4]))]);
        let stream = SharedStream::new(input(vec![Ok(wide.slice(0, 0)), Ok(wide)]));
        assert_eq!(run(stream.batch_size()).unwrap().rows, 1);
        // Nothing is lost by looking.
        assert_eq!(run(slices(&stream)).unwrap().len(), 4);
        let empty = SharedStream::new(input(vec![Ok(numbers(0..0))]));
        assert_eq!(run(empty.batch_size()).unwrap(), BatchSize::DEFAULT);
    }

    #[test]
    fn an_error_is_told_once_with_the_rows_before_it() {
        let batches = vec![Ok(numbers(0..7)), Err("broken".into()), Ok(numbers(0..9))];
        let stream = SharedStream::new(input(batches));
        let failed = run(slices(&stream)).unwrap_err();
        assert_eq!(failed.to_string(), "the stream failed after 7 rows: broken");
        // It isn't asked again.
        assert!(run(stream.next()).unwrap().is_none());
    }

    #[test]
    fn a_further_writer_waits_for_its_share_or_the_end() {
        let stream = Arc::new(SharedStream::new(input(vec![Ok(numbers(0..10))])));
        let waiting = Arc::clone(&stream);
        let work = async move {
            let waits = tokio::spawn(async move { waiting.wait_until_worthwhile(1).await });
            tokio::task::yield_now().await;
            assert!(!waits.is_finished());
            let few = stream.next().await.unwrap();
            assert!(few.is_some() && !waits.is_finished());
            assert!(stream.next().await.unwrap().is_none());
            waits.await.unwrap();
            // It is over for whoever asks later, too.
            stream.wait_until_worthwhile(100).await;
        };
        run(work);
    }
}
