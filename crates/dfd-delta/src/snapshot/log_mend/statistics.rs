//! Statistics that delta_kernel parses.
//!
//! It parses those of all files at once, and one that doesn't fit its schema fails them all. A text that it
//! parses stays as it is; of another what surely fits is kept, and where that is nothing the file has none.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine::parse_json;
use delta_kernel::schema::{DataType, PrimitiveType, SchemaRef, StructField, StructType};
use delta_kernel::table_features::ColumnMappingMode;
use serde_json::Value;

/// Texts that are parsed at once.
const MAX_TEXTS: usize = 1024;

/// The schema by which statistics are parsed. It has every column, of which delta_kernel takes the first few.
pub(super) struct StatisticsSchema(SchemaRef);

impl StatisticsSchema {
    /// That of a table of this schema.
    pub(super) fn of(schema: &StructType) -> Option<Self> {
        let counts = columns(schema, &|_| Some(DataType::LONG));
        let bounds = columns(schema, &bounded);
        let parts = [
            Some(("numRecords", DataType::LONG)),
            counts.map(|counts| ("nullCount", counts)),
            bounds.clone().map(|bounds| ("minValues", bounds)),
            bounds.map(|bounds| ("maxValues", bounds)),
        ];
        let parts = parts.into_iter().flatten();
        let fields = parts.map(|(name, kind)| StructField::nullable(name, kind));
        Some(Self(Arc::new(StructType::try_new(fields).ok()?)))
    }

    /// What is to be in place of some of `texts`, with the places of these.
    pub(super) fn mended(&self, texts: &[Option<&str>]) -> Vec<(usize, Option<String>)> {
        let mut wrong = Vec::new();
        for (chunk, start) in texts.chunks(MAX_TEXTS).zip((0..).step_by(MAX_TEXTS)) {
            self.find_wrong(chunk, start, &mut wrong);
        }
        let mended = wrong
            .into_iter()
            .map(|(place, text)| (place, self.fitting(text)));
        mended.collect()
    }

    /// The texts that don't parse, with their places, the first of which is `start`.
    fn find_wrong<'a>(
        &self,
        texts: &[Option<&'a str>],
        start: usize,
        wrong: &mut Vec<(usize, &'a str)>,
    ) {
        if self.parses(texts) {
            return;
        }
        if let [text] = texts {
            wrong.extend(text.map(|text| (start, text)));
            return;
        }
        let half = texts.len() / 2;
        let (left, right) = texts.split_at(half);
        self.find_wrong(left, start, wrong);
        self.find_wrong(right, start + half, wrong);
    }

    fn parses(&self, texts: &[Option<&str>]) -> bool {
        let texts: ArrayRef = Arc::new(texts.iter().copied().collect::<StringArray>());
        let Ok(rows) = RecordBatch::try_from_iter_with_nullable([("stats", texts, true)]) else {
            return false;
        };
        let rows = Box::new(ArrowEngineData::new(rows));
        parse_json(rows, Arc::clone(&self.0)).is_ok()
    }

    /// What of a text fits; None where it is nothing.
    fn fitting(&self, text: &str) -> Option<String> {
        let stated: Value = serde_json::from_str(text).ok()?;
        let Value::Object(parts) = stated else {
            return None;
        };
        let fitting = fitting_fields(parts, &self.0)?.to_string();
        self.parses(&[Some(&fitting)]).then_some(fitting)
    }
}

/// The columns whose type has one in the statistics, under their physical names.
///
/// Under their logical names too, since a table may have had its mapping switched off.
fn columns(
    schema: &StructType,
    kind_of: &dyn Fn(&DataType) -> Option<DataType>,
) -> Option<DataType> {
    let mut fields = Vec::new();
    let mut seen = HashSet::new();
    for mode in [ColumnMappingMode::Name, ColumnMappingMode::None] {
        for field in schema.fields() {
            let kind = match field.data_type() {
                DataType::Struct(inner) => columns(inner, kind_of),
                other => kind_of(other),
            };
            let name = field.physical_name(mode);
            if let Some(kind) = kind
                && seen.insert(name.to_lowercase())
            {
                fields.push(StructField::nullable(name, kind));
            }
        }
    }
    let is_empty = fields.is_empty();
    let columns = StructType::try_new(fields).ok()?;
    (!is_empty).then(|| DataType::Struct(Box::new(columns)))
}

/// The type of a column's bounds; None where deltalake-core parses none.
fn bounded(kind: &DataType) -> Option<DataType> {
    use PrimitiveType::{
        Boolean, Byte, Date, Decimal, Double, Float, Integer, Long, Short, String, Timestamp,
        TimestampNtz,
    };
    let DataType::Primitive(primitive) = kind else {
        return None;
    };
    match primitive {
        Byte | Short | Integer | Long | Float | Double | Boolean | Date | Timestamp
        | TimestampNtz | String | Decimal(_) => Some(kind.clone()),
        _ => None,
    }
}

fn fitting_fields(fields: serde_json::Map<String, Value>, kinds: &StructType) -> Option<Value> {
    let fitting = fields.into_iter().filter_map(|(name, value)| {
        let kind = kinds.field(&name)?.data_type();
        Some((name, fitting_value(value, kind)?))
    });
    let fitting: serde_json::Map<_, _> = fitting.collect();
    (!fitting.is_empty()).then_some(Value::Object(fitting))
}

fn fitting_value(value: Value, kind: &DataType) -> Option<Value> {
    match (value, kind) {
        (Value::Object(fields), DataType::Struct(kinds)) => fitting_fields(fields, kinds),
        (value, DataType::Primitive(kind)) => fits(&value, kind).then_some(value),
        _ => None,
    }
}

fn fits(value: &Value, kind: &PrimitiveType) -> bool {
    let is_within = |least: i64, greatest: i64| {
        let number = value.as_i64();
        number.is_some_and(|number| (least..=greatest).contains(&number))
    };
    match kind {
        PrimitiveType::Byte => is_within(i8::MIN.into(), i8::MAX.into()),
        PrimitiveType::Short => is_within(i16::MIN.into(), i16::MAX.into()),
        PrimitiveType::Integer => is_within(i32::MIN.into(), i32::MAX.into()),
        PrimitiveType::Long => is_within(i64::MIN, i64::MAX),
        PrimitiveType::Float | PrimitiveType::Double => value.is_number(),
        PrimitiveType::Boolean => value.is_boolean(),
        _ => value.is_string() || value.is_number(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::test_tables::{field, mapped};

    fn schema() -> StatisticsSchema {
        let inner = json!({"type": "struct", "fields": [field("x", "long"), field("y", "binary")]});
        let list = json!({"type": "array", "elementType": "long", "containsNull": true});
        let fields = [
            field("id", "long"),
            field("small", "byte"),
            field("flag", "boolean"),
            field("day", "date"),
            field("price", "decimal(10,2)"),
            field("ratio", "double"),
            field("raw", "binary"),
            field("o", inner),
            field("l", list),
            mapped("renamed", "long", 9, "col-9"),
        ];
        let schema = json!({"type": "struct", "fields": fields});
        StatisticsSchema::of(&serde_json::from_value(schema).unwrap()).unwrap()
    }

    #[test]
    fn what_parses_stays() {
        let texts = [
            None,
            Some("{}"),
            Some(r#"{"numRecords":"1"}"#),
            Some(r#"{"numRecords":-1,"minValues":null}"#),
            Some(r#"{"minValues":{"id":1,"id":2,"day":"+48690-07-02","price":1E-7}}"#),
            Some(r#"{"maxValues":{"unknown":[1],"raw":{"a":1}},"tightBounds":"?"}"#),
            Some(r#"{"nullCount":{"o":{"x":0,"y":0},"l":1}}"#),
        ];
        for text in texts {
            assert_eq!(schema().mended(&[text]), [], "{text:?}");
        }
        assert_eq!(schema().mended(&texts), []);
    }

    #[test]
    fn of_what_does_not_parse_the_rest_stays() {
        let cases = [
            (
                r#"{"numRecords":1,"minValues":{"id":1,"flag":"true"},"maxValues":{"id":2}}"#,
                json!({"numRecords": 1, "minValues": {"id": 1}, "maxValues": {"id": 2}}),
            ),
            (
                r#"{"numRecords":99999999999999999999,"minValues":{"id":1e30,"small":7}}"#,
                json!({"minValues": {"small": 7}}),
            ),
            (
                r#"{"numRecords":2,"minValues":{"small":300,"ratio":0.5},"nullCount":{"id":0}}"#,
                json!({"numRecords": 2, "minValues": {"ratio": 0.5}, "nullCount": {"id": 0}}),
            ),
            (
                r#"{"numRecords":3,"minValues":{"o":5,"col-9":4,"renamed":"x"}}"#,
                json!({"numRecords": 3, "minValues": {"col-9": 4}}),
            ),
            (
                r#"{"numRecords":4,"minValues":[{"id":1}],"maxValues":{"day":{"a":1},"price":1.5}}"#,
                json!({"numRecords": 4, "maxValues": {"price": 1.5}}),
            ),
        ];
        for (text, wanted) in cases {
            let mended = schema().mended(&[Some(text)]);
            let [(0, Some(mended))] = &mended[..] else {
                panic!("{text}: {mended:?}");
            };
            let mended: Value = serde_json::from_str(mended).unwrap();
            assert_eq!(mended, wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_statistics_goes() {
        for text in [
            "",
            " ",
            "null",
            "[]",
            "7",
            "garbage",
            r#"{"numRecords":1"#,
            r#"{"numRecords":1}{"numRecords":1}"#,
            r#"{"numRecords":1} garbage"#,
            r#"{"minValues":{"id":NaN}}"#,
            r#"{"minValues":{"flag":"true"}}"#,
            r#"{"numRecords":{"a":1}}"#,
        ] {
            assert_eq!(schema().mended(&[Some(text)]), [(0, None)], "{text}");
        }
    }

    #[test]
    fn those_that_are_wrong_are_found_among_others() {
        let good = r#"{"numRecords":1,"minValues":{"id":1}}"#;
        let mut texts = vec![Some(good); 3000];
        let wrong = [0, 1, 1023, 1024, 2047, 2999];
        for place in wrong {
            texts[place] = Some("garbage");
        }
        texts[5] = None;
        let mended = schema().mended(&texts);
        assert_eq!(mended, wrong.map(|place| (place, None)));
    }
}
