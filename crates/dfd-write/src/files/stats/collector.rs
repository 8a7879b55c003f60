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
use crate::files::stats::bounds::{End, bound_json};
use crate::files::stats::columns::{StatsColumn, StatsColumns};

/// Gathers what the footer of a file doesn't tell.
#[derive(Debug)]
pub(crate) struct StatsCollector {
    columns: Arc<StatsColumns>,
    /// The nulls of each counted column, where the footer doesn't have their number.
    nulls: Vec<u64>,
    /// Whether each column of floats has a NaN.
    has_nan: Vec<bool>,
}

impl StatsCollector {
    /// Begins with a file in which nothing is written.
    pub(crate) fn new(columns: Arc<StatsColumns>) -> Self {
        Self {
            nulls: vec![0; columns.counted.len()],
            has_nan: vec![false; columns.floats.len()],
            columns,
        }
    }

    /// Looks at a batch of the file.
    pub(crate) fn observe(&mut self, batch: &RecordBatch) {
        for (column, count) in self.columns.counted.iter().zip(&mut self.nulls) {
            if column.is_primitive() {
                continue;
            }
            if let Some((_, Some(nulls))) = column.position.find(batch) {
                *count += nulls.null_count() as u64;
            }
        }
        for (position, has_nan) in self.columns.floats.iter().zip(&mut self.has_nan) {
            if *has_nan {
                continue;
            }
            if let Some((array, nulls)) = position.find(batch) {
                *has_nan = holds_nan(&array, nulls.as_ref());
            }
        }
    }

    /// Gives the columns that hold a NaN, by their place among Parquet's.
    pub(crate) fn nan_columns(&self) -> Vec<usize> {
        let floats = self.columns.floats.iter().zip(&self.has_nan);
        let with_nan = floats.filter(|(_, has_nan)| **has_nan);
        with_nan
            .map(|(position, _)| position.parquet_index)
            .collect()
    }

    /// Gives the statistics as JSON.
    ///
    /// # Errors
    /// The footer isn't that of the file.
    pub(crate) fn finish(self, footer: &ParquetMetaData) -> Result<String, Error> {
        let (mut min, mut max, mut nulls) = <(JsonTree, JsonTree, JsonTree)>::default();
        let nan_columns = self.nan_columns();
        for (column, seen) in self.columns.counted.iter().zip(&self.nulls) {
            let stored = FooterStats::new(column, footer)?;
            let count = match column.is_primitive() {
                true => stored.null_count()?,
                false => *seen,
            };
            nulls.insert(&column.path, count.to_string());
            if column.has_bounds && !nan_columns.contains(&column.position.parquet_index) {
                for (end, into) in [(End::Min, &mut min), (End::Max, &mut max)] {
                    if let Some(json) = stored.bound(end)? {
                        into.insert(&column.path, json);
                    }
                }
            }
        }
        let rows = footer.file_metadata().num_rows();
        let mut stats = JsonTree::default();
        stats.put("numRecords", JsonTree::Value(rows.to_string()));
        stats.put("minValues", min);
        stats.put("maxValues", max);
        stats.put("nullCount", nulls);
        Ok(stats.to_json())
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
    // Without a way out of the loop, the compiler vectorizes it.
    let has_any = values.iter().fold(false, |any, value| any | is(*value));
    has_any
        && nulls.is_none_or(|nulls| {
            let mut rows = values.iter().enumerate();
            rows.any(|(row, value)| is(*value) && nulls.is_valid(row))
        })
}

/// The statistics of one column in a footer.
struct FooterStats<'a> {
    converter: StatisticsConverter<'a>,
    footer: &'a ParquetMetaData,
}

impl<'a> FooterStats<'a> {
    fn new(column: &'a StatsColumn, footer: &'a ParquetMetaData) -> Result<Self, Error> {
        let schema = footer.file_metadata().schema_descr();
        let index = column.position.parquet_index;
        let converter = StatisticsConverter::from_column_index(index, &column.field, schema)?;
        Ok(Self { converter, footer })
    }

    fn null_count(&self) -> Result<u64, Error> {
        let counts = self
            .converter
            .row_group_null_counts(self.footer.row_groups())?;
        Ok(counts.iter().flatten().sum())
    }

    /// Gives a bound of all row groups; None where one doesn't say, or where the log can't have the value.
    fn bound(&self, end: End) -> Result<Option<String>, Error> {
        let groups = self.footer.row_groups();
        let (bounds, exact, further) = match end {
            End::Min => (
                self.converter.row_group_mins(groups)?,
                self.converter.row_group_is_min_value_exact(groups)?,
                Ordering::Less,
            ),
            End::Max => (
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
                |(known, _): &(ScalarValue, bool)| bound.partial_cmp(known) == Some(further);
            if found.as_ref().is_none_or(is_beyond) {
                let is_exact = exact.is_valid(index) && exact.value(index);
                found = Some((bound, is_exact));
            }
        }
        Ok(found.and_then(|(bound, is_exact)| bound_json(&bound, end, is_exact)))
    }
}

/// JSON objects in objects; those without a value are left out.
enum JsonTree {
    Value(String),
    Object(Vec<(String, JsonTree)>),
}

impl Default for JsonTree {
    fn default() -> Self {
        Self::Object(Vec::new())
    }
}

impl JsonTree {
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
        // Columns of one struct follow one another.
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
                let members = fields.iter().map(|(name, inner)| {
                    let key = serde_json::Value::from(name.as_str());
                    format!("{key}:{}", inner.to_json())
                });
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }
        }
    }
}
