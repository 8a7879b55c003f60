//! Types of columns, as Delta's schema has them.

use serde_json::{Map, Value, json};

use crate::cursor::Cursor;
use crate::error::SyntaxError;

type Result<T> = std::result::Result<T, SyntaxError>;

/// Names of types of SQL, and of Delta's own.
const TYPES: [(&str, &str); 26] = [
    ("STRING", "string"),
    ("VARCHAR", "string"),
    ("CHAR", "string"),
    ("TEXT", "string"),
    ("BIGINT", "long"),
    ("LONG", "long"),
    ("INT", "integer"),
    ("INTEGER", "integer"),
    ("SMALLINT", "short"),
    ("SHORT", "short"),
    ("TINYINT", "byte"),
    ("BYTE", "byte"),
    ("FLOAT", "float"),
    ("REAL", "float"),
    ("DOUBLE PRECISION", "double"),
    ("DOUBLE", "double"),
    ("BOOLEAN", "boolean"),
    ("BOOL", "boolean"),
    ("BINARY", "binary"),
    ("BYTEA", "binary"),
    ("DATE", "date"),
    ("TIMESTAMP_NTZ", "timestamp_ntz"),
    ("TIMESTAMP WITHOUT TIME ZONE", "timestamp_ntz"),
    ("TIMESTAMP WITH TIME ZONE", "timestamp"),
    ("TIMESTAMP_LTZ", "timestamp"),
    ("TIMESTAMP", "timestamp"),
];

/// A column of a table to be made: as [`column`], and GENERATED ALWAYS AS.
pub(crate) fn new_column(cursor: &mut Cursor<'_>) -> Result<Value> {
    any_column(cursor, true)
}

/// A column: its name, its type, NOT NULL and COMMENT.
pub(crate) fn column(cursor: &mut Cursor<'_>) -> Result<Value> {
    any_column(cursor, false)
}

fn any_column(cursor: &mut Cursor<'_>, may_be_generated: bool) -> Result<Value> {
    if cursor.sees("CONSTRAINT") {
        return Err(
            cursor.refused("a constraint is added afterwards: ALTER TABLE ... ADD CONSTRAINT")
        );
    }
    let name = cursor.identifier()?;
    let data_type = data_type(cursor)?;
    field(cursor, name, data_type, may_be_generated)
}

fn field(
    cursor: &mut Cursor<'_>,
    name: String,
    data_type: Value,
    may_be_generated: bool,
) -> Result<Value> {
    let mut nullable = true;
    let mut metadata = Map::new();
    loop {
        if cursor.takes("NOT NULL") {
            nullable = false;
        } else if cursor.takes("COMMENT") {
            metadata.insert("comment".to_owned(), json!(cursor.string()?));
        } else if may_be_generated && cursor.takes("GENERATED ALWAYS AS (") {
            let expression = cursor.expression()?;
            cursor.expect(")")?;
            metadata.insert("delta.generationExpression".to_owned(), json!(expression));
        } else {
            break;
        }
    }
    for unknown in [
        "GENERATED",
        "DEFAULT",
        "PRIMARY",
        "REFERENCES",
        "UNIQUE",
        "MASK",
        "COLLATE",
    ] {
        if cursor.sees(unknown) {
            let message =
                format!("{unknown} of a column can't be said here; make such a table with Spark");
            return Err(cursor.refused(message));
        }
    }
    Ok(json!({"name": name, "type": data_type, "nullable": nullable, "metadata": metadata}))
}

fn data_type(cursor: &mut Cursor<'_>) -> Result<Value> {
    if cursor.takes("ARRAY") {
        cursor.expect("<")?;
        let element = data_type(cursor)?;
        cursor.closes()?;
        return Ok(json!({"type": "array", "elementType": element, "containsNull": true}));
    }
    if cursor.takes("MAP") {
        cursor.expect("<")?;
        let key = data_type(cursor)?;
        cursor.expect(",")?;
        let value = data_type(cursor)?;
        cursor.closes()?;
        return Ok(json!({
            "type": "map", "keyType": key, "valueType": value, "valueContainsNull": true,
        }));
    }
    if cursor.takes("STRUCT") {
        cursor.expect("<")?;
        let fields = cursor.list(|cursor| {
            let name = cursor.identifier()?;
            let _colon = cursor.takes(":");
            let data_type = data_type(cursor)?;
            field(cursor, name, data_type, false)
        })?;
        cursor.closes()?;
        return Ok(json!({"type": "struct", "fields": fields}));
    }
    if cursor.takes("DECIMAL") || cursor.takes("DEC") || cursor.takes("NUMERIC") {
        return decimal(cursor);
    }
    let known = TYPES.iter().find(|(name, _)| cursor.takes(name));
    let Some((_, found)) = known else {
        return Err(cursor.expected("a type of Delta's"));
    };
    // Delta's texts have no length.
    if *found == "string" && cursor.sees("(") {
        cursor.brackets(Cursor::number)?;
    }
    Ok(json!(found))
}

fn decimal(cursor: &mut Cursor<'_>) -> Result<Value> {
    let digits = match cursor.sees("(") {
        true => cursor.brackets(Cursor::number)?,
        false => vec!["10".to_owned()],
    };
    match &digits[..] {
        [precision] => Ok(json!(format!("decimal({precision},0)"))),
        [precision, scale] => Ok(json!(format!("decimal({precision},{scale})"))),
        _ => {
            Err(cursor.refused("a decimal has digits, and those behind the point: DECIMAL(10, 2)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Value, String> {
        let mut cursor = Cursor::at_start(text).unwrap();
        let found = column(&mut cursor).and_then(|found| cursor.end().map(|()| found));
        found.map_err(|error| error.to_string())
    }

    fn type_of(text: &str) -> Value {
        read(&format!("x {text}")).unwrap()["type"].clone()
    }

    #[test]
    fn types_are_those_of_the_log() {
        for (text, wanted) in [
            ("bigint", json!("long")),
            ("Int", json!("integer")),
            ("double precision", json!("double")),
            ("decimal(12, 2)", json!("decimal(12,2)")),
            ("DECIMAL", json!("decimal(10,0)")),
            ("varchar(20)", json!("string")),
            ("timestamp", json!("timestamp")),
            ("TIMESTAMP_NTZ", json!("timestamp_ntz")),
            ("timestamp without time zone", json!("timestamp_ntz")),
        ] {
            assert_eq!(type_of(text), wanted, "{text}");
        }
        let list = |of: Value| json!({"type": "array", "elementType": of, "containsNull": true});
        assert_eq!(
            type_of("ARRAY<ARRAY<ARRAY<INT>>>"),
            list(list(list(json!("integer"))))
        );
        let entry =
            json!({"name": "b c", "type": list(json!("date")), "nullable": false, "metadata": {}});
        let inner = json!({"type": "struct", "fields": [
            {"name": "a", "type": "byte", "nullable": true, "metadata": {"comment": "it's"}}, entry,
        ]});
        let map = json!({"type": "map", "keyType": "string", "valueType": inner, "valueContainsNull": true});
        let text = "map<string, struct<a: tinyint comment 'it''s', \"b c\" array<date> NOT NULL>>";
        assert_eq!(type_of(text), map);
    }

    #[test]
    fn a_new_column_may_be_generated() {
        let read = |text: &str| new_column(&mut Cursor::at_start(text).unwrap());
        let column = read("day date generated always as (cast(at as date)) COMMENT 'x'").unwrap();
        let wanted = json!({"delta.generationExpression": "cast(at as date)", "comment": "x"});
        assert_eq!(column["metadata"], wanted);
        for text in [
            "id bigint generated always as identity",
            "s struct<a: int generated always as (1)>",
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(
                told.contains("GENERATED of a column can't be said"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_a_column_can_not_have_is_told() {
        let column = read("`a b` int NOT NULL COMMENT 'x'").unwrap();
        let wanted = json!({"name": "a b", "type": "integer", "nullable": false, "metadata": {"comment": "x"}});
        assert_eq!(column, wanted);
        for (text, why) in [
            (
                "x uuid",
                "a type of Delta's is expected, and not uuid (line 1, column 3)",
            ),
            ("x array<int", "> is expected, and the statement ends"),
            ("x int default 3", "DEFAULT of a column can't be said here"),
            ("x decimal(1,2,3)", "a decimal has digits"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
