//! The columns that have statistics, which the table's properties choose.

use std::collections::HashSet;

use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::{DataType as DeltaType, StructField, StructType};
use delta_kernel::table_configuration::TableConfiguration;
use deltalake_core::kernel::MetadataExt;

use crate::error::Error;

const STATS_COLUMNS: &str = "delta.dataSkippingStatsColumns";

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
        let spelt = with_spelling_of_schema(table)?;
        let table = spelt.as_ref().unwrap_or(table);
        let expected = table.build_expected_stats_schemas(None, None)?.physical;
        Ok(Self {
            null_counts: paths_in(&expected, "nullCount"),
            bounds: paths_in(&expected, "minValues"),
        })
    }
}

/// The table with the columns whose statistics it asks for spelt as in its schema; None where they are.
///
/// Names of Delta's columns are told apart without regard to case, but by delta_kernel.
fn with_spelling_of_schema(
    table: &TableConfiguration,
) -> Result<Option<TableConfiguration>, Error> {
    let Some(asked) = &table.table_properties().data_skipping_stats_columns else {
        return Ok(None);
    };
    let schema = table.logical_schema();
    let spelt: Vec<_> = asked.iter().map(|column| spelt(column, &schema)).collect();
    if spelt == *asked {
        return Ok(None);
    }
    let names: Vec<_> = spelt.iter().map(ToString::to_string).collect();
    let metadata = table.metadata().clone();
    let metadata = metadata
        .add_config_key(STATS_COLUMNS.to_owned(), names.join(","))
        .map_err(Error::metadata)?;
    Ok(Some(TableConfiguration::try_new(
        metadata,
        table.protocol().clone(),
        table.table_root().clone(),
        table.version(),
    )?))
}

/// A column as the schema spells it; one that it lacks as it is.
fn spelt(column: &ColumnName, schema: &StructType) -> ColumnName {
    let mut fields = Some(schema);
    let parts = column.path().iter().map(|part| {
        let mut known = fields.into_iter().flat_map(StructType::fields);
        let found = known.find(|field| field.name().eq_ignore_ascii_case(part));
        fields = match found.map(StructField::data_type) {
            Some(DeltaType::Struct(inside)) => Some(inside),
            _ => None,
        };
        found.map_or(part, StructField::name).clone()
    });
    ColumnName::new(parts)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::testing::{Table, column};

    fn paths(table: &Table) -> (Vec<String>, Vec<String>) {
        let found = StatsPaths::new(&table.configuration()).unwrap();
        let sorted = |paths: &HashSet<ColumnPath>| {
            let mut names: Vec<_> = paths.iter().map(|path| path.join(".")).collect();
            names.sort();
            names
        };
        (sorted(&found.null_counts), sorted(&found.bounds))
    }

    fn table() -> Table {
        let inner = json!({"type": "struct", "fields": [
            column("x", "long", true), column("y", "string", true),
        ]});
        let list = json!({"type": "array", "elementType": "long", "containsNull": true});
        Table::new(&[
            column("a", "long", true),
            column("b", "boolean", true),
            column("r", inner, true),
            column("l", list, true),
            column("p", "long", true),
        ])
        .partition_by(&["p"])
    }

    #[test]
    fn columns_that_have_an_order_have_bounds() {
        let (nulls, bounds) = paths(&table());
        assert_eq!(nulls, ["a", "b", "l", "r.x", "r.y"]);
        assert_eq!(bounds, ["a", "r.x", "r.y"]);
    }

    #[test]
    fn the_first_columns_are_counted_by_their_leaves() {
        let first = table().property("delta.dataSkippingNumIndexedCols", "3");
        assert_eq!(paths(&first).0, ["a", "b", "r.x"]);
        let none = table().property("delta.dataSkippingNumIndexedCols", "0");
        assert!(paths(&none).0.is_empty());
    }

    #[test]
    fn named_columns_win_over_the_first() {
        let named = table()
            .property("delta.dataSkippingNumIndexedCols", "1")
            .property("delta.dataSkippingStatsColumns", "r.y,b");
        assert_eq!(paths(&named).0, ["b", "r.y"]);
    }

    #[test]
    fn names_are_found_in_another_case() {
        let named = table().property("delta.dataSkippingStatsColumns", "R.`Y`, B, Nope, l.Z");
        assert_eq!(paths(&named).0, ["b", "r.y"]);
    }
}
