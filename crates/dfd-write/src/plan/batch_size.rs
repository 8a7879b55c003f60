//! How much goes through the operators at once.

use arrow::array::{Array, ArrayRef, BinaryViewArray, RecordBatch, StringViewArray};

/// Rows of a batch, where they aren't wide.
const MAX_ROWS: usize = 8192;
/// Bytes of a batch, about.
const TARGET_BYTES: usize = 1 << 20;

/// The size of the batches that go through the operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchSize {
    /// Rows, at most.
    pub(crate) rows: usize,
    /// Bytes, about; more where a row is wider.
    pub(crate) bytes: usize,
}

impl BatchSize {
    /// The size where nothing is known of the rows.
    pub(crate) const DEFAULT: Self = Self {
        rows: MAX_ROWS,
        bytes: TARGET_BYTES,
    };

    /// Chooses the size for rows like those of `batch`.
    pub(crate) fn for_rows_of(batch: &RecordBatch) -> Self {
        let rows = fitting_rows(batch);
        let slice = batch.slice(0, rows.min(batch.num_rows()));
        Self {
            rows,
            bytes: sliced_bytes(&slice).max(TARGET_BYTES),
        }
    }
}

/// Counts the rows of this batch's width that make a batch.
pub(crate) fn fitting_rows(batch: &RecordBatch) -> usize {
    let row_bytes = sliced_bytes(batch).div_ceil(batch.num_rows().max(1)).max(1);
    (TARGET_BYTES / row_bytes).clamp(1, MAX_ROWS)
}

/// Whether a batch is large enough to go on without being joined to others.
pub(crate) fn is_large_enough(rows: usize, bytes: usize) -> bool {
    rows * 2 > MAX_ROWS || bytes * 2 > TARGET_BYTES
}

/// Whether joined batches are a whole one.
pub(crate) fn is_whole(bytes: usize) -> bool {
    bytes > TARGET_BYTES
}

/// Counts the bytes of the rows, without what their arrays share with others.
pub(crate) fn sliced_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let data = array.to_data();
    let own = data
        .get_slice_memory_size()
        .unwrap_or_else(|_| array.get_array_memory_size());
    own + viewed_bytes(array)
}

/// Counts the bytes to which views point: Arrow leaves out their buffers.
fn viewed_bytes(array: &ArrayRef) -> usize {
    let lengths = |views: &[u128]| views.iter().map(|view| *view as u32 as usize).sum();
    if let Some(texts) = array.as_any().downcast_ref::<StringViewArray>() {
        lengths(texts.views())
    } else if let Some(blobs) = array.as_any().downcast_ref::<BinaryViewArray>() {
        lengths(blobs.views())
    } else {
        0
    }
}
