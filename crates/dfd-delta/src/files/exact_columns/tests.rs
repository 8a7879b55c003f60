//! Tests of columns that a file has in other types than the table, read in whole queries.

use arrow::array::{
    Array, ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, LargeListArray, ListArray,
    MapArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Fields;
use datafusion::error::DataFusionError;
use serde_json::{Value, json};

use super::*;
use crate::scan::provider::DeltaTableProvider;
use crate::test_tables::{TestTable, column, field, rows, run, sorted, texts};
use datafusion::prelude::SessionContext;

fn record(fields: Value) -> Value {
    json!({"type": "struct", "fields": fields})
}

fn list(element: Value) -> Value {
    json!({"type": "array", "elementType": element, "containsNull": true})
}

fn map(value: Value) -> Value {
    json!({"type": "map", "keyType": "string", "valueType": value, "valueContainsNull": true})
}

/// What a query gives of a table with the column `v` of `kind`, whose one file has `stored`.
fn queried(
    kind: impl Into<Value>,
    stored: ArrayRef,
    query: &str,
) -> std::result::Result<Vec<String>, DataFusionError> {
    let table = TestTable::new(&[field("v", kind)], &[]);
    let add = table.write("part.parquet", &rows([("v", stored)]));
    table.commit(1, &[add.action()]);
    let session = SessionContext::new();
    let provider = DeltaTableProvider::opaque(table.open());
    session.register_table("t", Arc::new(provider))?;
    let found = run(async { session.sql(query).await?.collect().await })?;
    Ok(sorted(&found))
}

fn read(kind: impl Into<Value>, stored: ArrayRef) -> Vec<String> {
    queried(kind, stored, "select v from t").unwrap()
}

fn refused(kind: impl Into<Value>, stored: ArrayRef) -> String {
    queried(kind, stored, "select v from t")
        .unwrap_err()
        .to_string()
}

#[test]
fn values_that_the_tables_type_has_are_read() {
    let doubles = || -> ArrayRef { Arc::new(Float64Array::from(vec![1.0, -3.0])) };
    assert_eq!(read("long", doubles()), ["-3", "1"]);
    let found = queried("long", doubles(), "select v from t where v > 0");
    assert_eq!(found.unwrap(), ["1"]);
    let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
    assert_eq!(read("long", Arc::clone(&narrow)), ["", "7"]);
    assert_eq!(read("decimal(12,2)", narrow), ["", "7.00"]);
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![7, -7]));
    assert_eq!(read("integer", wide), ["-7", "7"]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 2_932_896]));
    let times = ["1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z"];
    assert_eq!(read("timestamp", days), times);
    let midnight: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![86_400_000_000]));
    assert_eq!(read("date", midnight), ["1970-01-02"]);
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_000]));
    assert_eq!(read("timestamp", nanos), ["1970-01-01T00:00:00.000001Z"]);
}

#[test]
fn a_value_that_it_does_not_have_is_an_error_with_file_and_column() {
    let refused = |kind: &str, stored: ArrayRef, value: &str| {
        let text = refused(kind, stored);
        for part in ["part.parquet", "its column v", value] {
            assert!(text.contains(part), "{text}");
        }
    };
    let half: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.5]));
    refused("long", half, "2.5");
    let large: ArrayRef = Arc::new(Int64Array::from(vec![1, 3_000_000_000]));
    refused("integer", Arc::clone(&large), "3000000000");
    let beyond: ArrayRef = Arc::new(Int64Array::from(vec![(1 << 53) + 1]));
    refused("double", beyond, "9007199254740993");
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    refused("long", unsigned, "18446744073709551615");
    let morning: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1]));
    refused("date", morning, "1970-01-01");
    let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_001]));
    refused("timestamp", nanos, "00.000001001");
    refused("long", texts([Some("1"), Some("x")]), "\"x\"");
    // Whatever its values are.
    refused("date", large, "can't become");
}

#[test]
fn a_column_that_is_not_asked_for_is_no_matter() {
    let half: ArrayRef = Arc::new(Float64Array::from(vec![2.5]));
    let found = queried("long", half, "select count(*) from t");
    assert_eq!(found.unwrap(), ["1"]);
}

/// `{b, a}`, in another order than the table has them, or `a` alone.
fn pairs(with_b: bool) -> (Fields, ArrayRef) {
    let a: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let b = texts([Some("x"), None]);
    let (fields, columns) = if with_b {
        let fields = vec![column("b", DataType::Utf8), column("a", DataType::Int64)];
        (fields, vec![b, a])
    } else {
        (vec![column("a", DataType::Int64)], vec![a])
    };
    let fields = Fields::from(fields);
    let made = StructArray::new(fields.clone(), columns, None);
    (fields, Arc::new(made))
}

fn wanted() -> Value {
    record(json!([field("a", "long"), field("b", "string")]))
}

#[test]
fn fields_are_found_by_name_inside_of_maps_and_lists() {
    for with_b in [true, false] {
        let b = if with_b { ["x", ""] } else { ["", ""] };
        let one = |a: i64, b: &str| format!("{{a: {a}, b: {b}}}");
        let (fields, values) = pairs(with_b);
        let item = column("item", DataType::Struct(fields.clone()));
        let offsets = OffsetBuffer::new(vec![0_i32, 1, 2].into());
        let lists = ListArray::new(Arc::clone(&item), offsets.clone(), values.clone(), None);
        let expected = [format!("[{}]", one(1, b[0])), format!("[{}]", one(2, b[1]))];
        assert_eq!(read(list(wanted()), Arc::new(lists)), expected);
        let ends = OffsetBuffer::new(vec![0_i64, 1, 2].into());
        let large = LargeListArray::new(item, ends, values.clone(), None);
        assert_eq!(read(list(wanted()), Arc::new(large)), expected);
        let key = Arc::new(Field::new("key", DataType::Utf8, false));
        let entry = vec![key, column("value", DataType::Struct(fields))];
        let keys = texts([Some("k"), Some("l")]);
        let entries = StructArray::new(entry.into(), vec![keys, values], None);
        let item = Field::new("entries", entries.data_type().clone(), false);
        let maps = MapArray::new(Arc::new(item), offsets, entries, None, false);
        let expected = [
            format!("{{k: {}}}", one(1, b[0])),
            format!("{{l: {}}}", one(2, b[1])),
        ];
        assert_eq!(read(map(wanted()), Arc::new(maps)), expected);
    }
}

#[test]
fn a_struct_without_any_of_the_tables_fields_is_there_or_null_as_it_was() {
    let old: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let fields = Fields::from(vec![column("old", DataType::Int64)]);
    let nulls = NullBuffer::from(vec![true, false]);
    let stored: ArrayRef = Arc::new(StructArray::new(fields, vec![old], Some(nulls)));
    assert_eq!(read(wanted(), Arc::clone(&stored)), ["", "{a: , b: }"]);
    let missing = queried(wanted(), stored, "select v['a'] is null as n from t");
    assert_eq!(missing.unwrap(), ["true", "true"]);
}

#[test]
fn what_is_inside_is_exact_too() {
    let half: ArrayRef = Arc::new(Float64Array::from(vec![2.5, 1.0]));
    let fields = Fields::from(vec![column("a", DataType::Float64)]);
    let stored: ArrayRef = Arc::new(StructArray::new(fields, vec![half], None));
    let text = refused(wanted(), Arc::clone(&stored));
    assert!(text.contains("its column v.a: 2.5"), "{text}");
    // Nobody sees the value of a struct that is null.
    let (fields, columns, _) = stored
        .as_any()
        .downcast_ref::<StructArray>()
        .cloned()
        .unwrap()
        .into_parts();
    let nulls = NullBuffer::from(vec![false, true]);
    let hidden: ArrayRef = Arc::new(StructArray::new(fields, columns, Some(nulls)));
    assert_eq!(read(wanted(), hidden), ["", "{a: 1, b: }"]);
}

#[test]
fn fields_of_null_structs_are_null() {
    let required: FieldRef = Arc::new(Field::new("a", DataType::Int64, false));
    let deep = DataType::Struct(vec![Arc::clone(&required)].into());
    let inner: FieldRef = Arc::new(Field::new("inner", deep, false));
    assert!(hides_values(&column(
        "s",
        DataType::Struct(vec![Arc::clone(&required)].into())
    )));
    assert!(!hides_values(&inner));
    let outer = column("s", DataType::Struct(vec![inner].into()));
    assert!(hides_values(&outer));
    assert!(hides_values(&column("l", DataType::List(outer))));
    let values: ArrayRef = Arc::new(Int64Array::from(vec![5, 7]));
    let nulls = NullBuffer::from(vec![true, false]);
    let stored = StructArray::new(vec![required].into(), vec![values], Some(nulls));
    let query = "select v['a'] as a, v is null as n from t";
    let found = queried(wanted(), Arc::new(stored), query);
    assert_eq!(found.unwrap(), ["5|false", "|true"]);
}

#[test]
fn plain_columns_are_left_to_datafusion() {
    use DataType as T;
    let of = |fields: Vec<FieldRef>| T::Struct(fields.into());
    let listed = |kind| T::List(column("element", kind));
    let mapped = |value| {
        let key = Arc::new(Field::new("key", T::Utf8, false));
        T::Map(
            column("entries", of(vec![key, column("value", value)])),
            false,
        )
    };
    let (a, b) = (column("a", T::Int32), column("b", T::Utf8));
    let wide = column("a", T::Int64);
    for (stored, table) in [
        (T::Int32, T::Int64),
        (
            of(vec![b.clone(), a.clone()]),
            of(vec![wide.clone(), b.clone()]),
        ),
        (of(vec![a.clone()]), of(vec![wide.clone(), b.clone()])),
        (listed(of(vec![a.clone()])), listed(of(vec![wide.clone()]))),
        (mapped(T::Int32), mapped(T::Int64)),
        (mapped(of(vec![a.clone()])), mapped(of(vec![wide.clone()]))),
        (T::LargeList(column("item", T::Int32)), listed(T::Int64)),
        (T::Dictionary(T::Int8.into(), T::Utf8.into()), T::Utf8View),
    ] {
        assert!(is_plain(&stored, &table), "{stored} as {table}");
    }
    for (stored, table) in [
        (T::Int64, T::Int32),
        (of(vec![b.clone()]), of(vec![wide.clone()])),
        (of(vec![wide.clone()]), of(vec![a.clone()])),
        (listed(T::Float64), listed(T::Int64)),
        (
            mapped(of(vec![a.clone()])),
            mapped(of(vec![a.clone(), b.clone()])),
        ),
        (
            T::LargeList(column("element", of(vec![a.clone()]))),
            listed(of(vec![b])),
        ),
    ] {
        assert!(!is_plain(&stored, &table), "{stored} as {table}");
    }
}
