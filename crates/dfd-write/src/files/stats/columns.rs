//! The columns that have statistics: which they are is for the table's properties to say.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, FieldRef, Fields, SchemaRef};
use delta_kernel::schema::{DataType as DeltaType, StructType};
use delta_kernel::table_configuration::TableConfiguration;

use crate::error::Error;

/// Where a column is, maybe inside structs.
#[derive(Debug, Clone)]
pub struct Place {
    /// In batches: of each struct around it, and in the innermost.
    pub indices: Vec<usize>,
    /// Among the primitive columns of the Parquet schema.
    pub parquet_index: usize,
}

/// A column of the files that has statistics.
#[derive(Debug)]
pub struct Leaf {
    pub names: Vec<String>,
    pub place: Place,
    pub field: FieldRef,
    pub has_bounds: bool,
}

/// What there is to know of a table's files.
#[derive(Debug, Default)]
pub struct Leaves {
    /// The columns of the statistics.
    pub counted: Vec<Leaf>,
    /// All columns that may have a NaN, but for those in lists and maps.
    pub floats: Vec<Place>,
}

impl Leaves {
    /// Those of a table whose files have this schema.
    ///
    /// # Errors
    /// The table's properties can't be followed.
    pub fn of(table: &TableConfiguration, file_schema: &SchemaRef) -> Result<Self, Error> {
        let expected = table.build_expected_stats_schemas(None, None)?.physical;
        let mut all = Walk {
            counted: paths_of(&expected, "nullCount"),
            bounded: paths_of(&expected, "minValues"),
            ..Walk::default()
        };
        all.fields(file_schema.fields());
        Ok(all.leaves)
    }
}

impl Leaf {
    /// Whether the footer has its nulls.
    pub fn is_primitive(&self) -> bool {
        !self.field.data_type().is_nested()
    }
}

impl Place {
    /// The column in a batch, and where it or a struct around it is null.
    pub fn find(&self, batch: &RecordBatch) -> Option<(ArrayRef, Option<NullBuffer>)> {
        let (first, rest) = self.indices.split_first()?;
        let mut found = Arc::clone(batch.columns().get(*first)?);
        let mut nulls = found.nulls().cloned();
        for index in rest {
            let inner = Arc::clone(found.as_struct_opt()?.columns().get(*index)?);
            nulls = NullBuffer::union(nulls.as_ref(), inner.nulls());
            found = inner;
        }
        Some((found, nulls))
    }
}

/// The leaves of one of the structs that the statistics are made of.
fn paths_of(expected: &StructType, name: &str) -> HashSet<Vec<String>> {
    fn gather(inner: &StructType, path: &[String], into: &mut HashSet<Vec<String>>) {
        for field in inner.fields() {
            let mut path = path.to_vec();
            path.push(field.name().clone());
            match field.data_type() {
                DeltaType::Struct(inner) => gather(inner, &path, into),
                _ => {
                    into.insert(path);
                }
            }
        }
    }
    let mut paths = HashSet::new();
    if let Some(DeltaType::Struct(inner)) = expected.field(name).map(|field| field.data_type()) {
        gather(inner, &[], &mut paths);
    }
    paths
}

/// A walk over the columns of a file in the order of Parquet's.
#[derive(Default)]
struct Walk {
    counted: HashSet<Vec<String>>,
    bounded: HashSet<Vec<String>>,
    names: Vec<String>,
    indices: Vec<usize>,
    parquet_index: usize,
    leaves: Leaves,
}

impl Walk {
    fn fields(&mut self, fields: &Fields) {
        for (index, field) in fields.iter().enumerate() {
            self.names.push(field.name().clone());
            self.indices.push(index);
            match field.data_type() {
                DataType::Struct(inner) => self.fields(inner),
                other => {
                    let place = || Place {
                        indices: self.indices.clone(),
                        parquet_index: self.parquet_index,
                    };
                    if self.counted.contains(&self.names) {
                        self.leaves.counted.push(Leaf {
                            names: self.names.clone(),
                            place: place(),
                            field: Arc::clone(field),
                            has_bounds: self.bounded.contains(&self.names),
                        });
                    }
                    if other.is_floating() {
                        self.leaves.floats.push(place());
                    }
                    self.parquet_index += primitives(other);
                }
            }
            self.names.pop();
            self.indices.pop();
        }
    }
}

/// How many columns of Parquet a type is.
fn primitives(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields
            .iter()
            .map(|field| primitives(field.data_type()))
            .sum(),
        DataType::List(inner) | DataType::Map(inner, _) => primitives(inner.data_type()),
        _ => 1,
    }
}
