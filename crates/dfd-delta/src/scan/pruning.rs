//! Which files a filter can't match.

use std::collections::HashSet;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

use crate::files::data_file::DataFile;

/// The files that may hold a row for which `predicate` is true.
///
/// A predicate that can't be decided from bounds keeps all.
pub(crate) fn matching<'a>(
    files: Vec<&'a DataFile>,
    predicate: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
) -> Vec<&'a DataFile> {
    let Ok(pruning) = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .try_build(Arc::clone(predicate))
    else {
        return files;
    };
    let container = Container {
        files: &files,
        schema,
    };
    match pruning.prune(&container) {
        Ok(keep) => files
            .into_iter()
            .zip(keep)
            .filter_map(|(file, keep)| keep.then_some(file))
            .collect(),
        Err(_) => files,
    }
}

/// The files in whose partition `predicate`, over partition columns alone, is true.
///
/// The partition columns follow the first `in_files` of the scan.
pub(crate) fn in_partitions<'a>(
    files: Vec<&'a DataFile>,
    predicate: &Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
    in_files: usize,
) -> Result<Vec<&'a DataFile>> {
    let partition = |index: usize| {
        let place = index.checked_sub(in_files)?;
        let values = files.iter();
        let values = values.map(|file| file.scanned.partition_values.get(place).cloned());
        values.collect::<Option<Vec<_>>>()
    };
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        columns.push(match partition(index) {
            Some(values) if !values.is_empty() => ScalarValue::iter_to_array(values)?,
            // Not looked at.
            _ => new_null_array(field.data_type(), files.len()),
        });
    }
    let fields = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    let values = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?;
    let keep = predicate.evaluate(&values)?.into_array(files.len())?;
    let keep = cast(&keep, &DataType::Boolean)?;
    let keep = as_boolean_array(&keep)?;
    Ok(files
        .into_iter()
        .zip(keep)
        .filter_map(|(file, keep)| (keep == Some(true)).then_some(file))
        .collect())
}

/// The first files that have `rows` rows together.
pub(crate) fn first(files: Vec<&DataFile>, rows: usize) -> Vec<&DataFile> {
    let mut found = 0usize;
    files
        .into_iter()
        .take_while(|file| {
            let enough = found >= rows;
            if let Precision::Exact(rows) = file.statistics.num_rows {
                found = found.saturating_add(rows);
            }
            !enough
        })
        .collect()
}

struct Container<'a> {
    files: &'a [&'a DataFile],
    schema: &'a SchemaRef,
}

impl Container<'_> {
    fn bounds(&self, column: &Column, end: usize) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(column.name())?;
        let of =
            |file: &&'_ DataFile| Some(file.bounds.get(index)?.get(end)?.as_ref()?.value.clone());
        // Bounds have the type of the log, which may not be that of the scan.
        let known = self.files.iter().find_map(of);
        let data_type = known.map_or_else(|| field.data_type().clone(), |value| value.data_type());
        let null = ScalarValue::try_from(&data_type).ok()?;
        let values = self
            .files
            .iter()
            .map(|file| of(file).unwrap_or_else(|| null.clone()));
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for Container<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, 0)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, 1)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.schema.column_with_name(column.name())?;
        // With a deletion vector the count is that of the whole file, and only an upper bound:
        // as good as the whole for deciding that all, or none, are null.
        let counts = self.files.iter().map(|file| {
            let statistics = file.statistics.column_statistics.get(index)?;
            let count = statistics.null_count.get_value()?;
            let exact = statistics.null_count.is_exact().unwrap_or(false);
            (exact || *count == 0).then_some(*count as u64)
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|file| {
            file.statistics
                .num_rows
                .get_value()
                .map(|rows| *rows as u64)
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[cfg(test)]
mod tests;
