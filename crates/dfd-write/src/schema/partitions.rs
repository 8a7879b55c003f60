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

/// Of a value, all but what any file system and store takes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Beside the controls, what Hive escapes in a name.
const HIVE: &str = "\"#%'*/:=?\\{[]^";

/// The name of a null's directory, as Hive has it.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// File systems allow 255 bytes.
const SEGMENT_BYTES: usize = 240;

/// Where a row belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The physical name of each partition column, and its value as the log has it.
    pub values: Vec<(String, Option<String>)>,
    /// `a=1/b=x%20y/`; empty without partitions and under column mapping.
    pub directory: String,
}

/// A column whose values are in the log and not in the files.
#[derive(Debug)]
pub struct PartitionColumn {
    index: usize,
    name: String,
    physical_name: String,
}

impl PartitionColumn {
    /// The column `name` of `columns`, of which `physical` has the other names.
    ///
    /// # Errors
    /// There is no such column, or its type has no text.
    pub fn new(columns: &Schema, physical: &Schema, name: &str) -> Result<Self, RuleViolation> {
        let found = columns.index_of(name);
        let index = found.map_err(|_| RuleViolation::NoSuchPartitionColumn(name.to_owned()))?;
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
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first row whose value can't be read back as it is, and why.
    pub fn first_unfit(&self, batch: &RecordBatch) -> Option<(usize, String)> {
        let array = batch.column(self.index);
        let row = match array.data_type() {
            DataType::Utf8 => {
                let texts = array.as_string::<i32>();
                (0..texts.len()).find(|row| texts.value_length(*row) == 0 && texts.is_valid(*row))
            }
            DataType::Binary => {
                let values = array.as_binary::<i32>();
                let is_unfit = |value: &[u8]| value.is_empty() || from_utf8(value).is_err();
                values.iter().position(|value| value.is_some_and(is_unfit))
            }
            // Every value of other types has its text.
            _ => None,
        }?;
        let reason = self.text(array, row).err();
        reason.map(|reason| (row, reason))
    }

    fn text(&self, array: &dyn Array, row: usize) -> Result<Option<String>, String> {
        let value = Scalar::from_array(array, row)
            .ok_or_else(|| format!("{} has no text", array.data_type()))?;
        let value = match value {
            Scalar::Timestamp(micros) => Scalar::TimestampNtz(micros),
            other => other,
        };
        let text = serialize_partition_value(&value).map_err(|error| error.to_string())?;
        if text.is_none() && array.is_valid(row) {
            return Err("an empty value would be read back as null".to_owned());
        }
        Ok(text)
    }
}

impl Partition {
    /// That of a row.
    ///
    /// # Errors
    /// A value that has no text, or whose text would be read as another value.
    pub fn of(
        columns: &[PartitionColumn],
        batch: &RecordBatch,
        row: usize,
        is_mapped: bool,
    ) -> Result<Self, Error> {
        let mut values = Vec::with_capacity(columns.len());
        let mut directory = String::new();
        for column in columns {
            let text = column.text(batch.column(column.index), row);
            let text = text.map_err(|reason| RuleViolation::PartitionValue {
                column: column.name.clone(),
                row: None,
                reason,
            })?;
            if !is_mapped {
                directory.push_str(&segment(&column.name, text.as_deref()));
            }
            values.push((column.physical_name.clone(), text));
        }
        Ok(Self { values, directory })
    }
}

/// The directory of a partition, of whose columns these are the names and values.
pub fn directory<'a>(values: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> String {
    // To the protocol, an empty text is null.
    let values = values.map(|(name, text)| segment(name, text.filter(|text| !text.is_empty())));
    values.collect()
}

/// A long one is cut: the log has the value, and files have names of their own.
fn segment(name: &str, text: Option<&str>) -> String {
    let encode = |text| utf8_percent_encode(text, ENCODED).to_string();
    let mut segment = escaped(name);
    segment.push('=');
    segment.push_str(&text.map_or_else(|| NULL.to_owned(), encode));
    if segment.len() > SEGMENT_BYTES {
        let mut end = SEGMENT_BYTES;
        // Not in the middle of a character, nor of a %XX.
        while !segment.is_char_boundary(end) || segment.as_bytes()[end - 2..end].contains(&b'%') {
            end -= 1;
        }
        segment.truncate(end);
    }
    segment + "/"
}

/// A name as Hive escapes it: readers that go by the directories undo no more than that.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_control() || HIVE.contains(character) {
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

    #[test]
    fn directories_have_names_that_any_store_takes() {
        assert_eq!(segment("ä b%", Some("x/ä:1")), "ä b%25=x%2F%C3%A4%3A1/");
        assert_eq!(segment("a", None), "a=__HIVE_DEFAULT_PARTITION__/");
        for length in 70..90 {
            let long = segment("a", Some(&format!("x{}", "é".repeat(length))));
            assert!(long.len() <= SEGMENT_BYTES + 1);
            assert_eq!((long.len() - "a=x/".len()) % 3, 0);
        }
    }
}
