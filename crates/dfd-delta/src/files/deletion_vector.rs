//! Deletion vectors as row selections.

use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};

/// The rows of a file that are still there: `keep` says so of its first rows, and all rows after
/// those are.
pub(crate) fn selection(keep: &[bool], num_rows: usize) -> ParquetRowSelection {
    let mut selectors = Vec::new();
    let mut start = 0;
    while start < keep.len() {
        let kept = keep[start];
        let run = keep[start..].iter().take_while(|row| **row == kept).count();
        selectors.push(if kept {
            RowSelector::select(run)
        } else {
            RowSelector::skip(run)
        });
        start += run;
    }
    if num_rows > keep.len() {
        selectors.push(RowSelector::select(num_rows - keep.len()));
    }
    ParquetRowSelection::new(RowSelection::from(selectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_after_the_mask_are_kept() {
        let selected = selection(&[true, false, false, true], 10);
        assert_eq!(selected.selection().row_count(), 8);
        assert_eq!(selected.selection().skipped_row_count(), 2);
        assert_eq!(selection(&[], 3).selection().row_count(), 3);
    }

    #[test]
    fn runs_follow_one_another() {
        let of = |keep: &[bool], rows| -> Vec<(bool, usize)> {
            let selected = selection(keep, rows);
            let runs = selected.selection().iter();
            runs.map(|run| (run.skip, run.row_count)).collect()
        };
        assert_eq!(
            of(&[false, false, true, false], 6),
            [(true, 2), (false, 1), (true, 1), (false, 2)]
        );
        assert_eq!(of(&[false; 3], 3), [(true, 3)]);
        assert_eq!(of(&[true, true], 2), [(false, 2)]);
    }
}
