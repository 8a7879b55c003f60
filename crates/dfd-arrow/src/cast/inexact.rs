//! The error of a cast: which value it can't keep.

use std::fmt;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// A longer value isn't shown whole.
const SHOWN_CHARACTERS: usize = 60;

/// A value that another type doesn't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inexact {
    /// The first such row of the array.
    pub row: usize,
    /// Where below the column: empty, or like `.price` and `[].price` in structs and lists.
    pub path: String,
    /// The value, and what it isn't.
    pub reason: String,
}

impl Inexact {
    /// A row that can't be kept, and why.
    pub(super) fn new(row: usize, reason: impl Into<String>) -> Self {
        Self {
            row,
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// The value of a row that `to` doesn't have.
    pub(super) fn value(array: &ArrayRef, row: usize, to: &DataType) -> Self {
        Self::new(row, format!("{} doesn't fit {to}", shown(array, row)))
    }

    /// The error with `step` before its path.
    pub(super) fn under(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }

    /// The error with another row.
    pub(super) fn at(mut self, row: usize) -> Self {
        self.row = row;
        self
    }
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.reason)
    }
}

impl std::error::Error for Inexact {}

/// Arrow doesn't say which row it is.
impl From<ArrowError> for Inexact {
    fn from(error: ArrowError) -> Self {
        Self::new(0, error.to_string())
    }
}

/// One value as text, which has no NUL: it may become a C string.
fn shown(array: &ArrayRef, row: usize) -> String {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    let options = FormatOptions::default().with_null("null");
    let value = ArrayFormatter::try_new(array, &options)
        .and_then(|values| values.value(row).try_to_string())
        .unwrap_or_else(|_| format!("a value of {}", array.data_type()));
    let mut short: String = value.chars().take(SHOWN_CHARACTERS).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    if matches!(array.data_type(), Utf8 | LargeUtf8 | Utf8View) {
        short = format!("{short:?}");
    }
    short.replace('\0', "\\0")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_value_is_shown_with_what_it_is_not() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let number = Inexact::value(&numbers, 0, &DataType::Boolean);
        assert_eq!(number.to_string(), "row 0: 1 doesn't fit Boolean");
        let null = Inexact::value(&numbers, 1, &DataType::Boolean);
        assert_eq!(null.to_string(), "row 1: null doesn't fit Boolean");
    }

    #[test]
    fn texts_are_quoted_cut_and_without_nul() {
        let long = "ä".repeat(SHOWN_CHARACTERS + 1);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a\0b\"", &long]));
        assert_eq!(shown(&texts, 0), r#""a\0b\"""#);
        let cut = format!("\"{}…\"", "ä".repeat(SHOWN_CHARACTERS));
        assert_eq!(shown(&texts, 1), cut);
    }

    #[test]
    fn the_path_grows_from_the_inside_and_the_row_is_that_of_the_outside() {
        let inner = Inexact::new(7, "it is null");
        let outer = inner.under(".price").at(2).under("[]");
        assert_eq!((outer.row, outer.path.as_str()), (2, "[].price"));
    }
}
