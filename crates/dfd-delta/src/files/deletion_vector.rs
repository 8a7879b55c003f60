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

/// Of a file's rows, those of `changed` that aren't in `but`, as a mask; None where one lies outside of the file.
pub(crate) fn difference(changed: &[u64], but: &[u64], num_rows: usize) -> Option<Vec<bool>> {
    let mut mask = vec![false; num_rows];
    for (rows, is_selected) in [(changed, true), (but, false)] {
        for row in rows {
            *mask.get_mut(usize::try_from(*row).ok()?)? = is_selected;
        }
    }
    Some(mask)
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
    fn rows_that_changed_are_those_of_one_vector_and_not_of_the_other() {
        let rows = |changed: &[u64], but: &[u64], rows| {
            let mask = difference(changed, but, rows)?;
            Some(
                (0..)
                    .zip(mask)
                    .filter(|(_, is)| *is)
                    .map(|(row, _)| row)
                    .collect::<Vec<u64>>(),
            )
        };
        assert_eq!(rows(&[1, 2, 4], &[0, 2], 5), Some(vec![1, 4]));
        assert_eq!(rows(&[1], &[1], 2), Some(vec![]));
        assert_eq!(rows(&[], &[], 0), Some(vec![]));
        assert_eq!(rows(&[5], &[], 5), None);
        assert_eq!(rows(&[], &[u64::MAX], 5), None);
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
