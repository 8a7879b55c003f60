//! Whether rows that were written under one schema can be read under a later one.
//!
//! The rules are those of Delta-Spark's batch reads of a change feed: columns may have been added, and
//! "not null" may have been lifted; nothing may have been dropped, renamed, or given another type.

use deltalake_core::kernel::{DataType, Metadata, StructField, StructType};

use crate::files::column_mapping::PHYSICAL_NAME;

/// What keeps rows of a version with the metadata `written` from being read under `read`; None where nothing does.
pub(super) fn misfit(written: &Metadata, read: &Metadata) -> Option<String> {
    let schemas = (written.parse_schema(), read.parse_schema());
    let (written_schema, read_schema) = match schemas {
        (Ok(written), Ok(read)) => (written, read),
        (Err(error), _) | (_, Err(error)) => return Some(error.to_string()),
    };
    misfit_of_struct(&written_schema, &read_schema, "").or_else(|| {
        let [before, after] = [written, read].map(Metadata::partition_columns);
        (before != after).then(|| {
            let [before, after] = [before, after].map(|names| names.join(", "));
            format!("it is partitioned by [{before}] there, and by [{after}] later")
        })
    })
}

fn misfit_of_struct(written: &StructType, read: &StructType, parent: &str) -> Option<String> {
    written.fields().find_map(|field| {
        let name = format!("{parent}{}", field.name());
        let Some(later) = read.field(field.name()) else {
            return Some(format!("the column {name} was dropped or renamed"));
        };
        if physical_name(field) != physical_name(later) {
            return Some(format!("the column {name} was dropped and added anew"));
        }
        misfit_of_nulls(field.is_nullable(), later.is_nullable(), &name)
            .or_else(|| misfit_of_type(field.data_type(), later.data_type(), &name))
    })
}

fn misfit_of_nulls(written: bool, read: bool, name: &str) -> Option<String> {
    let is_tighter = written && !read;
    is_tighter.then(|| format!("{name} may be null there, and not later"))
}

fn misfit_of_type(written: &DataType, read: &DataType, name: &str) -> Option<String> {
    match (written, read) {
        (DataType::Struct(written), DataType::Struct(read)) => {
            misfit_of_struct(written, read, &format!("{name}."))
        }
        (DataType::Array(written), DataType::Array(read)) => {
            let name = format!("{name}.element");
            misfit_of_nulls(written.contains_null(), read.contains_null(), &name)
                .or_else(|| misfit_of_type(written.element_type(), read.element_type(), &name))
        }
        (DataType::Map(written), DataType::Map(read)) => {
            let [key, value] = ["key", "value"].map(|part| format!("{name}.{part}"));
            misfit_of_nulls(
                written.value_contains_null(),
                read.value_contains_null(),
                &value,
            )
            .or_else(|| misfit_of_type(written.key_type(), read.key_type(), &key))
            .or_else(|| misfit_of_type(written.value_type(), read.value_type(), &value))
        }
        _ => (written != read).then(|| format!("{name} was {written} there, and is {read} later")),
    }
}

/// The name under which files have the column.
fn physical_name(field: &StructField) -> String {
    let named = field.metadata().get(PHYSICAL_NAME);
    named.map_or_else(|| field.name().clone(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{field, mapped, metadata};
    use serde_json::{Value, json};

    fn of(fields: &[Value], partition_by: &[&str]) -> Metadata {
        let action = metadata(fields, partition_by, json!({}));
        serde_json::from_value(action["metaData"].clone()).unwrap()
    }

    fn changed(written: Value, read: Value) -> Option<String> {
        misfit(&of(&[written], &[]), &of(&[read], &[]))
    }

    fn of_type(data_type: Value) -> Value {
        field("a", data_type)
    }

    fn required(mut field: Value) -> Value {
        field["nullable"] = false.into();
        field
    }

    fn array(element: &str, contains_null: bool) -> Value {
        json!({"type": "array", "elementType": element, "containsNull": contains_null})
    }

    fn map(value: &str, contains_null: bool) -> Value {
        json!({"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": contains_null})
    }

    fn structure(fields: &[Value]) -> Value {
        json!({"type": "struct", "fields": fields})
    }

    #[test]
    fn columns_that_came_later_and_lifted_rules_fit() {
        let (a, b) = (field("a", "long"), field("b", "string"));
        let both = of(&[b.clone(), a.clone()], &[]);
        assert_eq!(misfit(&of(std::slice::from_ref(&a), &[]), &both), None);
        assert_eq!(misfit(&both, &both), None);
        assert_eq!(changed(required(a.clone()), a.clone()), None);
        let within = |fields: &[Value]| of_type(structure(fields));
        assert_eq!(
            changed(within(std::slice::from_ref(&a)), within(&[a.clone(), b])),
            None
        );
        assert_eq!(
            changed(of_type(array("long", false)), of_type(array("long", true))),
            None
        );
        // Column mapping that was turned on names columns as the files do.
        assert_eq!(changed(a, mapped("a", "long", 1, "a")), None);
    }

    #[test]
    fn what_was_written_is_still_there_with_its_type() {
        let says = |written, read| changed(written, read).unwrap_or_default();
        let a = || field("a", "long");
        assert_eq!(
            says(a(), field("b", "long")),
            "the column a was dropped or renamed"
        );
        assert_eq!(
            says(a(), field("A", "long")),
            "the column a was dropped or renamed"
        );
        assert_eq!(
            says(a(), field("a", "integer")),
            "a was long there, and is integer later"
        );
        assert_eq!(
            says(a(), required(a())),
            "a may be null there, and not later"
        );
        let [first, second] = ["c1", "c2"].map(|physical| mapped("a", "long", 1, physical));
        assert_eq!(
            says(first, second),
            "the column a was dropped and added anew"
        );
        let inner = structure(&[field("x", "date")]);
        let outer = |inner: Value| of_type(structure(&[field("s", inner)]));
        assert_eq!(
            says(outer(inner), outer(structure(&[field("x", "timestamp")]))),
            "a.s.x was date there, and is timestamp later"
        );
        assert_eq!(
            says(of_type(array("long", true)), of_type(array("long", false))),
            "a.element may be null there, and not later"
        );
        assert_eq!(
            says(of_type(map("long", true)), of_type(map("string", true))),
            "a.value was long there, and is string later"
        );
        assert_eq!(
            says(of_type(map("long", true)), of_type(map("long", false))),
            "a.value may be null there, and not later"
        );
        assert_eq!(
            says(of_type(map("long", true)), of_type(array("long", false))),
            "a was map<string, long> there, and is array<long> later"
        );
    }

    #[test]
    fn partition_columns_stay() {
        let fields = [field("a", "long"), field("b", "long")];
        let by = |names: &[&str]| of(&fields, names);
        assert_eq!(misfit(&by(&["a"]), &by(&["a"])), None);
        assert_eq!(
            misfit(&by(&[]), &by(&["b", "a"])).unwrap(),
            "it is partitioned by [] there, and by [b, a] later"
        );
    }
}
