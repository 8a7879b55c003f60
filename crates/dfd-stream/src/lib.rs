//! Arrow streams put into shape, lazily.
//!
//! A stream that crosses libraries arrives with other batch sizes, other column orders and
//! nearly the same types, and some readers yield rows again after an error. [`AdaptedReader`] is
//! the one adapter between such a source and whoever consumes it:
//!
//! ```text
//! source -> fuse -> align and cast -> coalesce or split -> count -> consumer
//! ```
//!
//! It pulls one batch at a time and holds at most the rows of one outgoing batch beside it.

mod align;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

pub use align::AlignError;

/// What has gone through a stream so far; read from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    rows: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    /// Rows that left.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Batches that left.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Bytes of the buffers of the batches that left; a shared buffer counts in each.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn add(&self, batch: &RecordBatch) {
        self.rows
            .fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.bytes
            .fetch_add(batch.get_array_memory_size() as u64, Ordering::Relaxed);
    }
}

/// A reader that aligns, resizes and counts what another yields, and stops for good at its
/// end or its first error.
pub struct AdaptedReader {
    // None once the source has ended or failed: it is never asked again.
    source: Option<Box<dyn RecordBatchReader + Send>>,
    schema: SchemaRef,
    coalescer: Option<BatchCoalescer>,
    failure: Option<ArrowError>,
    counters: Arc<Counters>,
}

impl AdaptedReader {
    /// Adapt `source` to `schema` (its own when `None`) in batches of `batch_rows` rows (as
    /// they come when `None`; the last batch may be smaller).
    ///
    /// # Errors
    /// [`AlignError`] when no batch of the source can have the schema.
    pub fn try_new(
        source: Box<dyn RecordBatchReader + Send>,
        schema: Option<SchemaRef>,
        batch_rows: Option<usize>,
    ) -> Result<Self, AlignError> {
        let schema = match schema {
            Some(schema) => {
                align::check(&source.schema(), &schema)?;
                schema
            }
            None => source.schema(),
        };
        let coalescer = match batch_rows {
            Some(0) => return Err(AlignError::NoRows),
            Some(rows) => Some(BatchCoalescer::new(Arc::clone(&schema), rows)),
            None => None,
        };
        Ok(Self {
            source: Some(source),
            schema,
            coalescer,
            failure: None,
            counters: Arc::default(),
        })
    }

    /// The counters, which outlive the reader.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// The next aligned batch of the source; `None` at its end, and ever after.
    fn pull(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(source) = self.source.as_mut() else {
            return Ok(None);
        };
        let aligned = match source.next() {
            Some(Ok(batch)) => align::align(&batch, &self.schema)
                .map_err(ArrowError::from)
                .map(Some),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        if !matches!(aligned, Ok(Some(_))) {
            self.source = None;
        }
        aligned
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(mut coalescer) = self.coalescer.take() else {
            return self.pull();
        };
        let next = self.fill(&mut coalescer);
        self.coalescer = Some(coalescer);
        next
    }

    /// Rows that came before an error leave before the error does.
    fn fill(&mut self, coalescer: &mut BatchCoalescer) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if let Some(batch) = coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            match self.pull() {
                Ok(Some(batch)) => coalescer.push_batch(batch)?,
                Ok(None) if coalescer.is_empty() => return Ok(None),
                Ok(None) => coalescer.finish_buffered_batch()?,
                Err(error) => {
                    self.failure = Some(error);
                    coalescer.finish_buffered_batch()?;
                }
            }
        }
    }
}

impl Iterator for AdaptedReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if let Some(Ok(batch)) = &next {
            self.counters.add(batch);
        }
        next
    }
}

impl RecordBatchReader for AdaptedReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{
        ArrayRef, AsArray, Int32Array, Int64Array, RecordBatchIterator, StringArray,
    };
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

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

    fn sizes(reader: AdaptedReader) -> Vec<usize> {
        reader.map(|b| b.unwrap().num_rows()).collect()
    }

    #[test]
    fn coalesces_splits_and_counts() {
        let items = vec![
            Ok(batch(&[1, 2])),
            Ok(batch(&[])),
            Ok(batch(&[3, 4, 5, 6, 7])),
        ];
        let reader = AdaptedReader::try_new(source(items), None, Some(3)).unwrap();
        let counters = reader.counters();
        assert_eq!(sizes(reader), [3, 3, 1]);
        assert_eq!((counters.rows(), counters.batches()), (7, 3));
        assert!(counters.bytes() > 0);
    }

    #[test]
    fn stops_for_good_after_an_error_and_loses_no_row_before_it() {
        for batch_rows in [None, Some(10)] {
            let items = vec![
                Ok(batch(&[1, 2])),
                Err(ArrowError::ComputeError("lost".into())),
                Ok(batch(&[3])),
            ];
            let mut reader = AdaptedReader::try_new(source(items), None, batch_rows).unwrap();
            assert_eq!(reader.next().unwrap().unwrap().num_rows(), 2);
            assert!(reader.next().unwrap().is_err());
            assert!(reader.next().is_none());
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn aligns_order_types_and_missing_columns() {
        let target = Arc::new(Schema::new(vec![
            Field::new("s", DataType::LargeUtf8, false),
            Field::new("extra", DataType::Boolean, true),
            Field::new("n", DataType::Int64, true),
        ]));
        let mut reader =
            AdaptedReader::try_new(source(vec![Ok(batch(&[7]))]), Some(target), None).unwrap();
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
        let one = |field: Field| Some(Arc::new(Schema::new(vec![field])));
        let n = Field::new("n", DataType::Int32, true);
        for (schema, says) in [
            (one(n.clone()), "`s`"),
            (
                Some(Arc::new(Schema::new(vec![
                    n.clone(),
                    Field::new("s", DataType::Utf8, true),
                    Field::new("must", DataType::Int8, false),
                ]))),
                "`must`",
            ),
        ] {
            let error = AdaptedReader::try_new(source(vec![]), schema, None)
                .err()
                .unwrap();
            assert!(error.to_string().contains(says), "{error}");
        }
        let narrow = Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int8, true),
            Field::new("s", DataType::Utf8, true),
        ]));
        let mut reader =
            AdaptedReader::try_new(source(vec![Ok(batch(&[300]))]), Some(narrow), None).unwrap();
        let error = reader.next().unwrap().err().unwrap().to_string();
        assert!(error.contains("`n`"), "{error}");
        assert!(AdaptedReader::try_new(source(vec![]), None, Some(0)).is_err());
    }
}
