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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int32Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch(values: std::ops::Range<i32>) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(values));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    }

    /// The rows of each batch that comes out of those of `lengths`.
    fn resized(lengths: &[i32], rows: usize) -> Vec<Vec<i32>> {
        let mut resizer = Resizer::new(batch(0..0).schema(), rows);
        let (mut out, mut next) = (Vec::new(), 0);
        for length in lengths {
            resizer.push(batch(next..next + length));
            next += length;
            while let Some(full) = resizer.next_full().unwrap() {
                out.push(full);
            }
        }
        out.extend(resizer.last().unwrap());
        let values = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_primitive::<Int32Type>()
                .values()
                .to_vec()
        };
        out.iter().map(values).collect()
    }

    #[test]
    fn rows_keep_their_order_in_batches_of_one_size() {
        for lengths in [
            &[7][..],
            &[1, 1, 5],
            &[0, 3, 0, 4],
            &[3, 3, 1],
            &[2, 2, 2, 1],
        ] {
            let wanted = vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]];
            assert_eq!(resized(lengths, 3), wanted, "{lengths:?}");
        }
    }

    #[test]
    fn the_last_batch_may_be_short_and_none_is_empty() {
        assert_eq!(resized(&[2], 3), [vec![0, 1]]);
        assert_eq!(resized(&[3], 3), [vec![0, 1, 2]]);
        assert!(resized(&[], 3).is_empty());
        assert!(resized(&[0, 0], 3).is_empty());
    }

    #[test]
    fn pieces_of_a_large_batch_share_its_memory() {
        let large = batch(0..6);
        let mut resizer = Resizer::new(large.schema(), 3);
        resizer.push(large.clone());
        let start = |batch: &RecordBatch| {
            batch
                .column(0)
                .as_primitive::<Int32Type>()
                .values()
                .as_ptr()
        };
        let first = resizer.next_full().unwrap().unwrap();
        let second = resizer.next_full().unwrap().unwrap();
        assert_eq!(start(&first), start(&large));
        assert_eq!(start(&second), start(&large.slice(3, 3)));
    }

    #[test]
    fn nothing_is_set_aside_for_batches_that_never_fill() {
        assert_eq!(resized(&[1, 1], usize::MAX), [vec![0, 1]]);
    }
}
