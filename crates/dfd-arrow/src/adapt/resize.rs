//! Batches joined and cut to one size.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// A resizer of batches: joins small ones and cuts large ones, whose pieces share its memory.
///
/// Nothing is set aside in advance, as `BatchCoalescer` does: `rows` may be any number.
pub(super) struct Resizer {
    schema: SchemaRef,
    rows: usize,
    // Together fewer than `rows` rows.
    pieces: Vec<RecordBatch>,
    missing: usize,
    // What is left of the newest batch.
    rest: Option<RecordBatch>,
}

impl Resizer {
    /// A resizer to `rows` rows; the last batch may have fewer.
    pub(super) fn new(schema: SchemaRef, rows: usize) -> Self {
        Self {
            schema,
            rows,
            pieces: Vec::new(),
            missing: rows,
            rest: None,
        }
    }

    /// Add a batch, once [`Resizer::next_full`] has nothing more.
    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.rest = Some(batch);
    }

    /// The next batch that has all its rows.
    pub(super) fn next_full(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let Some(rest) = self.rest.take().filter(|rest| rest.num_rows() > 0) else {
            return Ok(None);
        };
        let rows = rest.num_rows();
        if rows < self.missing {
            self.missing -= rows;
            self.pieces.push(rest);
            return Ok(None);
        }
        let (taken, left) = (self.missing, rows - self.missing);
        self.rest = (left > 0).then(|| rest.slice(taken, left));
        self.pieces.push(rest.slice(0, taken));
        self.join()
    }

    /// The last rows, fewer than a batch has.
    pub(super) fn last(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.pieces.is_empty() {
            return Ok(None);
        }
        self.join()
    }

    fn join(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let pieces = std::mem::take(&mut self.pieces);
        self.missing = self.rows;
        if let [whole] = &pieces[..] {
            return Ok(Some(whole.clone()));
        }
        concat_batches(&self.schema, &pieces).map(Some)
    }
}
