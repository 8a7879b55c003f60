//! Fields of a data file of which the log tells values, at the top and inside structs.
//!
//! A file that lacks one would be read as nulls that the table doesn't have.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::schema::types::Type;
use serde_json::Value;

use crate::files::column_mapping::MappingMode;

/// The numbers of such fields among all that are no structs, depth first.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilledFields(Arc<[u32]>);

impl FilledFields {
    /// Refuses a schema, under the names of the table, without one of them in a column that is read.
    ///
    /// # Errors
    /// It would be read as nulls.
    pub(crate) fn refuse_lost(
        &self,
        schema: &Type,
        fields: &Fields,
        is_read: impl Fn(&str) -> bool,
    ) -> Result<(), ParquetError> {
        let lost = match self.0.is_empty() {
            true => None,
            false => self.lost(fields, Some(schema), &is_read, &mut 0),
        };
        match lost {
            None => Ok(()),
            Some(field) => Err(ParquetError::General(format!(
                "it has no column {}, of which the log tells values",
                field.name()
            ))),
        }
    }

    fn lost<'a>(
        &self,
        fields: &'a Fields,
        group: Option<&Type>,
        is_read: &dyn Fn(&str) -> bool,
        number: &mut u32,
    ) -> Option<&'a FieldRef> {
        let group = group.filter(|group| !group.is_primitive());
        let columns = group.into_iter().flat_map(|group| group.get_fields());
        let columns: HashMap<_, _> = columns
            .map(|column| (column.name(), column.as_ref()))
            .collect();
        let mut lost = None;
        for field in fields {
            let found = columns.get(field.name().as_str()).copied();
            let here = match field.data_type() {
                DataType::Struct(inside) => self.lost(inside, found, &|_| true, number),
                _ => {
                    let is_filled = self.0.binary_search(number).is_ok();
                    *number += 1;
                    (is_filled && found.is_none()).then_some(field)
                }
            };
            lost = lost.or(here.filter(|_| is_read(field.name())));
        }
        lost
    }
}

/// What the statistics of one file tell of its fields, taken field by field.
pub(crate) struct ToldFields {
    mode: MappingMode,
    /// The rows of the file.
    rows: Option<u64>,
    filled: Vec<u32>,
    next: u32,
}

impl ToldFields {
    /// Of a file with this many rows.
    pub(crate) fn new(mode: MappingMode, rows: Option<usize>) -> Self {
        Self {
            mode,
            rows: rows.and_then(|rows| u64::try_from(rows).ok()),
            filled: Vec::new(),
            next: 0,
        }
    }

    /// The next field, of which the log tells these bounds and counts of nulls.
    pub(crate) fn add(&mut self, field: &Field, told: [Option<&Value>; 3]) {
        if let DataType::Struct(inside) = field.data_type() {
            for field in inside {
                let name = self.mode.name_of(field);
                self.add(field, told.map(|told| told?.get(name)));
            }
            return;
        }
        if self.has_values(told) {
            self.filled.push(self.next);
        }
        self.next += 1;
    }

    /// The fields that have values.
    pub(crate) fn filled(self) -> FilledFields {
        FilledFields(self.filled.into())
    }

    fn has_values(&self, [least, greatest, nulls]: [Option<&Value>; 3]) -> bool {
        let is_bound = |told: Option<&Value>| told.is_some_and(|told| !told.is_null());
        let nulls = nulls.and_then(Value::as_u64);
        is_bound(least)
            || is_bound(greatest)
            || nulls
                .zip(self.rows)
                .is_some_and(|(nulls, rows)| nulls < rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::column_mapping::PHYSICAL_NAME;
    use datafusion::parquet::schema::parser::parse_message_type;
    use serde_json::json;

    fn plain(name: &str, kind: DataType) -> Field {
        Field::new(name, kind, true)
    }

    fn long(name: &str) -> Field {
        plain(name, DataType::Int64)
    }

    fn group(name: &str, inside: Vec<Field>) -> Field {
        plain(name, DataType::Struct(inside.into()))
    }

    /// What is said of a file of three rows with this schema and these statistics.
    fn refused(
        fields: &[Field],
        mode: MappingMode,
        statistics: &Value,
        schema: &str,
        is_read: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let fields: Fields = fields.to_vec().into();
        let mut told = ToldFields::new(mode, Some(3));
        for field in &fields {
            let name = mode.name_of(field);
            let kinds = ["minValues", "maxValues", "nullCount"];
            told.add(field, kinds.map(|kind| statistics.get(kind)?.get(name)));
        }
        let schema = parse_message_type(&format!("message m {{ {schema} }}")).unwrap();
        let checked = told.filled().refuse_lost(&schema, &fields, is_read);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_column_with_values_is_there() {
        let fields = [long("a"), long("b")];
        let of = |statistics: Value, read: &'static str| {
            let schema = "optional int64 a;";
            let read = |name: &str| name == read;
            refused(&fields, MappingMode::None, &statistics, schema, read)
        };
        for empty in [json!({}), json!({"nullCount": {"b": 3}})] {
            assert_eq!(of(empty, "b"), None);
        }
        let null = json!({"minValues": {"b": null}, "nullCount": {"b": "many"}});
        assert_eq!(of(null, "b"), None);
        for filled in [
            json!({"nullCount": {"b": 2}}),
            json!({"minValues": {"b": 1}}),
            json!({"maxValues": {"b": 1}}),
        ] {
            let said = of(filled.clone(), "b").unwrap();
            assert!(
                said.contains("no column b, of which the log tells values"),
                "{said}"
            );
            assert_eq!(of(filled, "a"), None);
        }
    }

    #[test]
    fn so_are_the_fields_of_structs() {
        let deep = || group("deep", vec![long("x"), long("y")]);
        let list = DataType::List(Arc::new(group("element", vec![long("e")])));
        let fields = [
            group("s", vec![long("x"), deep(), plain("l", list)]),
            long("b"),
        ];
        let whole = "optional group s { optional int64 x; optional group deep { optional int64 x; optional int64 y; }
             optional group l (LIST) { repeated group list { optional group element { optional int64 e; } } } }
             optional int64 b;";
        let statistics = json!({
            "minValues": {"s": {"x": 1, "deep": {"y": 2}}, "b": 4},
            "nullCount": {"s": {"x": 0, "deep": {"x": 3, "y": 0}, "l": 0}, "b": 0},
        });
        let of = |schema: &str| refused(&fields, MappingMode::None, &statistics, schema, |_| true);
        assert_eq!(of(whole), None);
        let without = |part: &str| of(&whole.replacen(part, "", 1));
        let lost = |name: &str| {
            Some(format!(
                "Parquet error: it has no column {name}, of which the log tells values"
            ))
        };
        assert_eq!(without("optional int64 y;"), lost("y"));
        assert_eq!(without("optional int64 b;"), lost("b"));
        // The log says that it is null.
        assert_eq!(
            of(&whole.replace("deep { optional int64 x;", "deep {")),
            None
        );
        assert_eq!(of("optional int64 b;"), lost("x"));
        assert_eq!(of("optional int64 s; optional int64 b;"), lost("x"));
        let read = |name: &str| name == "b";
        let schema = "optional int64 b;";
        let unread = refused(&fields, MappingMode::None, &statistics, schema, read);
        assert_eq!(unread, None);
    }

    #[test]
    fn the_log_knows_mapped_fields_by_their_physical_names() {
        let mapped = |field: Field, name: &str| {
            field.with_metadata([(PHYSICAL_NAME.to_owned(), name.to_owned())].into())
        };
        let fields = [mapped(group("s", vec![mapped(long("x"), "p2")]), "p1")];
        let of = |statistics: Value| {
            // Its names aren't those of the table.
            let schema = "optional group s { optional int64 p2; }";
            refused(&fields, MappingMode::Name, &statistics, schema, |_| true)
        };
        assert!(of(json!({"nullCount": {"p1": {"p2": 0}}})).is_some());
        assert_eq!(of(json!({"nullCount": {"s": {"x": 0}}})), None);
    }
}
