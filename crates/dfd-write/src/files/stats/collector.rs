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
use serde_json::Value;

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

    /// Begins with a file of whose columns some are those of another, which has no NaN that its footer
    /// doesn't tell of and these counts of nulls. None where one of them is missing.
    pub(crate) fn of_stored(columns: Arc<StatsColumns>, null_counts: &Value) -> Option<Self> {
        let stored = |column: &StatsColumn| match column.is_primitive() {
            true => Some(0),
            false => (column.path.iter())
                .try_fold(null_counts, |counts, name| counts.get(name))?
                .as_u64(),
        };
        let nulls = columns.counted.iter().map(stored);
        Some(Self {
            nulls: nulls.collect::<Option<_>>()?,
            ..Self::new(columns)
        })
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

    /// Looks at rows of one column, by its place among those of the file.
    pub(crate) fn observe_column(&mut self, place: usize, array: &ArrayRef) {
        for (position, has_nan) in self.columns.floats.iter().zip(&mut self.has_nan) {
            if position.indices == [place] {
                *has_nan = *has_nan || holds_nan(array, array.nulls());
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
    pub(crate) fn finish(&self, footer: &ParquetMetaData) -> Result<String, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int32Array, ListArray, StructArray};
    use arrow::datatypes::Field;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;

    use crate::schema::stats_paths::StatsPaths;
    use crate::testing::{batch, int64s, texts};

    /// The statistics of a file of one row group a batch, all of whose columns have them.
    fn stats(batches: &[RecordBatch], columns: &[&str]) -> String {
        let paths: Vec<Vec<String>> = columns
            .iter()
            .map(|path| path.split('.').map(str::to_owned).collect())
            .collect();
        let paths = StatsPaths {
            null_counts: paths.iter().cloned().collect(),
            bounds: paths.into_iter().collect(),
        };
        let schema = batches[0].schema();
        let mut collector = StatsCollector::new(Arc::new(StatsColumns::new(&paths, &schema)));
        let properties = WriterProperties::builder()
            .set_statistics_truncate_length(Some(super::super::bounds::FOOTER_BOUND_BYTES))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        for batch in batches {
            collector.observe(batch);
            writer.write(batch).unwrap();
            writer.flush().unwrap();
        }
        collector.finish(&writer.finish().unwrap()).unwrap()
    }

    fn doubles(values: Vec<Option<f64>>) -> ArrayRef {
        Arc::new(Float64Array::from(values))
    }

    #[test]
    fn bounds_and_nulls_are_of_all_row_groups() {
        let batches = [
            batch(vec![
                ("a", int64s([Some(5), None])),
                ("s", texts([Some("b"), None])),
            ]),
            batch(vec![
                ("a", int64s([None, None])),
                ("s", texts([Some("c"), Some("a")])),
            ]),
            batch(vec![
                ("a", int64s([Some(-1), Some(2)])),
                ("s", texts([None, None])),
            ]),
        ];
        assert_eq!(
            stats(&batches, &["a", "s"]),
            concat!(
                r#"{"numRecords":6,"minValues":{"a":-1,"s":"a"},"maxValues":{"a":5,"s":"c"},"#,
                r#""nullCount":{"a":3,"s":3}}"#
            )
        );
    }

    #[test]
    fn a_column_of_nulls_has_no_bounds() {
        let rows = batch(vec![("a", int64s([None, None]))]);
        assert_eq!(
            stats(&[rows], &["a"]),
            r#"{"numRecords":2,"minValues":{},"maxValues":{},"nullCount":{"a":2}}"#
        );
    }

    #[test]
    fn a_column_with_a_nan_has_no_bounds() {
        let with = batch(vec![
            ("d", doubles(vec![Some(1.0), Some(f64::NAN)])),
            ("e", doubles(vec![Some(1.0); 2])),
        ]);
        assert_eq!(
            stats(&[with], &["d", "e"]),
            concat!(
                r#"{"numRecords":2,"minValues":{"e":1.0},"maxValues":{"e":1.0},"#,
                r#""nullCount":{"d":0,"e":0}}"#
            )
        );
    }

    #[test]
    fn a_nan_under_a_null_is_none() {
        let values = Float64Array::new(
            vec![1.0, f64::NAN].into(),
            Some(NullBuffer::from(vec![true, false])),
        );
        let rows = batch(vec![("d", Arc::new(values) as ArrayRef)]);
        assert!(stats(&[rows], &["d"]).contains(r#""maxValues":{"d":1.0}"#));
    }

    #[test]
    fn nulls_of_lists_are_counted_in_the_batches() {
        let list = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]);
        let rows = batch(vec![("l", Arc::new(list) as ArrayRef)]);
        assert_eq!(
            stats(&[rows.clone(), rows], &["l"]),
            r#"{"numRecords":6,"minValues":{},"maxValues":{},"nullCount":{"l":2}}"#
        );
    }

    #[test]
    fn fields_of_structs_are_objects_in_objects() {
        let fields = vec![
            Field::new("x", DataType::Int32, true),
            Field::new("y\"z", DataType::Utf8, true),
        ];
        let x: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2)]));
        let structs = StructArray::new(
            fields.into(),
            vec![x, texts([Some("a"), None])],
            Some(NullBuffer::from(vec![true, false])),
        );
        let rows = batch(vec![("r", Arc::new(structs) as ArrayRef)]);
        assert_eq!(
            stats(&[rows], &["r.x", "r.y\"z"]),
            concat!(
                r#"{"numRecords":2,"minValues":{"r":{"x":1,"y\"z":"a"}},"#,
                r#""maxValues":{"r":{"x":1,"y\"z":"a"}},"nullCount":{"r":{"x":1,"y\"z":1}}}"#
            )
        );
    }

    #[test]
    fn long_texts_are_cut_in_the_log() {
        let long = "x".repeat(2_000);
        let rows = batch(vec![("s", texts([Some(long.as_str())]))]);
        let cut = "x".repeat(32);
        let wanted = format!(
            "{{\"numRecords\":1,\"minValues\":{{\"s\":\"{cut}\"}},\"maxValues\":{{\"s\":\"{cut}\u{7f}\"}},\"nullCount\":{{\"s\":0}}}}"
        );
        assert_eq!(stats(&[rows], &["s"]), wanted);
    }

    #[test]
    fn columns_without_statistics_are_left_out() {
        let rows = batch(vec![("a", int64s([Some(1)])), ("b", int64s([Some(2)]))]);
        assert_eq!(
            stats(&[rows], &["b"]),
            r#"{"numRecords":1,"minValues":{"b":2},"maxValues":{"b":2},"nullCount":{"b":0}}"#
        );
    }
}
