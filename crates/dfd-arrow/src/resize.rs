//! Batches of one size out of batches of any.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

/// Joins small batches and cuts large ones, whose pieces share its memory.
///
/// Nothing is set aside in advance, as `BatchCoalescer` does: `rows` may be any number.
pub struct Resizer {
    schema: SchemaRef,
    rows: usize,
    // Together fewer than `rows` rows.
    pieces: Vec<RecordBatch>,
    missing: usize,
    // What is left of the newest batch.
    rest: Option<RecordBatch>,
}

impl Resizer {
    /// Batches of `rows` rows; the last may have fewer.
    pub fn new(schema: SchemaRef, rows: usize) -> Self {
        Self {
            schema,
            rows,
            pieces: Vec::new(),
            missing: rows,
            rest: None,
        }
    }

    /// Add a batch, once [`Resizer::next_full`] has nothing more.
    pub fn push(&mut self, batch: RecordBatch) {
        self.rest = Some(batch);
    }

    /// The next batch that has all its rows.
    pub fn next_full(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
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
        self.joined()
    }

    /// The last rows, fewer than a batch has.
    pub fn last(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.pieces.is_empty() {
            return Ok(None);
        }
        self.joined()
    }

    fn joined(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let pieces = std::mem::take(&mut self.pieces);
        self.missing = self.rows;
        if let [whole] = &pieces[..] {
            return Ok(Some(whole.clone()));
        }
        concat_batches(&self.schema, &pieces).map(Some)
    }
}
