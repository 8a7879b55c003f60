//! Statistics of a data file, as its add action has them.
//!
//! Protocol, "Per-file Statistics". Bounds and most null counts are in the file's footer, and what isn't is
//! seen in the batches: nulls of lists and maps, and whether a column of floats has a NaN, which
//! the bounds of Parquet pass over: such a column has none, neither here nor in the footer.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use crate::error::Error;
use crate::files::stats::bounds::{End, as_json};
use crate::files::stats::columns::{Leaf, Leaves};

/// How long bounds in the footer must be: twice [`crate::files::stats::bounds::CHARACTERS`] and more, of four
/// bytes each. Parquet's own default is less.
pub const BOUND_BYTES: usize = 512;

/// Gathers what the footer of a file doesn't tell.
#[derive(Debug)]
pub struct Collector {
    leaves: Arc<Leaves>,
    nulls: Vec<u64>,
    has_nan: Vec<bool>,
}

impl Collector {
    /// Of a file of which nothing is written.
    pub fn new(leaves: Arc<Leaves>) -> Self {
        Self {
            nulls: vec![0; leaves.counted.len()],
            has_nan: vec![false; leaves.floats.len()],
            leaves,
        }
    }

    /// See a batch of the file.
    pub fn observe(&mut self, batch: &RecordBatch) {
        for (leaf, count) in self.leaves.counted.iter().zip(&mut self.nulls) {
            if leaf.is_primitive() {
                continue;
            }
            if let Some((_, Some(nulls))) = leaf.place.find(batch) {
                *count += nulls.null_count() as u64;
            }
        }
        for (place, has_nan) in self.leaves.floats.iter().zip(&mut self.has_nan) {
            if *has_nan {
                continue;
            }
            if let Some((array, nulls)) = place.find(batch) {
                *has_nan = holds_nan(&array, nulls.as_ref());
            }
        }
    }

    /// The columns that hold a NaN, by their place among Parquet's.
    pub fn with_nan(&self) -> Vec<usize> {
        let floats = self.leaves.floats.iter().zip(&self.has_nan);
        let held = floats.filter(|(_, has_nan)| **has_nan);
        held.map(|(place, _)| place.parquet_index).collect()
    }

    /// The statistics as JSON.
    ///
    /// # Errors
    /// The footer isn't that of the file.
    pub fn finish(self, footer: &ParquetMetaData) -> Result<String, Error> {
        let (mut least, mut greatest, mut nulls) = <(Tree, Tree, Tree)>::default();
        let with_nan = self.with_nan();
        for (leaf, seen) in self.leaves.counted.iter().zip(&self.nulls) {
            let read = OfFooter::new(leaf, footer)?;
            let count = if leaf.is_primitive() {
                read.nulls()?
            } else {
                *seen
            };
            nulls.insert(&leaf.names, count.to_string());
            if leaf.has_bounds && !with_nan.contains(&leaf.place.parquet_index) {
                for (end, into) in [(End::Least, &mut least), (End::Greatest, &mut greatest)] {
                    if let Some(json) = read.bound(end)? {
                        into.insert(&leaf.names, json);
                    }
                }
            }
        }
        let rows = footer.file_metadata().num_rows();
        let mut all = Tree::default();
        all.put("numRecords", Tree::Value(rows.to_string()));
        all.put("minValues", least);
        all.put("maxValues", greatest);
        all.put("nullCount", nulls);
        Ok(all.to_json())
    }
}

fn holds_nan(array: &ArrayRef, nulls: Option<&NullBuffer>) -> bool {
    match array.data_type() {
        DataType::Float32 => any_valid(
            array.as_primitive::<Float32Type>().values(),
            nulls,
            f32::is_nan,
        ),
        DataType::Float64 => any_valid(
            array.as_primitive::<Float64Type>().values(),
            nulls,
            f64::is_nan,
        ),
        _ => false,
    }
}

fn any_valid<T: Copy>(values: &[T], nulls: Option<&NullBuffer>, is: impl Fn(T) -> bool) -> bool {
    // Without a way out of it, a compiler makes a loop of vectors.
    let has_any = values.iter().fold(false, |any, value| any | is(*value));
    has_any
        && nulls.is_none_or(|nulls| {
            let mut rows = values.iter().enumerate();
            rows.any(|(row, value)| is(*value) && nulls.is_valid(row))
        })
}

/// What a footer says of one column.
struct OfFooter<'a> {
    converter: StatisticsConverter<'a>,
    footer: &'a ParquetMetaData,
}

impl<'a> OfFooter<'a> {
    fn new(leaf: &'a Leaf, footer: &'a ParquetMetaData) -> Result<Self, Error> {
        let schema = footer.file_metadata().schema_descr();
        let converter =
            StatisticsConverter::from_column_index(leaf.place.parquet_index, &leaf.field, schema)?;
        Ok(Self { converter, footer })
    }

    fn nulls(&self) -> Result<u64, Error> {
        let counts = self
            .converter
            .row_group_null_counts(self.footer.row_groups())?;
        Ok(counts.iter().flatten().sum())
    }

    /// None where a row group doesn't say, or where the log can't have the value.
    fn bound(&self, end: End) -> Result<Option<String>, Error> {
        let groups = self.footer.row_groups();
        let (bounds, exact, keep) = match end {
            End::Least => (
                self.converter.row_group_mins(groups)?,
                self.converter.row_group_is_min_value_exact(groups)?,
                Ordering::Less,
            ),
            End::Greatest => (
                self.converter.row_group_maxes(groups)?,
                self.converter.row_group_is_max_value_exact(groups)?,
                Ordering::Greater,
            ),
        };
        let counts = self.converter.row_group_null_counts(groups)?;
        let mut found: Option<(ScalarValue, bool)> = None;
        for (index, group) in groups.iter().enumerate() {
            let bound = ScalarValue::try_from_array(&bounds, index)?;
            if bound.is_null() {
                let is_all_null = i64::try_from(counts.value(index)) == Ok(group.num_rows());
                if is_all_null {
                    continue;
                }
                return Ok(None);
            }
            let is_beyond =
                |(known, _): &(ScalarValue, bool)| bound.partial_cmp(known) == Some(keep);
            if found.as_ref().is_none_or(is_beyond) {
                let is_exact = exact.is_valid(index) && exact.value(index);
                found = Some((bound, is_exact));
            }
        }
        Ok(found.and_then(|(bound, is_exact)| as_json(&bound, end, is_exact)))
    }
}

/// JSON objects in objects; those without a value are left out.
enum Tree {
    Value(String),
    Object(Vec<(String, Tree)>),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Object(Vec::new())
    }
}

impl Tree {
    fn put(&mut self, name: &str, inner: Self) {
        if let Self::Object(fields) = self {
            fields.push((name.to_owned(), inner));
        }
    }

    fn insert(&mut self, path: &[String], json: String) {
        let (Self::Object(fields), Some((name, rest))) = (self, path.split_first()) else {
            return;
        };
        if rest.is_empty() {
            fields.push((name.clone(), Self::Value(json)));
            return;
        }
        // Leaves of one struct follow one another.
        if fields.last().is_none_or(|(last, _)| last != name) {
            fields.push((name.clone(), Self::default()));
        }
        if let Some((_, inner)) = fields.last_mut() {
            inner.insert(rest, json);
        }
    }

    fn to_json(&self) -> String {
        match self {
            Self::Value(json) => json.clone(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, inner)| {
                    let name = serde_json::Value::from(name.as_str());
                    format!("{name}:{}", inner.to_json())
                });
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }
}
