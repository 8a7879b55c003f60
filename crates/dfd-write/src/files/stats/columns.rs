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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StructArray;
    use arrow::datatypes::Field;

    use crate::testing::{batch, int64s};

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn path(names: &str) -> ColumnPath {
        names.split('.').map(str::to_owned).collect()
    }

    fn schema() -> Schema {
        let entry = DataType::Struct(
            vec![
                Field::new("key", DataType::Utf8, false),
                field("value", DataType::Float64),
            ]
            .into(),
        );
        let map = DataType::Map(Arc::new(Field::new("entries", entry, false)), false);
        let inner = vec![field("x", DataType::Float32), field("y", DataType::Int64)];
        Schema::new(vec![
            field("a", DataType::Int64),
            field("m", map),
            field("l", DataType::new_list(DataType::Float64, true)),
            field("r", DataType::Struct(inner.into())),
            field("z", DataType::Float64),
        ])
    }

    #[test]
    fn columns_are_numbered_as_parquet_numbers_its_leaves() {
        let paths = StatsPaths {
            null_counts: [path("a"), path("l"), path("r.y"), path("z")].into(),
            bounds: [path("r.y")].into(),
        };
        let found = StatsColumns::new(&paths, &schema());
        let counted = found.counted.iter().map(|column| {
            let position = &column.position;
            (
                column.path.join("."),
                position.indices.clone(),
                position.parquet_index,
            )
        });
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [
                ("a".to_owned(), vec![0], 0),
                ("l".to_owned(), vec![2], 3),
                ("r.y".to_owned(), vec![3, 1], 5),
                ("z".to_owned(), vec![4], 6),
            ]
        );
        let bounded = found.counted.iter().filter(|column| column.has_bounds);
        assert_eq!(bounded.count(), 1);
        assert!(!found.counted[1].is_primitive() && found.counted[2].is_primitive());
    }

    #[test]
    fn floats_are_looked_at_whether_they_have_statistics_or_not() {
        let found = StatsColumns::new(&StatsPaths::default(), &schema());
        let floats: Vec<_> = found
            .floats
            .iter()
            .map(|float| float.parquet_index)
            .collect();
        assert!(found.counted.is_empty());
        // Not those in the map and the list.
        assert_eq!(floats, [4, 6]);
    }

    #[test]
    fn a_column_is_null_where_a_struct_around_it_is() {
        let fields = vec![field("x", DataType::Int64)];
        let structs = StructArray::new(
            fields.into(),
            vec![int64s([Some(1), None, Some(3)])],
            Some(NullBuffer::from(vec![true, true, false])),
        );
        let rows = batch(vec![("r", Arc::new(structs) as ArrayRef)]);
        let position = |indices: &[usize]| ColumnPosition {
            indices: indices.to_vec(),
            parquet_index: 0,
        };
        let (array, nulls) = position(&[0, 0]).find(&rows).unwrap();
        assert_eq!(
            (array.len(), nulls.map(|nulls| nulls.null_count())),
            (3, Some(2))
        );
        assert!(position(&[0, 1]).find(&rows).is_none());
        assert!(position(&[1]).find(&rows).is_none());
        assert!(position(&[]).find(&rows).is_none());
    }
}
