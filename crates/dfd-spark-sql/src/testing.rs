//! A small batch of odd values, and what expressions are over it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, NullBufferBuilder, RecordBatch, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::util::display::array_value_to_string;

use crate::literals::{TIMESTAMP_NTZ, timestamp};
use crate::{Error, TypedExpr, compile, translate};

/// Plain values; the least ones and NaN; zeros and a null struct; nulls.
const ROWS: [(&str, DataType, [Option<&str>; 4]); 11] = [
    (
        "b",
        DataType::Int8,
        [Some("1"), Some("-128"), Some("0"), None],
    ),
    (
        "i",
        DataType::Int32,
        [Some("7"), Some("-2147483648"), Some("0"), None],
    ),
    (
        "l",
        DataType::Int64,
        [Some("9"), Some("-9223372036854775808"), Some("0"), None],
    ),
    (
        "f",
        DataType::Float32,
        [Some("1.5"), Some("NaN"), Some("-0.0"), None],
    ),
    (
        "d",
        DataType::Float64,
        [Some("2.5"), Some("NaN"), Some("-0.0"), None],
    ),
    (
        "m",
        DataType::Decimal128(9, 2),
        [Some("1.25"), Some("-9999999.99"), Some("0"), None],
    ),
    (
        "s",
        DataType::Utf8,
        [Some("Abc"), Some(""), Some("日本語"), None],
    ),
    (
        "t",
        DataType::Utf8,
        [Some("abc"), Some(" a "), Some("%_"), None],
    ),
    (
        "y",
        DataType::Date32,
        [
            Some("2020-02-29"),
            Some("0001-01-01"),
            Some("1970-01-01"),
            None,
        ],
    ),
    (
        "wall",
        TIMESTAMP_NTZ,
        [
            Some("2020-02-29T23:59:59.999999"),
            Some("1900-12-31T12:30:45.5"),
            Some("1970-01-01T00:00:00"),
            None,
        ],
    ),
    (
        "o",
        DataType::Boolean,
        [Some("true"), Some("false"), None, None],
    ),
];

/// A batch of the columns `b i l f d m s t y wall o`, the same time as `wall` in UTC as `at`, and `r` of fields
/// `a` and `B c`.
pub(crate) fn batch() -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (name, data_type, texts) in ROWS {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        columns.push((name.to_owned(), cast(&array, &data_type).unwrap()));
    }
    let wall = columns.iter().find(|(name, _)| name == "wall");
    let at = cast(&wall.unwrap().1, &timestamp()).unwrap();
    columns.push(("at".to_owned(), at));
    let mut is_valid = NullBufferBuilder::new(4);
    is_valid.append_n_non_nulls(2);
    is_valid.append_null();
    is_valid.append_non_null();
    let inner: [ArrayRef; 2] = [
        Arc::new(Int32Array::from(vec![Some(7), Some(-1), None, None])),
        Arc::new(StringArray::from(vec![Some("x"), Some("y"), None, None])),
    ];
    let fields = [
        Field::new("a", DataType::Int32, true),
        Field::new("B c", DataType::Utf8, true),
    ];
    let structs = StructArray::new(fields.to_vec().into(), inner.to_vec(), is_valid.finish());
    columns.push(("r".to_owned(), Arc::new(structs)));
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The translation of an expression that has one.
pub(crate) fn typed(text: &str) -> TypedExpr {
    let found = translate(text, batch().schema_ref());
    found.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The values of an expression that can be computed for every row.
pub(crate) fn values(text: &str) -> [String; 4] {
    let found = try_values(text);
    found.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Computes the values of an expression, row by row, as texts.
pub(crate) fn try_values(text: &str) -> Result<[String; 4], Error> {
    let batch = batch();
    let typed = typed(text);
    let compiled = compile(&typed.expr, batch.schema_ref())?;
    let array = compiled.evaluate(&batch)?.into_array(batch.num_rows())?;
    assert_eq!(*array.data_type(), typed.data_type, "{text}");
    Ok(std::array::from_fn(|row| match array.is_null(row) {
        true => "null".to_owned(),
        false => array_value_to_string(&array, row).unwrap(),
    }))
}

/// Why an expression isn't translated.
pub(crate) fn refusal(text: &str) -> String {
    match translate(text, batch().schema_ref()) {
        Ok(typed) => panic!("{text} is {}", typed.expr),
        Err(error) => error.to_string(),
    }
}

/// Asserts the values of expressions, row by row.
pub(crate) fn assert_values(wanted: &[(&str, [&str; 4])]) {
    for (text, rows) in wanted {
        assert_eq!(values(text), *rows, "{text}");
    }
}
