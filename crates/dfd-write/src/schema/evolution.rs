//! Tables whose columns follow those of the rows that are written.

use arrow::datatypes::{DataType as ArrowType, FieldRef, Fields, Schema};
use delta_kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use delta_kernel::schema::{
    ArrayType, ColumnMetadataKey, DataType, MapType, MetadataValue, StructField, StructType,
};
use delta_kernel::table_configuration::TableConfiguration;
use delta_kernel::table_features::ColumnMappingMode;
use dfd_delta::{DefinitionChange, TableSnapshot};
use uuid::Uuid;

use crate::error::{Error, RuleViolation};
use crate::schema::delta_types::{Nulls, to_delta_schema};
use crate::schema::requirements::{protocol_for, refuse_repeated_names};

/// What becomes of a table's columns where the rows have others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaMode {
    /// Columns, and fields inside of them, that the table lacks are added to it; all may be null.
    Merge,
    /// The table has the columns of the rows, and no others.
    Overwrite,
    /// The table is another one, of which the log is gone on with: nothing that it said of itself stays.
    Replace,
}

/// The change by which a table gets columns of `source`; none where it has them.
///
/// # Errors
/// A type that Delta doesn't have, two columns of one name, or a partition column that isn't there.
pub(crate) fn evolved(
    snapshot: &TableSnapshot,
    source: &Schema,
    mode: SchemaMode,
    partition_by: Option<&[String]>,
    nulls: Nulls,
) -> Result<DefinitionChange, Error> {
    let table = snapshot.configuration()?;
    match Evolved::of(table, source, mode, partition_by, nulls)? {
        Some(evolved) => evolved.of_table(snapshot),
        None => Ok(DefinitionChange::default()),
    }
}

/// The change by which a table gets columns, after those that it has, with what their metadata says.
///
/// # Errors
/// `columns` isn't a schema in the JSON of Delta's log, the table has one of these names, or one takes no nulls.
pub(crate) fn extended(snapshot: &TableSnapshot, columns: &str) -> Result<DefinitionChange, Error> {
    let columns: StructType = serde_json::from_str(columns).map_err(Error::metadata)?;
    Evolved::with_columns(snapshot.configuration()?, columns)?.of_table(snapshot)
}

/// A table's columns once it takes rows with others.
#[derive(Debug, PartialEq, Eq)]
struct Evolved {
    schema: StructType,
    partition_by: Vec<String>,
    last_column_id: Option<i64>,
}

impl Evolved {
    /// None where the table has such columns.
    fn of(
        table: &TableConfiguration,
        source: &Schema,
        mode: SchemaMode,
        partition_by: Option<&[String]>,
        nulls: Nulls,
    ) -> Result<Option<Self>, Error> {
        let known = table.logical_schema();
        let partitioned = table.logical_partition_columns();
        let mut ids = ColumnIds::of(table)?;
        let (schema, partition_by) = match mode {
            SchemaMode::Merge => (merged(&known, source.fields(), &mut ids)?, partitioned),
            SchemaMode::Overwrite | SchemaMode::Replace => {
                let partition_by = match mode {
                    SchemaMode::Replace => partition_by.unwrap_or_default(),
                    _ => partition_by.unwrap_or(partitioned),
                };
                refuse_repeated_names(source, partition_by)?;
                let given: StructType = (&to_delta_schema(source, nulls)?).try_into_kernel()?;
                let keeps = mode == SchemaMode::Overwrite && has_fields_of(&known, &given);
                let schema = match keeps {
                    true => known.as_ref().clone(),
                    false => ids.give(given)?,
                };
                (schema, partition_by)
            }
        };
        if schema == *known && partition_by == partitioned {
            return Ok(None);
        }
        if let Some(name) = partition_by.iter().find(|name| !schema.contains(name)) {
            return Err(RuleViolation::NoSuchPartitionColumn(name.clone()).into());
        }
        Ok(Some(Self {
            schema,
            partition_by: partition_by.to_vec(),
            last_column_id: ids.last,
        }))
    }

    fn with_columns(table: &TableConfiguration, columns: StructType) -> Result<Self, Error> {
        let mut ids = ColumnIds::of(table)?;
        let mut fields: Vec<_> = table.logical_schema().fields().cloned().collect();
        for field in columns.into_fields() {
            let mut known = fields.iter();
            if known.any(|known| known.name().eq_ignore_ascii_case(field.name())) {
                return Err(RuleViolation::ColumnIsThere(field.name().clone()).into());
            }
            if let Some(name) = not_null(&field) {
                return Err(RuleViolation::NewNotNull(name).into());
            }
            fields.push(ids.annotated(field)?);
        }
        Ok(Self {
            schema: StructType::try_new(fields)?,
            partition_by: table.logical_partition_columns().to_vec(),
            last_column_id: ids.last,
        })
    }

    fn of_table(&self, snapshot: &TableSnapshot) -> Result<DefinitionChange, Error> {
        let needed = protocol_for(&(&self.schema).try_into_arrow()?)?;
        let Self {
            schema,
            partition_by,
            last_column_id,
        } = self;
        Ok(snapshot.with_schema(schema, partition_by, *last_column_id, &needed)?)
    }
}

/// The columns of a table, and after them those of `given` that it lacks; and so inside of each.
///
/// A name in another case is no new one: the rows are refused by it, as by any that the table lacks.
fn merged(known: &StructType, given: &Fields, ids: &mut ColumnIds) -> Result<StructType, Error> {
    let mut fields = Vec::with_capacity(known.num_fields());
    for field in known.fields() {
        let mut field = field.clone();
        if let Some((_, given)) = given.find(field.name()) {
            field.data_type = merged_type(&field.data_type, given.data_type(), ids)?;
        }
        fields.push(field);
    }
    let is_known = |name: &str| {
        let mut names = known.field_names();
        names.any(|known| known.eq_ignore_ascii_case(name))
    };
    for field in given.iter().filter(|field| !is_known(field.name())) {
        fields.push(ids.annotated(new_field(field)?)?);
    }
    Ok(StructType::try_new(fields)?)
}

fn merged_type(
    known: &DataType,
    given: &ArrowType,
    ids: &mut ColumnIds,
) -> Result<DataType, Error> {
    use ArrowType as A;
    Ok(match (known, given) {
        (known, A::Dictionary(_, given)) => merged_type(known, given, ids)?,
        (known, A::RunEndEncoded(_, given)) => merged_type(known, given.data_type(), ids)?,
        (DataType::Struct(known), A::Struct(given)) => merged(known, given, ids)?.into(),
        (
            DataType::Array(known),
            A::List(given)
            | A::LargeList(given)
            | A::FixedSizeList(given, _)
            | A::ListView(given)
            | A::LargeListView(given),
        ) => {
            let element = merged_type(known.element_type(), given.data_type(), ids)?;
            ArrayType::new(element, known.contains_null()).into()
        }
        (DataType::Map(known), A::Map(entries, _)) => match entries.data_type() {
            A::Struct(pair) if pair.len() == 2 => {
                let key = merged_type(known.key_type(), pair[0].data_type(), ids)?;
                let value = merged_type(known.value_type(), pair[1].data_type(), ids)?;
                MapType::new(key, value, known.value_contains_null()).into()
            }
            _ => DataType::from(known.as_ref().clone()),
        },
        (known, _) => known.clone(),
    })
}

/// A field as one of Delta's that may be null, and so all inside of it.
fn new_field(field: &FieldRef) -> Result<StructField, Error> {
    let one = Schema::new(vec![field.as_ref().clone()]);
    let schema: StructType = (&to_delta_schema(&one, Nulls::Everywhere)?).try_into_kernel()?;
    let mut fields = schema.into_fields();
    let field = fields.next();
    field.ok_or(Error::Inconsistent("a new column is gone"))
}

/// The field that may not be null in a row that has none of a column; those in lists and maps are in no such row.
fn not_null(field: &StructField) -> Option<String> {
    if !field.is_nullable() {
        return Some(field.name().clone());
    }
    let DataType::Struct(fields) = field.data_type() else {
        return None;
    };
    let inside = fields.fields().find_map(not_null)?;
    Some(format!("{}.{inside}", field.name()))
}

/// Whether a table has these fields, of these types, in this order, whatever else it says of them.
fn has_fields_of(table: &StructType, given: &StructType) -> bool {
    let pairs = table.fields().zip(given.fields());
    table.num_fields() == given.num_fields()
        && pairs.into_iter().all(|(known, given)| {
            (known.name(), known.is_nullable()) == (given.name(), given.is_nullable())
                && is_same_type(known.data_type(), given.data_type())
        })
}

fn is_same_type(known: &DataType, given: &DataType) -> bool {
    match (known, given) {
        (DataType::Struct(known), DataType::Struct(given)) => has_fields_of(known, given),
        (DataType::Array(known), DataType::Array(given)) => {
            known.contains_null() == given.contains_null()
                && is_same_type(known.element_type(), given.element_type())
        }
        (DataType::Map(known), DataType::Map(given)) => {
            known.value_contains_null() == given.value_contains_null()
                && is_same_type(known.key_type(), given.key_type())
                && is_same_type(known.value_type(), given.value_type())
        }
        (known, given) => known == given,
    }
}

/// The ids of mapped columns, given out once each (protocol, section "Column Mapping").
struct ColumnIds {
    /// The highest that was given; None where columns aren't mapped.
    last: Option<i64>,
}

impl ColumnIds {
    fn of(table: &TableConfiguration) -> Result<Self, RuleViolation> {
        if table.column_mapping_mode() == ColumnMappingMode::None {
            return Ok(Self { last: None });
        }
        let last = table.table_properties().column_mapping_max_column_id;
        let unset = || RuleViolation::Feature("`delta.columnMapping.maxColumnId`".to_owned());
        Ok(Self {
            last: Some(last.ok_or_else(unset)?),
        })
    }

    /// The same columns with ids and names of their own in files, where columns are mapped.
    fn give(&mut self, schema: StructType) -> Result<StructType, Error> {
        let fields = schema.into_fields().map(|field| self.annotated(field));
        Ok(StructType::try_new(fields.collect::<Result<Vec<_>, _>>()?)?)
    }

    fn annotated(&mut self, mut field: StructField) -> Result<StructField, Error> {
        let Some(last) = &mut self.last else {
            return Ok(field);
        };
        *last += 1;
        let id = MetadataValue::Number(*last);
        let name = MetadataValue::String(format!("col-{}", Uuid::new_v4()));
        field.data_type = self.inside(field.data_type)?;
        Ok(field.add_metadata([
            (ColumnMetadataKey::ColumnMappingId.as_ref(), id),
            (ColumnMetadataKey::ColumnMappingPhysicalName.as_ref(), name),
        ]))
    }

    fn inside(&mut self, data_type: DataType) -> Result<DataType, Error> {
        Ok(match data_type {
            DataType::Struct(fields) => self.give(*fields)?.into(),
            DataType::Array(list) => {
                let element = self.inside(list.element_type().clone())?;
                ArrayType::new(element, list.contains_null()).into()
            }
            DataType::Map(map) => {
                let key = self.inside(map.key_type().clone())?;
                let value = self.inside(map.value_type().clone())?;
                MapType::new(key, value, map.value_contains_null()).into()
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, TimeUnit};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Table, column};

    fn source(fields: &[(&str, ArrowType)]) -> Schema {
        let field = |(name, kind): &(&str, ArrowType)| Field::new(*name, kind.clone(), false);
        Schema::new(fields.iter().map(field).collect::<Vec<_>>())
    }

    fn structs(fields: &[(&str, ArrowType)]) -> ArrowType {
        ArrowType::Struct(source(fields).fields().clone())
    }

    fn of(table: &Table, rows: &Schema, mode: SchemaMode) -> Result<Option<Evolved>, Error> {
        Evolved::of(&table.configuration(), rows, mode, None, Nulls::AsGiven)
    }

    /// The fields as the log has them.
    fn fields(evolved: &Evolved) -> Value {
        serde_json::to_value(&evolved.schema).unwrap()["fields"].take()
    }

    #[test]
    fn columns_are_added_after_those_there_and_may_be_null() {
        let table = Table::new(&[column("a", "long", false), column("b", "string", true)]);
        let rows = source(&[
            ("x", ArrowType::UInt8),
            ("a", ArrowType::Int32),
            ("t", ArrowType::Timestamp(TimeUnit::Nanosecond, None)),
        ]);
        let found = of(&table, &rows, SchemaMode::Merge).unwrap().unwrap();
        let wanted = json!([
            column("a", "long", false),
            column("b", "string", true),
            column("x", "short", true),
            column("t", "timestamp_ntz", true),
        ]);
        assert_eq!(fields(&found), wanted);
        assert_eq!(found.last_column_id, None);
        // Fewer, or in another case, are no more.
        for known in [
            source(&[("a", ArrowType::Int32)]),
            source(&[("A", ArrowType::Int32)]),
        ] {
            assert_eq!(of(&table, &known, SchemaMode::Merge).unwrap(), None);
        }
    }

    #[test]
    fn fields_are_added_inside_of_structs_lists_and_maps() {
        let inner = json!({"type": "struct", "fields": [column("a", "long", false)]});
        let list = json!({"type": "array", "elementType": inner, "containsNull": false});
        let map = json!({
            "type": "map", "keyType": "string", "valueType": inner, "valueContainsNull": false,
        });
        let table = Table::new(&[
            column("r", inner.clone(), false),
            column("l", list.clone(), true),
            column("m", map.clone(), true),
        ]);
        let wide = structs(&[
            ("b", structs(&[("c", ArrowType::Utf8)])),
            ("a", ArrowType::Int64),
        ]);
        let item = Arc::new(Field::new("item", wide.clone(), true));
        let pair = structs(&[("key", ArrowType::Utf8), ("value", wide.clone())]);
        let entries = Arc::new(Field::new("entries", pair, false));
        let rows = source(&[
            (
                "r",
                ArrowType::Dictionary(ArrowType::Int8.into(), wide.into()),
            ),
            ("l", ArrowType::FixedSizeList(item, 2)),
            ("m", ArrowType::Map(entries, false)),
        ]);
        let found = of(&table, &rows, SchemaMode::Merge).unwrap().unwrap();
        let added = json!({"type": "struct", "fields": [column("c", "string", true)]});
        let wide = json!({
            "type": "struct", "fields": [column("a", "long", false), column("b", added, true)],
        });
        let with = |mut kind: Value, inside: &str| {
            kind[inside] = wide.clone();
            kind
        };
        let wanted = json!([
            column("r", wide.clone(), false),
            column("l", with(list, "elementType"), true),
            column("m", with(map, "valueType"), true),
        ]);
        assert_eq!(fields(&found), wanted);
    }

    #[test]
    fn an_overwrite_takes_the_columns_of_the_rows() {
        let table = Table::new(&[column("a", "long", true), column("p", "long", true)]);
        let table = table.partition_by(&["p"]);
        let rows = source(&[("p", ArrowType::Utf8View), ("n", ArrowType::Int16)]);
        let found = of(&table, &rows, SchemaMode::Overwrite).unwrap().unwrap();
        let wanted = json!([column("p", "string", false), column("n", "short", false)]);
        assert_eq!(fields(&found), wanted);
        assert_eq!(found.partition_by, ["p"]);
        let by = |partition_by: &[String], nulls| {
            let configuration = table.configuration();
            let mode = SchemaMode::Overwrite;
            Evolved::of(&configuration, &rows, mode, Some(partition_by), nulls)
        };
        let found = by(&["n".to_owned()], Nulls::Everywhere).unwrap().unwrap();
        let wanted = json!([column("p", "string", true), column("n", "short", true)]);
        assert_eq!(fields(&found), wanted);
        assert_eq!(found.partition_by, ["n"]);
        let gone = by(&["a".to_owned()], Nulls::AsGiven).unwrap_err();
        assert!(gone.to_string().contains("no column `a` to partition by"));
    }

    #[test]
    fn the_same_columns_keep_what_the_table_says_of_them() {
        let mut commented = column("a", "long", false);
        commented["metadata"] = json!({"comment": "mine"});
        let table = Table::new(&[commented]);
        let same = source(&[("a", ArrowType::Int64)]);
        assert_eq!(of(&table, &same, SchemaMode::Overwrite).unwrap(), None);
    }

    #[test]
    fn a_replaced_table_keeps_nothing_of_its_columns_and_its_partitioning() {
        let mut commented = column("a", "long", false);
        commented["metadata"] = json!({"comment": "mine"});
        let table = Table::new(&[commented]).partition_by(&["a"]);
        let same = source(&[("a", ArrowType::Int64)]);
        let found = of(&table, &same, SchemaMode::Replace).unwrap().unwrap();
        assert_eq!(fields(&found), json!([column("a", "long", false)]));
        assert!(found.partition_by.is_empty());
    }

    #[test]
    fn new_columns_stand_after_the_others_and_keep_their_comments() {
        let table = Table::new(&[column("a", "long", false)]);
        let with = |columns: &[Value]| {
            let given = json!({"type": "struct", "fields": columns});
            let given = serde_json::from_value(given).unwrap();
            Evolved::with_columns(&table.configuration(), given)
        };
        let mut commented = column("n", "short", true);
        commented["metadata"] = json!({"comment": "mine"});
        let found = with(&[commented.clone(), column("b", "date", true)]).unwrap();
        let wanted = json!([
            column("a", "long", false),
            commented,
            column("b", "date", true)
        ]);
        assert_eq!(fields(&found), wanted);
        let inside =
            |nullable| json!({"type": "struct", "fields": [column("x", "long", nullable)]});
        let nested = |nullable| json!({"name": "s", "type": inside(nullable), "nullable": true, "metadata": {}});
        let list = json!({"type": "array", "elementType": inside(false), "containsNull": false});
        with(&[json!({"name": "l", "type": list, "nullable": true, "metadata": {}})]).unwrap();
        with(&[nested(true)]).unwrap();
        for (columns, why) in [
            (vec![column("A", "long", true)], "a column `A` already"),
            (
                vec![column("b", "long", false)],
                "the new column `b` may not be null",
            ),
            (vec![nested(false)], "the new column `s.x` may not be null"),
        ] {
            let told = with(&columns).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn mapped_columns_get_ids_that_no_column_had() {
        let mapped = |name: &str, id: i64| {
            let mut field = column(name, "long", true);
            field["metadata"] = json!({
                "delta.columnMapping.id": id, "delta.columnMapping.physicalName": name,
            });
            field
        };
        let table = Table::new(&[mapped("a", 1), mapped("p", 2)])
            .property("delta.columnMapping.mode", "name")
            .protocol(json!({"minReaderVersion": 2, "minWriterVersion": 5}));
        let rows = source(&[
            ("a", ArrowType::Utf8),
            ("r", structs(&[("x", ArrowType::Utf8)])),
        ]);
        let unset = of(&table, &rows, SchemaMode::Merge).unwrap_err();
        assert!(unset.to_string().contains("maxColumnId"));
        let table = table.property("delta.columnMapping.maxColumnId", "7");
        for (mode, ids) in [
            (SchemaMode::Merge, vec![1, 2, 8, 9]),
            (SchemaMode::Overwrite, vec![8, 9, 10]),
        ] {
            let found = of(&table, &rows, mode).unwrap().unwrap();
            assert_eq!(found.last_column_id, ids.last().copied());
            let mut all = ids_of(&found.schema);
            all.sort_unstable();
            assert_eq!(all, ids);
        }
        let new: StructType = (&source(&[("n", ArrowType::Int64)]))
            .try_into_kernel()
            .unwrap();
        let new = StructType::try_new(new.into_fields().map(|mut field| {
            field.nullable = true;
            field
        }));
        let found = Evolved::with_columns(&table.configuration(), new.unwrap()).unwrap();
        assert_eq!(
            (ids_of(&found.schema), found.last_column_id),
            (vec![1, 2, 8], Some(8))
        );
    }

    fn ids_of(schema: &StructType) -> Vec<i64> {
        let mut ids = Vec::new();
        for field in schema.fields() {
            ids.extend(field.column_mapping_id());
            if let DataType::Struct(inside) = field.data_type() {
                ids.extend(ids_of(inside));
            }
        }
        ids
    }

    #[test]
    fn what_delta_lacks_is_named() {
        let table = Table::new(&[column("a", "long", true)]);
        let rows = source(&[("a", ArrowType::Null), ("v", ArrowType::Null)]);
        let refused = of(&table, &rows, SchemaMode::Merge).unwrap_err();
        assert!(refused.to_string().contains("`v`"));
        let twice = source(&[("w", ArrowType::Int64), ("W", ArrowType::Int64)]);
        assert!(of(&table, &twice, SchemaMode::Merge).is_err());
        assert!(of(&table, &twice, SchemaMode::Overwrite).is_err());
    }
}
