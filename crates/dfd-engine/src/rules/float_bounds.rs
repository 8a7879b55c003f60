//! Bounds of floats in Parquet files that aren't of a Delta table.
//!
//! Parquet leaves NaN out of a column's bounds. DataFusion takes a column whose bounds are equal for one
//! value, and reads 4.0 in place of NaN from a file of 4.0 and NaN; what it knows of the floats of
//! a file is taken away. Scans of Delta tables don't have such bounds.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Takes the bounds of floats from the files of scans of Parquet.
pub(super) const FLOAT_BOUNDS: NodeRule = NodeRule {
    name: "float_bounds",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    let scan = node.downcast_ref::<DataSourceExec>();
    let scan = scan.and_then(|scan| scan.downcast_to_file_source::<ParquetSource>());
    Ok(match scan.and_then(|(config, _)| without_bounds(config)) {
        Some(config) => Transformed::yes(DataSourceExec::from_data_source(config) as _),
        None => Transformed::no(node),
    })
}

/// The same scan whose files say nothing of floats; None where they don't.
fn without_bounds(config: &FileScanConfig) -> Option<FileScanConfig> {
    let schema = config.file_source().table_schema().table_schema();
    let floats = floats(schema);
    let tells = |file: &PartitionedFile| {
        let statistics = file.statistics.as_ref();
        statistics.is_some_and(|statistics| has_bounds(statistics, &floats))
    };
    if !config
        .file_groups
        .iter()
        .flat_map(FileGroup::iter)
        .any(tells)
    {
        return None;
    }
    let strip = |group: &FileGroup| {
        let files = group.iter().cloned().map(|mut file| {
            file.statistics = file
                .statistics
                .map(|known| Arc::new(stripped(&known, &floats)));
            file
        });
        FileGroup::new(files.collect())
    };
    let groups = config.file_groups.iter().map(strip).collect();
    let builder = FileScanConfigBuilder::from(config.clone());
    Some(builder.with_file_groups(groups).build())
}

fn floats(schema: &Schema) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    let is_float = |kind: &DataType| kind.is_floating();
    fields
        .filter_map(|(index, field)| is_float(field.data_type()).then_some(index))
        .collect()
}

fn has_bounds(statistics: &Statistics, floats: &[usize]) -> bool {
    let mut columns = floats
        .iter()
        .filter_map(|index| statistics.column_statistics.get(*index));
    columns.any(|column| {
        column.min_value != Precision::Absent || column.max_value != Precision::Absent
    })
}

fn stripped(statistics: &Statistics, floats: &[usize]) -> Statistics {
    let mut left = statistics.clone();
    for index in floats {
        if let Some(column) = left.column_statistics.get_mut(*index) {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
        }
    }
    left
}
