//! Statistics of one file, from its add action.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use serde_json::Value;

use crate::files::filled_fields::{FilledFields, ToldFields};
use crate::files::log_file::LogFile;
use crate::files::log_values::{Bound, End, bound};
use crate::files::scan_columns::ScanColumns;

/// Lower and upper bounds by column of the scan, for pruning.
pub(crate) type Bounds = Vec<[Option<Bound>; 2]>;

/// The statistics of a file by column of the scan, its bounds for pruning, and its fields that have values.
pub(crate) fn statistics(
    json: &Value,
    file: &LogFile,
    columns: &ScanColumns,
    partition_values: &[ScalarValue],
) -> (Statistics, Bounds, FilledFields) {
    let deleted = file.deleted_rows;
    let stored = json.get("numRecords").and_then(Value::as_u64);
    let rows = stored
        .and_then(|rows| rows.checked_sub(deleted.unwrap_or(0)))
        .and_then(|rows| usize::try_from(rows).ok());
    let is_tight = json.get("tightBounds").and_then(Value::as_bool);
    let whole = deleted.is_none() && is_tight != Some(false);
    // The value of a partition without rows is no bound of any row.
    let has_rows = rows.is_some_and(|rows| rows > 0);
    let mut statistics = Statistics::new_unknown(&columns.file_schema);
    statistics.num_rows = rows.map_or(Precision::Absent, Precision::Exact);
    statistics.total_byte_size =
        usize::try_from(file.size).map_or(Precision::Absent, Precision::Inexact);
    let mut fields = ToldFields::new(columns.mapping.mode(), rows);
    let mut bounds = Vec::with_capacity(columns.file_schema.fields().len());
    for (field, column) in columns
        .file_schema
        .fields()
        .iter()
        .zip(&mut statistics.column_statistics)
    {
        let name = columns.mapping.physical(field.name());
        let told = ["minValues", "maxValues", "nullCount"].map(|kind| json.get(kind)?.get(name));
        fields.add(field, told);
        let [least, greatest, nulls] = told;
        let at = |end: End, told: Option<&Value>| bound(told?, field.data_type(), end);
        let found = [at(End::Least, least), at(End::Greatest, greatest)];
        let nulls = nulls
            .and_then(Value::as_u64)
            .and_then(|count| usize::try_from(count).ok());
        column.null_count = precision(nulls, whole);
        column.min_value = precision_of(&found[0], whole);
        column.max_value = precision_of(&found[1], whole);
        bounds.push(found);
    }
    for value in partition_values {
        let is_null = value.is_null();
        let known = (!is_null).then(|| Bound {
            value: value.clone(),
            is_exact: true,
        });
        statistics.column_statistics.push(ColumnStatistics {
            null_count: match (is_null, rows) {
                (false, _) => Precision::Exact(0),
                (true, Some(rows)) => Precision::Exact(rows),
                (true, None) => Precision::Absent,
            },
            min_value: precision_of(&known, has_rows),
            max_value: precision_of(&known, has_rows),
            ..ColumnStatistics::new_unknown()
        });
        bounds.push([known.clone(), known]);
    }
    // As many as the scan has columns.
    if columns.row_number.is_some() {
        statistics
            .column_statistics
            .push(ColumnStatistics::new_unknown());
        bounds.push([None, None]);
    }
    (statistics, bounds, fields.filled())
}

/// The statistics of a file with these `columns` as its scan may see them.
///
/// DataFusion takes the values of a column whose bounds are one, or that is all null, from its
/// statistics. Here they are those of the file, whatever the log says.
pub(crate) fn for_scan(statistics: &Arc<Statistics>, columns: usize) -> Arc<Statistics> {
    let rows = statistics.num_rows;
    let is_constant = |column: &ColumnStatistics| {
        let is_null = column.null_count == rows && rows != Precision::Absent;
        is_null || (column.min_value == column.max_value && column.min_value != Precision::Absent)
    };
    let mut in_file = statistics.column_statistics.iter().take(columns);
    if !in_file.any(is_constant) {
        return Arc::clone(statistics);
    }
    let mut seen = statistics.as_ref().clone();
    for column in seen.column_statistics.iter_mut().take(columns) {
        if is_constant(column) {
            column.null_count = column.null_count.to_inexact();
        }
    }
    Arc::new(seen)
}

fn precision(value: Option<usize>, is_exact: bool) -> Precision<usize> {
    match value {
        Some(value) if is_exact => Precision::Exact(value),
        Some(value) => Precision::Inexact(value),
        None => Precision::Absent,
    }
}

fn precision_of(bound: &Option<Bound>, whole: bool) -> Precision<ScalarValue> {
    match bound {
        Some(bound) if bound.is_exact && whole => Precision::Exact(bound.value.clone()),
        Some(bound) => Precision::Inexact(bound.value.clone()),
        None => Precision::Absent,
    }
}

/// Statistics with bounds of the types of `schema`.
pub(crate) fn statistics_as(mut statistics: Statistics, schema: &SchemaRef) -> Statistics {
    let columns = statistics.column_statistics.iter_mut();
    for (column, field) in columns.zip(schema.fields()) {
        for bound in [&mut column.min_value, &mut column.max_value] {
            let is_other = |value: &ScalarValue| value.data_type() != *field.data_type();
            if bound.get_value().is_some_and(is_other) {
                *bound = bound
                    .cast_to(field.data_type())
                    .unwrap_or(Precision::Absent);
            }
        }
    }
    statistics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::data_file::DataFile;
    use crate::test_tables::{Add, TestTable, field, metadata, protocol, schema};
    use arrow::datatypes::DataType;
    use serde_json::json;

    /// The file of an action, in a table of `id` and `name`, partitioned by `p`.
    fn file_of(add: Add) -> DataFile {
        let fields = [
            field("id", "long"),
            field("name", "string"),
            field("p", "long"),
        ];
        let features = ["deletionVectors"];
        let table = TestTable::of(&[protocol(&features), metadata(&fields, &["p"], json!({}))]);
        table.commit(1, &[add.action()]);
        table.open().files()[0].clone()
    }

    fn add(stats: Value) -> Add {
        Add::new("f", 77).partition("p", Some("5")).stats(stats)
    }

    fn full() -> Value {
        json!({
            "numRecords": 10,
            "minValues": {"id": 1, "name": "a"},
            "maxValues": {"id": 9, "name": "b"},
            "nullCount": {"id": 2, "name": 0},
        })
    }

    fn long(value: i64) -> ScalarValue {
        ScalarValue::Int64(Some(value))
    }

    #[test]
    fn whole_numbers_are_known_and_texts_about() {
        let file = file_of(add(full()));
        let statistics = &file.statistics;
        assert_eq!(statistics.num_rows, Precision::Exact(10));
        assert_eq!(statistics.total_byte_size, Precision::Inexact(77));
        let [id, name, p] = &statistics.column_statistics[..] else {
            unreachable!("three columns");
        };
        assert_eq!(id.min_value, Precision::Exact(long(1)));
        assert_eq!(id.max_value, Precision::Exact(long(9)));
        assert_eq!(id.null_count, Precision::Exact(2));
        assert_eq!(name.min_value, Precision::Inexact(ScalarValue::from("a")));
        assert_eq!(name.max_value, Precision::Inexact(ScalarValue::from("b")));
        assert_eq!(name.null_count, Precision::Exact(0));
        assert_eq!(p.min_value, Precision::Exact(long(5)));
        assert_eq!(p.max_value, Precision::Exact(long(5)));
        assert_eq!(p.null_count, Precision::Exact(0));
        let known = |bound: &Option<Bound>| bound.as_ref().map(|bound| bound.value.clone());
        let bounds: Vec<_> = file
            .bounds
            .iter()
            .map(|pair| pair.each_ref().map(known))
            .collect();
        let of_name = [Some(ScalarValue::from("a")), Some(ScalarValue::from("b"))];
        assert_eq!(bounds[0], [Some(long(1)), Some(long(9))]);
        assert_eq!(bounds[1], of_name);
        assert_eq!(bounds[2], [Some(long(5)), Some(long(5))]);
    }

    #[test]
    fn a_deletion_vector_leaves_counts_of_rows_and_makes_bounds_wide() {
        let file = file_of(add(full()).deleted(&[0, 3, 9]));
        assert_eq!(file.statistics.num_rows, Precision::Exact(7));
        let id = &file.statistics.column_statistics[0];
        assert_eq!(id.min_value, Precision::Inexact(long(1)));
        assert_eq!(id.max_value, Precision::Inexact(long(9)));
        assert_eq!(id.null_count, Precision::Inexact(2));
        // All rows that are left are in the partition.
        let p = &file.statistics.column_statistics[2];
        assert_eq!(p.min_value, Precision::Exact(long(5)));
        let emptied = json!({"numRecords": 2});
        let file = file_of(add(emptied).deleted(&[0, 1]));
        assert_eq!(file.statistics.num_rows, Precision::Exact(0));
        let p = &file.statistics.column_statistics[2];
        assert_eq!(p.min_value, Precision::Inexact(long(5)));
    }

    #[test]
    fn bounds_that_the_writer_calls_wide_are() {
        let with = |tight: bool| {
            let mut stats = full();
            stats["tightBounds"] = tight.into();
            let file = file_of(add(stats));
            let id = file.statistics.column_statistics[0].clone();
            (file.statistics.num_rows, id.min_value, id.null_count)
        };
        let rows = Precision::Exact(10);
        assert_eq!(
            with(true),
            (rows, Precision::Exact(long(1)), Precision::Exact(2))
        );
        let wide = (rows, Precision::Inexact(long(1)), Precision::Inexact(2));
        assert_eq!(with(false), wide);
    }

    #[test]
    fn a_partition_without_rows_bounds_nothing() {
        let file = file_of(add(json!({"numRecords": 0})));
        let p = &file.statistics.column_statistics[2];
        assert_eq!(file.statistics.num_rows, Precision::Exact(0));
        assert_eq!(p.min_value, Precision::Inexact(long(5)));
        assert_eq!(p.max_value, Precision::Inexact(long(5)));
        assert_eq!(p.null_count, Precision::Exact(0));
    }

    #[test]
    fn the_null_of_a_partition_counts_its_rows() {
        let null = |stats: Value| {
            let file = file_of(Add::new("f", 77).partition("p", None).stats(stats));
            let p = file.statistics.column_statistics[2].clone();
            (p.null_count, p.min_value)
        };
        assert_eq!(
            null(json!({"numRecords": 4})),
            (Precision::Exact(4), Precision::Absent)
        );
        assert_eq!(null(json!({})), (Precision::Absent, Precision::Absent));
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        let file = file_of(Add::new("f", 77).partition("p", Some("5")));
        let mut unknown = ColumnStatistics::new_unknown();
        assert_eq!(file.statistics.num_rows, Precision::Absent);
        assert_eq!(file.statistics.column_statistics[0], unknown);
        assert_eq!(file.bounds[0], [None, None]);
        // Without a count of rows there may be none in the partition.
        unknown.null_count = Precision::Exact(0);
        unknown.min_value = Precision::Inexact(long(5));
        unknown.max_value = Precision::Inexact(long(5));
        assert_eq!(file.statistics.column_statistics[2], unknown);
        let odd = json!({
            "numRecords": "10",
            "minValues": {"id": {"x": 1}, "name": null},
            "maxValues": [],
            "nullCount": {"id": -1, "name": 1.5},
        });
        let file = file_of(add(odd));
        for column in &file.statistics.column_statistics[..2] {
            assert_eq!(column, &ColumnStatistics::new_unknown());
        }
    }

    #[test]
    fn a_scan_sees_no_column_of_one_value() {
        let stats = |least: i64, nulls: [usize; 2]| {
            json!({
                "numRecords": 3,
                "minValues": {"id": least},
                "maxValues": {"id": 4},
                "nullCount": {"id": nulls[0], "name": nulls[1]},
            })
        };
        let seen = |stats| {
            let file = file_of(add(stats));
            let seen = file.scanned.statistics.clone().unwrap();
            let is_shared = Arc::ptr_eq(&seen, &file.statistics);
            let counts = seen
                .column_statistics
                .iter()
                .map(|column| column.null_count);
            let bounds = seen.column_statistics[0].max_value.clone();
            assert_eq!(bounds, Precision::Exact(long(4)));
            (is_shared, counts.collect::<Vec<_>>())
        };
        let exact = Precision::Exact;
        assert_eq!(
            seen(stats(1, [0, 1])),
            (true, vec![exact(0), exact(1), exact(0)])
        );
        let one = vec![Precision::Inexact(0), exact(1), exact(0)];
        assert_eq!(seen(stats(4, [0, 1])), (false, one));
        let null = vec![exact(0), Precision::Inexact(3), exact(0)];
        assert_eq!(seen(stats(1, [0, 3])), (false, null));
    }

    #[test]
    fn bounds_take_the_types_of_the_scan_or_go() {
        let column = |least: ScalarValue, greatest: ScalarValue| ColumnStatistics {
            null_count: Precision::Exact(1),
            min_value: Precision::Exact(least),
            max_value: Precision::Inexact(greatest),
            ..ColumnStatistics::new_unknown()
        };
        let statistics = Statistics {
            num_rows: Precision::Exact(3),
            total_byte_size: Precision::Absent,
            column_statistics: vec![
                column(ScalarValue::from("a"), ScalarValue::from("b")),
                column(long(1), long(2)),
                column(ScalarValue::from("x"), long(300)),
            ],
        };
        let wanted = schema(&[
            ("name", DataType::Utf8View),
            ("id", DataType::Int64),
            ("odd", DataType::Struct(Default::default())),
        ]);
        let found = statistics_as(statistics.clone(), &wanted);
        let viewed = |text: &str| ScalarValue::Utf8View(Some(text.to_owned()));
        let [name, id, odd] = &found.column_statistics[..] else {
            unreachable!("three columns");
        };
        assert_eq!(name.min_value, Precision::Exact(viewed("a")));
        assert_eq!(name.max_value, Precision::Inexact(viewed("b")));
        assert_eq!(id, &statistics.column_statistics[1]);
        assert_eq!(odd.min_value, Precision::Absent);
        assert_eq!(odd.max_value, Precision::Absent);
        assert_eq!(odd.null_count, Precision::Exact(1));
        assert_eq!(found.num_rows, Precision::Exact(3));
    }
}
