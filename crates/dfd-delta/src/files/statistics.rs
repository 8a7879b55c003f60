//! Statistics of one file, from its add action.

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use deltalake_core::kernel::LogicalFileView;
use serde_json::Value;

use crate::files::log_values::{Bound, End, bound};
use crate::files::scan_columns::ScanColumns;

/// Lower and upper bounds by column of the scan, for pruning.
pub(crate) type Bounds = Vec<[Option<Bound>; 2]>;

/// The statistics of a file by column of the scan, and its bounds for pruning.
pub(crate) fn statistics(
    json: &Value,
    file: &LogicalFileView,
    columns: &ScanColumns,
    partition_values: &[ScalarValue],
) -> (Statistics, Bounds) {
    let deleted = file
        .deletion_vector_descriptor()
        .map(|vector| vector.cardinality);
    let stored = json.get("numRecords").and_then(Value::as_u64);
    let rows = stored
        .and_then(|rows| rows.checked_sub(u64::try_from(deleted.unwrap_or(0)).ok()?))
        .and_then(|rows| usize::try_from(rows).ok());
    let is_tight = json.get("tightBounds").and_then(Value::as_bool);
    let whole = deleted.is_none() && is_tight != Some(false);
    // The value of a partition without rows is no bound of any row.
    let has_rows = rows.is_some_and(|rows| rows > 0);
    let mut statistics = Statistics::new_unknown(&columns.file_schema);
    statistics.num_rows = rows.map_or(Precision::Absent, Precision::Exact);
    statistics.total_byte_size =
        usize::try_from(file.size()).map_or(Precision::Absent, Precision::Inexact);
    let mut bounds = Vec::with_capacity(columns.file_schema.fields().len());
    for (field, column) in columns
        .file_schema
        .fields()
        .iter()
        .zip(&mut statistics.column_statistics)
    {
        let name = columns.mapping.physical(field.name());
        let at = |end: End, key: &str| bound(json.get(key)?.get(name)?, field.data_type(), end);
        let found = [at(End::Least, "minValues"), at(End::Greatest, "maxValues")];
        let nulls = json
            .get("nullCount")
            .and_then(|counts| counts.get(name))
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
    (statistics, bounds)
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
