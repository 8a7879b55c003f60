//! The reader that adapts a stream.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use arrow::array::RecordBatchReader;
use arrow::datatypes::SchemaRef;

use super::align::AlignError;
use super::counters::Counters;
use super::prefetch::{Item, Prefetcher};
use super::shaped_source::{ShapedSource, Source};
use crate::batch_bytes::BatchBytes;

/// What a stream is to be; by default as it comes.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The columns, by name.
    pub schema: Option<SchemaRef>,
    /// Rows of each batch but the last.
    pub batch_rows: Option<usize>,
    /// Batches to read ahead, by a thread that begins with the first one that is asked for.
    pub prefetch_batches: usize,
}

/// A reader that aligns, resizes and counts what another yields, and stops for good at its
/// end or its first error.
pub struct AdaptedReader {
    state: State,
    schema: SchemaRef,
    sizes: BatchBytes,
    counters: Arc<Counters>,
}

enum State {
    /// Batches are read by whoever asks for them.
    Direct(ShapedSource),
    /// A thread will read so many batches ahead once the first is asked for.
    Unstarted(ShapedSource, usize),
    /// A thread reads ahead.
    Prefetching(Prefetcher),
    /// The stream has ended or failed.
    Ended,
}

impl AdaptedReader {
    /// Adapt `source` to `shape`.
    ///
    /// # Errors
    /// [`AlignError`] when no batch of the source can have the schema.
    pub fn try_new(source: Source, shape: Shape) -> Result<Self, AlignError> {
        let shaped = ShapedSource::try_new(source, shape.schema, shape.batch_rows)?;
        Ok(Self {
            schema: shaped.schema(),
            state: match shape.prefetch_batches {
                0 => State::Direct(shaped),
                batches => State::Unstarted(shaped, batches),
            },
            sizes: BatchBytes::default(),
            counters: Arc::default(),
        })
    }

    /// The counters, which outlive the reader.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The next batch; where another thread reads ahead it is waited for no longer than `patience`.
    pub fn poll_next(&mut self, patience: Duration) -> Poll<Option<Item>> {
        let next = self.advance(patience);
        match &next {
            Poll::Ready(Some(Ok(batch))) => {
                let bytes = self.sizes.count(batch);
                self.counters.add(batch.num_rows(), bytes);
            }
            Poll::Ready(Some(Err(_)) | None) => self.state = State::Ended,
            Poll::Pending => {}
        }
        next
    }

    fn advance(&mut self, patience: Duration) -> Poll<Option<Item>> {
        if let State::Unstarted(..) = self.state
            && let State::Unstarted(shaped, batches) =
                std::mem::replace(&mut self.state, State::Ended)
        {
            match Prefetcher::start(shaped, batches) {
                Ok(prefetcher) => self.state = State::Prefetching(prefetcher),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        match &mut self.state {
            State::Direct(shaped) => Poll::Ready(shaped.next()),
            State::Prefetching(prefetcher) => prefetcher.poll_next(patience),
            State::Unstarted(..) | State::Ended => Poll::Ready(None),
        }
    }
}

impl Iterator for AdaptedReader {
    type Item = Item;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Poll::Ready(item) = self.poll_next(Duration::MAX) {
                return item;
            }
        }
    }
}

impl RecordBatchReader for AdaptedReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
    };
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use arrow::error::ArrowError;

    use super::*;

    fn batch(values: &[i32]) -> RecordBatch {
        let names = values.iter().map(|v| format!("n{v}")).collect::<Vec<_>>();
        RecordBatch::try_from_iter([
            ("n", Arc::new(Int32Array::from(values.to_vec())) as ArrayRef),
            ("s", Arc::new(StringArray::from(names)) as ArrayRef),
        ])
        .unwrap()
    }

    fn source(items: Vec<Result<RecordBatch, ArrowError>>) -> Box<dyn RecordBatchReader + Send> {
        Box::new(RecordBatchIterator::new(items, batch(&[]).schema()))
    }

    fn adapted(
        items: Vec<Result<RecordBatch, ArrowError>>,
        schema: Option<SchemaRef>,
        batch_rows: Option<usize>,
        prefetch_batches: usize,
    ) -> AdaptedReader {
        let shape = Shape {
            schema,
            batch_rows,
            prefetch_batches,
        };
        AdaptedReader::try_new(source(items), shape).unwrap()
    }

    #[test]
    fn joins_cuts_and_counts() {
        for ahead in [0, 1, 9] {
            let items = vec![
                Ok(batch(&[1, 2])),
                Ok(batch(&[])),
                Ok(batch(&[3, 4, 5, 6, 7])),
            ];
            let reader = adapted(items, None, Some(3), ahead);
            let counters = reader.counters();
            let sizes: Vec<_> = reader.map(|batch| batch.unwrap().num_rows()).collect();
            assert_eq!(sizes, [3, 3, 1]);
            assert_eq!((counters.rows(), counters.batches()), (7, 3));
            // Numbers, offsets and letters.
            assert_eq!(counters.bytes(), 7 * 4 + (7 + 3) * 4 + 7 * 2);
        }
    }

    #[test]
    fn stops_for_good_after_an_error_and_loses_no_row_before_it() {
        for (batch_rows, ahead) in [(None, 0), (Some(10), 0), (None, 2), (Some(10), 2)] {
            let items = vec![
                Ok(batch(&[1, 2])),
                Err(ArrowError::ComputeError("lost".into())),
                Ok(batch(&[3])),
            ];
            let mut reader = adapted(items, None, batch_rows, ahead);
            assert_eq!(reader.next().unwrap().unwrap().num_rows(), 2);
            assert!(reader.next().unwrap().is_err());
            assert!(reader.next().is_none());
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn a_source_that_panics_is_an_error() {
        let panics = std::iter::once_with(|| panic!("no more"));
        let source = Box::new(RecordBatchIterator::new(panics, batch(&[]).schema()));
        let mut reader = AdaptedReader::try_new(source, Shape::default()).unwrap();
        let error = reader.next().unwrap().err().unwrap().to_string();
        assert!(error.contains("panicked: no more"), "{error}");
        assert!(reader.next().is_none());
    }

    #[test]
    fn aligns_order_types_and_missing_columns() {
        let target = Arc::new(Schema::new(vec![
            Field::new("s", DataType::LargeUtf8, false),
            Field::new("extra", DataType::Boolean, true),
            Field::new("n", DataType::Int64, true),
        ]));
        let mut reader = adapted(vec![Ok(batch(&[7]))], Some(target), None, 0);
        let out = reader.next().unwrap().unwrap();
        assert_eq!(out.column(0).as_string::<i64>().value(0), "n7");
        assert_eq!(out.column(1).null_count(), 1);
        assert_eq!(
            out.column(2).as_primitive::<Int64Type>(),
            &Int64Array::from(vec![7])
        );
    }

    #[test]
    fn refuses_by_field_what_does_not_fit() {
        let n = Field::new("n", DataType::Int32, true);
        let s = Field::new("s", DataType::Utf8, true);
        let must = Field::new("must", DataType::Int8, false);
        for (fields, says) in [
            (vec![n.clone()], "`s`"),
            (vec![n, s.clone(), must], "`must`"),
        ] {
            let shape = Shape {
                schema: Some(Arc::new(Schema::new(fields))),
                ..Shape::default()
            };
            let error = AdaptedReader::try_new(source(vec![]), shape).err().unwrap();
            assert!(error.to_string().contains(says), "{error}");
        }
        let narrow = Arc::new(Schema::new(vec![Field::new("n", DataType::Int8, true), s]));
        let items = vec![Ok(batch(&[1, 2])), Ok(batch(&[3, 300]))];
        let mut reader = adapted(items, Some(narrow), None, 0);
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().err().unwrap().to_string();
        assert!(error.contains("`n` in row 3 of the stream: 300"), "{error}");
    }
}
