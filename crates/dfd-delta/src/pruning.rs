//! Which files a filter can't match.

use std::collections::HashSet;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::PhysicalExpr;
use std::sync::Arc;

use crate::files::DataFile;

/// The files that may hold a row for which `predicate` is true.
///
/// A predicate that can't be decided from bounds keeps all.
pub fn matching<'a>(
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

struct Container<'a> {
    files: &'a [&'a DataFile],
    schema: &'a SchemaRef,
}

impl Container<'_> {
    fn bounds(&self, column: &Column, end: usize) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(column.name())?;
        let null = ScalarValue::try_from(field.data_type()).ok()?;
        let values = self.files.iter().map(|file| {
            file.bounds
                .get(index)
                .and_then(|ends| ends.get(end))
                .and_then(Option::as_ref)
                .map_or_else(|| null.clone(), |bound| bound.value.clone())
        });
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
