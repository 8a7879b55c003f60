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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::testing::{batch, int64s, texts};

    #[test]
    fn narrow_rows_are_limited_by_their_number_and_wide_ones_by_their_bytes() {
        let narrow = batch(vec![("a", int64s([Some(1); 100]))]);
        assert_eq!(BatchSize::for_rows_of(&narrow), BatchSize::DEFAULT);
        let text = "x".repeat(1 << 18);
        let wide = batch(vec![("s", texts(vec![Some(text.as_str()); 10]))]);
        let size = BatchSize::for_rows_of(&wide);
        assert_eq!(size.rows, 3);
        assert!(size.bytes >= TARGET_BYTES);
        let larger = "x".repeat(TARGET_BYTES * 2);
        let widest = batch(vec![("s", texts([Some(larger.as_str())]))]);
        let size = BatchSize::for_rows_of(&widest);
        assert_eq!(size.rows, 1);
        assert!(size.bytes >= 2 * TARGET_BYTES);
    }

    #[test]
    fn slices_are_counted_without_what_they_share() {
        let all = batch(vec![("a", int64s([Some(1); 1_000]))]);
        let few = sliced_bytes(&all.slice(10, 10));
        assert!(few * 90 < sliced_bytes(&all) && few >= 80, "{few}");
    }

    #[test]
    fn texts_behind_views_are_counted() {
        let long = "x".repeat(1_000);
        let views: ArrayRef = Arc::new(StringViewArray::from(vec![long.as_str(), "y"]));
        assert!(sliced_bytes(&batch(vec![("s", views)])) >= 1_001);
        let blobs: ArrayRef = Arc::new(BinaryViewArray::from(vec![long.as_bytes()]));
        assert!(sliced_bytes(&batch(vec![("b", blobs)])) >= 1_000);
    }

    #[test]
    fn half_a_batch_is_large_enough() {
        assert!(is_large_enough(MAX_ROWS / 2 + 1, 0));
        assert!(is_large_enough(1, TARGET_BYTES / 2 + 1));
        assert!(!is_large_enough(MAX_ROWS / 2, TARGET_BYTES / 2));
        assert!(is_whole(TARGET_BYTES + 1) && !is_whole(TARGET_BYTES));
    }

    #[test]
    fn an_empty_batch_has_the_usual_size() {
        let none = batch(vec![("a", int64s([]))]);
        assert_eq!(BatchSize::for_rows_of(&none), BatchSize::DEFAULT);
    }
}
