//! Where the columns with statistics are, in batches and in the footer.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema};

use crate::schema::stats_paths::{ColumnPath, StatsPaths};

/// Where a column is, maybe inside structs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPosition {
    /// Places in batches: of each struct around it, and in the innermost.
    pub(crate) indices: Vec<usize>,
    /// Place among the primitive columns of the Parquet schema.
    pub(crate) parquet_index: usize,
}

/// A column of the files that has statistics.
#[derive(Debug)]
pub(crate) struct StatsColumn {
    pub(crate) path: ColumnPath,
    pub(crate) position: ColumnPosition,
    pub(crate) field: FieldRef,
    pub(crate) has_bounds: bool,
}

/// The columns of a table's files that are looked at for statistics.
#[derive(Debug, Default)]
pub(crate) struct StatsColumns {
    /// The columns of the statistics.
    pub(crate) counted: Vec<StatsColumn>,
    /// All columns that may have a NaN, but for those in lists and maps.
    pub(crate) floats: Vec<ColumnPosition>,
}

impl StatsColumns {
    /// Finds the columns of `paths` in files of this schema.
    pub(crate) fn new(paths: &StatsPaths, file_schema: &Schema) -> Self {
        let mut walk = Walk {
            paths,
            path: Vec::new(),
            indices: Vec::new(),
            parquet_index: 0,
            found: Self::default(),
        };
        walk.visit(file_schema.fields());
        walk.found
    }
}

impl StatsColumn {
    /// Whether the footer has the number of its nulls.
    pub(crate) fn is_primitive(&self) -> bool {
        !self.field.data_type().is_nested()
    }
}

impl ColumnPosition {
    /// Finds the column in a batch, and where it or a struct around it is null.
    pub(crate) fn find(&self, batch: &RecordBatch) -> Option<(ArrayRef, Option<NullBuffer>)> {
        let (first, rest) = self.indices.split_first()?;
        let mut column = Arc::clone(batch.columns().get(*first)?);
        let mut nulls = column.nulls().cloned();
        for index in rest {
            let inner = Arc::clone(column.as_struct_opt()?.columns().get(*index)?);
            nulls = NullBuffer::union(nulls.as_ref(), inner.nulls());
            column = inner;
        }
        Some((column, nulls))
    }
}

/// A walk over the columns of a file in the order of Parquet's.
struct Walk<'a> {
    paths: &'a StatsPaths,
    path: ColumnPath,
    indices: Vec<usize>,
    parquet_index: usize,
    found: StatsColumns,
}

impl Walk<'_> {
    fn visit(&mut self, fields: &Fields) {
        for (index, field) in fields.iter().enumerate() {
            self.path.push(field.name().clone());
            self.indices.push(index);
            match field.data_type() {
                DataType::Struct(inner) => self.visit(inner),
                _ => self.add(field),
            }
            self.path.pop();
            self.indices.pop();
        }
    }

    fn add(&mut self, field: &FieldRef) {
        let position = ColumnPosition {
            indices: self.indices.clone(),
            parquet_index: self.parquet_index,
        };
        if field.data_type().is_floating() {
            self.found.floats.push(position.clone());
        }
        if self.paths.null_counts.contains(&self.path) {
            self.found.counted.push(StatsColumn {
                path: self.path.clone(),
                position,
                field: Arc::clone(field),
                has_bounds: self.paths.bounds.contains(&self.path),
            });
        }
        self.parquet_index += parquet_columns(field.data_type());
    }
}

/// Counts the columns of Parquet that a type is.
fn parquet_columns(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => {
            let inside = fields.iter();
            inside.map(|field| parquet_columns(field.data_type())).sum()
        }
        DataType::List(inner) | DataType::Map(inner, _) => parquet_columns(inner.data_type()),
        _ => 1,
    }
}
