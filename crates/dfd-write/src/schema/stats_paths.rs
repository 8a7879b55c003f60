//! The columns that have statistics, which the table's properties choose.

use std::collections::HashSet;

use delta_kernel::schema::{DataType as DeltaType, StructType};
use delta_kernel::table_configuration::TableConfiguration;

use crate::error::Error;

/// A column by its physical names from the outermost struct inwards.
pub(crate) type ColumnPath = Vec<String>;

/// The columns of a data file that have statistics.
#[derive(Debug, Default)]
pub(crate) struct StatsPaths {
    /// Columns whose nulls are counted.
    pub(crate) null_counts: HashSet<ColumnPath>,
    /// Columns whose least and greatest values are told.
    pub(crate) bounds: HashSet<ColumnPath>,
}

impl StatsPaths {
    /// Reads the properties of a table.
    ///
    /// # Errors
    /// The properties can't be followed.
    pub(crate) fn new(table: &TableConfiguration) -> Result<Self, Error> {
        let expected = table.build_expected_stats_schemas(None, None)?.physical;
        Ok(Self {
            null_counts: paths_in(&expected, "nullCount"),
            bounds: paths_in(&expected, "minValues"),
        })
    }
}

/// The leaves of one of the structs that statistics are made of.
fn paths_in(expected: &StructType, name: &str) -> HashSet<ColumnPath> {
    let mut paths = HashSet::new();
    if let Some(DeltaType::Struct(inner)) = expected.field(name).map(|field| field.data_type()) {
        gather(inner, &[], &mut paths);
    }
    paths
}

fn gather(fields: &StructType, outer: &[String], into: &mut HashSet<ColumnPath>) {
    for field in fields.fields() {
        let mut path = outer.to_vec();
        path.push(field.name().clone());
        match field.data_type() {
            DeltaType::Struct(inner) => gather(inner, &path, into),
            _ => {
                into.insert(path);
            }
        }
    }
}
