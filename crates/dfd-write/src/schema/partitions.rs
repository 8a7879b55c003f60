//! Partition values as the log and the directories have them.
//!
//! Protocol, "Partition Value Serialization". A time is written as UTC, to the microsecond.

use std::str::from_utf8;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use delta_kernel::expressions::Scalar;
use delta_kernel::partition::serialization::serialize_partition_value;
use deltalake_core::kernel::scalars::ScalarExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, RuleViolation};

/// Characters of a value that some file system or store doesn't take.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Characters that Hive escapes in a name, beside the controls.
const HIVE_ESCAPED: &str = "\"#%'*/:=?\\{[]^";

/// Hive's name of a null's directory.
const NULL_DIRECTORY: &str = "__HIVE_DEFAULT_PARTITION__";

/// Bytes of a directory's name at most; file systems allow 255.
const MAX_SEGMENT_BYTES: usize = 240;

/// The partition that a row belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Partition {
    /// The physical name of each partition column, and its value as the log has it.
    pub(crate) values: Vec<(String, Option<String>)>,
    /// The directory of its files, like `a=1/b=x%20y/`; empty without partitions and under column mapping.
    pub(crate) directory: String,
}

/// A column whose values are in the log and not in the files.
#[derive(Debug)]
pub(crate) struct PartitionColumn {
    index: usize,
    name: String,
    physical_name: String,
}

impl PartitionColumn {
    /// Finds the column `name` of `columns`, of which `physical` has the other names.
    ///
    /// # Errors
    /// There is no such column, or its type has no text.
    pub(crate) fn new(
        columns: &Schema,
        physical: &Schema,
        name: &str,
    ) -> Result<Self, RuleViolation> {
        let Ok(index) = columns.index_of(name) else {
            return Err(RuleViolation::NoSuchPartitionColumn(name.to_owned()));
        };
        let data_type = columns.field(index).data_type();
        if data_type.is_nested() {
            return Err(RuleViolation::PartitionType {
                column: name.to_owned(),
                found: data_type.clone(),
            });
        }
        Ok(Self {
            index,
            name: name.to_owned(),
            physical_name: physical.field(index).name().clone(),
        })
    }

    /// The name that users know.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Finds the first row whose value can't be read back as it is, and why.
    pub(crate) fn first_unrepresentable(&self, batch: &RecordBatch) -> Option<(usize, String)> {
        let array = batch.column(self.index);
        let row = match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                (0..texts.len()).find(|row| texts.value_length(*row) == 0 && texts.is_valid(*row))
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                let is_unrepresentable =
                    |value: &[u8]| value.is_empty() || from_utf8(value).is_err();
                values
                    .iter()
                    .position(|value| value.is_some_and(is_unrepresentable))
            }
            // Every value of other types has its text.
            _ => None,
        }?;
        let reason = self.text(array, row).err();
        reason.map(|reason| (row, reason))
    }

    /// The text of a value; None for a null.
    fn text(&self, array: &dyn Array, row: usize) -> Result<Option<String>, String> {
        let value = match Scalar::from_array(array, row) {
            Some(Scalar::Timestamp(micros)) => Scalar::TimestampNtz(micros),
            Some(other) => other,
            None => return Err(format!("{} has no text", array.data_type())),
        };
        let text = serialize_partition_value(&value).map_err(|error| error.to_string())?;
        if text.is_none() && array.is_valid(row) {
            return Err("an empty value would be read back as null".to_owned());
        }
        Ok(text)
    }
}

impl Partition {
    /// Finds the partition of a row.
    ///
    /// # Errors
    /// A value that has no text, or whose text would be read as another value.
    pub(crate) fn of_row(
        columns: &[PartitionColumn],
        batch: &RecordBatch,
        row: usize,
        has_column_mapping: bool,
    ) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(columns.len());
        let mut directory = String::new();
        for column in columns {
            let text = column
                .text(batch.column(column.index), row)
                .map_err(|reason| RuleViolation::PartitionValue {
                    column: column.name.clone(),
                    row: None,
                    reason,
                })?;
            if !has_column_mapping {
                directory.push_str(&segment(&column.name, text.as_deref()));
            }
            values.push((column.physical_name.clone(), text));
        }
        Ok(Self { values, directory })
    }
}

/// Makes the directory of a partition of its columns' names and values.
pub(crate) fn partition_directory<'a>(
    values: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    // To the protocol, an empty text is null.
    let segments = values.map(|(name, text)| segment(name, text.filter(|text| !text.is_empty())));
    segments.collect()
}

/// Makes a directory's name, with a slash at its end.
///
/// A long one is cut: the log has the value, and files have names of their own.
fn segment(name: &str, text: Option<&str>) -> String {
    let encode = |text| utf8_percent_encode(text, ENCODED).to_string();
    let mut segment = escape_name(name);
    segment.push('=');
    segment.push_str(&text.map_or_else(|| NULL_DIRECTORY.to_owned(), encode));
    if segment.len() > MAX_SEGMENT_BYTES {
        let mut end = MAX_SEGMENT_BYTES;
        // Not in the middle of a character, nor of a %XX.
        while !segment.is_char_boundary(end) || segment.as_bytes()[end - 2..end].contains(&b'%') {
            end -= 1;
        }
        segment.truncate(end);
    }
    segment + "/"
}

/// Escapes a name as Hive does: readers that go by the directories undo no more than that.
fn escape_name(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_control() || HIVE_ESCAPED.contains(character) {
            escaped.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
        TimestampMicrosecondArray,
    };

    use crate::testing::{batch, int64s, texts};

    #[test]
    fn directories_have_names_that_any_store_takes() {
        assert_eq!(segment("ä b%", Some("x/ä:1")), "ä b%25=x%2F%C3%A4%3A1/");
        assert_eq!(segment("a", None), "a=__HIVE_DEFAULT_PARTITION__/");
        for length in 70..90 {
            let long = segment("a", Some(&format!("x{}", "é".repeat(length))));
            assert!(long.len() <= MAX_SEGMENT_BYTES + 1);
            assert_eq!((long.len() - "a=x/".len()) % 3, 0);
        }
    }

    fn partition(array: ArrayRef) -> Result<Partition, String> {
        let rows = batch(vec![("p", array)]);
        let column = PartitionColumn::new(&rows.schema(), &rows.schema(), "p").unwrap();
        let found = Partition::of_row(&[column], &rows, 0, false);
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn values_have_the_texts_of_the_protocol() {
        let micros = 1_500_000;
        let arrays: [(ArrayRef, &str); 9] = [
            (int64s([Some(-1)]), "-1"),
            (texts([Some("a b")]), "a b"),
            (Arc::new(BooleanArray::from(vec![true])), "true"),
            (Arc::new(Float64Array::from(vec![0.5])), "0.5"),
            (Arc::new(Date32Array::from(vec![-1])), "1969-12-31"),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![micros])),
                "1970-01-01 00:00:01.500000",
            ),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC")),
                "1970-01-01 00:00:01.500000",
            ),
            (Arc::new(BinaryArray::from(vec![b"xy".as_slice()])), "xy"),
            (
                Arc::new(
                    Decimal128Array::from(vec![-125])
                        .with_precision_and_scale(5, 2)
                        .unwrap(),
                ),
                "-1.25",
            ),
        ];
        for (array, text) in arrays {
            let found = partition(array).unwrap();
            assert_eq!(found.values, [("p".to_owned(), Some(text.to_owned()))]);
        }
    }

    #[test]
    fn a_null_has_hives_directory_and_no_text() {
        let found = partition(texts([None])).unwrap();
        assert_eq!(found.values, [("p".to_owned(), None)]);
        assert_eq!(found.directory, "p=__HIVE_DEFAULT_PARTITION__/");
    }

    #[test]
    fn values_that_would_be_read_as_others_are_refused() {
        assert!(partition(texts([Some("")])).is_err_and(|text| text.contains("read back as null")));
        let invalid: ArrayRef = Arc::new(BinaryArray::from(vec![b"\xff".as_slice()]));
        assert!(partition(invalid).is_err());
    }

    #[test]
    fn the_first_value_that_has_no_text_is_found() {
        let rows = batch(vec![("p", texts([Some("x"), None, Some(""), Some("")]))]);
        let column = PartitionColumn::new(&rows.schema(), &rows.schema(), "p").unwrap();
        assert_eq!(
            column.first_unrepresentable(&rows).map(|found| found.0),
            Some(2)
        );
        assert_eq!(column.first_unrepresentable(&rows.slice(0, 2)), None);
        let numbers = batch(vec![("p", int64s([Some(0)]))]);
        assert_eq!(column.first_unrepresentable(&numbers), None);
    }

    #[test]
    fn directories_follow_the_order_of_the_partition_columns() {
        let rows = batch(vec![
            ("a", int64s([Some(1)])),
            ("b/c", texts([Some("x=y")])),
        ]);
        let columns = ["b/c", "a"]
            .map(|name| PartitionColumn::new(&rows.schema(), &rows.schema(), name).unwrap());
        let found = Partition::of_row(&columns, &rows, 0, false).unwrap();
        assert_eq!(found.directory, "b%2Fc=x%3Dy/a=1/");
        let named = found
            .values
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_deref()));
        assert_eq!(partition_directory(named), found.directory);
        let mapped = Partition::of_row(&columns, &rows, 0, true).unwrap();
        assert_eq!(mapped.directory, "");
    }

    #[test]
    fn an_empty_text_of_the_log_is_null() {
        let values = [("a", Some("")), ("b", None)];
        assert_eq!(
            partition_directory(values.into_iter()),
            "a=__HIVE_DEFAULT_PARTITION__/b=__HIVE_DEFAULT_PARTITION__/"
        );
    }

    #[test]
    fn every_character_that_hive_escapes_is_escaped_in_names() {
        let name = "a\u{1}\"#%'*/:=?\\{[]^b c\u{7f}";
        let escaped = "a%01%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5Eb c%7F";
        assert_eq!(escape_name(name), escaped);
    }
}
