//! Tests of comparisons: as they are written, and of values near the border.

use arrow::array::{Date32Array, Float64Array, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::prelude::SessionContext;

use super::*;
use crate::test_tables::{lines, longs, rows, run};

fn schema() -> DFSchema {
    let time =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let fields = [
        ("at", time(None)),
        ("utc", time(Some("UTC"))),
        ("day", DataType::Date32),
        ("nanos", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        ("price", DataType::Float64),
    ];
    let fields = fields.map(|(name, kind)| Field::new(name, kind, true));
    DFSchema::try_from(Schema::new(fields.to_vec())).unwrap()
}

/// The condition as SQL's planner and its coercion have it.
fn coerced(text: &str, schema: &DFSchema) -> Expr {
    let session = SessionContext::new().state();
    let parsed = session.create_logical_expr(text, schema).unwrap();
    let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone()));
    let simplifier = ExprSimplifier::new(context.build());
    simplifier.coerce(parsed, schema).unwrap()
}

fn exact(text: &str) -> String {
    let schema = schema();
    let found = exact_comparisons(coerced(text, &schema), &schema);
    found.unwrap().data.to_string()
}

#[test]
fn times_are_compared_in_microseconds() {
    let far = "TimestampMicrosecond(253402214400000000, None)";
    let utc = r#"TimestampMicrosecond(253402214400000000, Some("UTC"))"#;
    for (text, expected) in [
        ("at = timestamp '9999-12-31'", format!("at = {far}")),
        ("timestamp '9999-12-31' > at", format!("{far} > at")),
        ("at = '9999-12-31'", format!("at = {far}")),
        ("utc <> '9999-12-31T00:00:00Z'", format!("utc != {utc}")),
        (
            "utc is distinct from timestamp '9999-12-31'",
            format!("utc IS DISTINCT FROM {utc}"),
        ),
        (
            "at in ('9999-12-31', timestamp '9999-12-31')",
            format!("at IN ([{far}, {far}])"),
        ),
        (
            "at between '9999-12-31' and '9999-12-31'",
            format!("at >= {far} AND at <= {far}"),
        ),
        (
            "at not between '9999-12-31' and '9999-12-31'",
            format!("at < {far} OR at > {far}"),
        ),
        (
            "day < timestamp '9999-12-31'",
            format!("CAST(day AS Timestamp(µs)) < {far}"),
        ),
        ("day < at", "CAST(day AS Timestamp(µs)) < at".to_owned()),
    ] {
        assert_eq!(exact(text), expected, "{text}");
    }
}

#[test]
fn dates_are_compared_in_microseconds() {
    for text in [
        "at = date '9999-12-31'",
        "at not between date '2024-01-01' and '9999-12-31'",
        "utc in (date '9999-12-31', date '2024-01-01')",
    ] {
        let found = exact(text);
        assert!(found.contains("µs") && !found.contains("ns"), "{found}");
    }
}

#[test]
fn what_is_between_microseconds_is_below_the_next() {
    let one = "TimestampMicrosecond(1, None)";
    for (op, expected) in [("<", "<="), ("<=", "<="), (">", ">"), (">=", ">")] {
        let text = format!("at {op} timestamp '1970-01-01 00:00:00.000001001'");
        assert_eq!(exact(&text), format!("at {expected} {one}"));
    }
    let turned = exact("timestamp '1970-01-01 00:00:00.000001001' < at");
    assert_eq!(turned, format!("at > {one}"));
    let before = exact("at > timestamp '1969-12-31 23:59:59.999999999'");
    assert_eq!(before, "at > TimestampMicrosecond(-1, None)");
    let equal = exact("at = timestamp '1970-01-01 00:00:00.000001001'");
    assert!(equal.contains("Timestamp(ns)"), "{equal}");
}

#[test]
fn what_is_of_nanoseconds_stays() {
    for text in [
        "nanos = timestamp '2020-01-01'",
        "at = nanos",
        "price > 1.0",
    ] {
        let found = exact(text);
        assert!(
            !found.contains("Microsecond(") && !found.contains("µs"),
            "{found}"
        );
    }
}

#[test]
fn a_value_of_several_is_compared_in_microseconds_where_all_are() {
    for text in [
        "coalesce(at, timestamp '2024-01-01') = timestamp '9999-12-31'",
        "nullif(at, timestamp '2024-01-01') = timestamp '9999-12-31'",
        "greatest(at, day, timestamp '2024-01-01') = timestamp '9999-12-31'",
        "least(at, day, timestamp '2024-01-01') = timestamp '9999-12-31'",
        "case when price > 1.0 then at else day end < date '9999-12-31'",
        "cast(at as timestamp) is null or cast(day as timestamp) is not null",
    ] {
        let found = exact(text);
        assert!(!found.contains("(ns"), "{found}");
    }
    let found = exact("coalesce(at, nanos) = timestamp '2024-01-01'");
    assert!(found.contains("ns"), "{found}");
}

#[test]
fn a_zero_in_a_list_is_both() {
    let found = exact("price in (1.0, 0.0, 2.0, 3.0)");
    assert_eq!(
        found,
        "price IN ([Float64(1), Float64(0), Float64(2), Float64(3), Float64(-0)])"
    );
    let found = exact("price not in (-0.0, 0.0, 2.0, 3.0)");
    assert_eq!(found.matches("Float64(-0)").count(), 1, "{found}");
    assert_eq!(found.matches("Float64(0)").count(), 1, "{found}");
}

#[test]
fn a_condition_is_true_of_the_rows_of_which_it_says_so() {
    let micros = [-1, 0, 1, 2, 999, 1_000, 1_577_836_800_000_000];
    let days = micros.map(|at| i32::try_from(at / 86_400_000_000).unwrap());
    let stored = rows([
        ("id", longs(0..7)),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(micros.to_vec())),
        ),
        ("day", Arc::new(Date32Array::from(days.to_vec()))),
        (
            "price",
            Arc::new(Float64Array::from(vec![0.0, -0.0, 1.0, 2.0, 3.0, 4.0, 5.0])),
        ),
    ]);
    let schema = DFSchema::try_from(stored.schema()).unwrap();
    for (text, expected) in [
        (
            "at < timestamp '1970-01-01 00:00:00.000001001'",
            vec![0, 1, 2],
        ),
        (
            "at >= timestamp '1970-01-01 00:00:00.000001001'",
            vec![3, 4, 5, 6],
        ),
        ("at = timestamp '1970-01-01 00:00:00.000001'", vec![2]),
        (
            "timestamp '1970-01-01 00:00:00.000000999' < at",
            vec![2, 3, 4, 5, 6],
        ),
        (
            "at not between timestamp '1970-01-01' and timestamp '1970-01-01 00:00:00.000001'",
            vec![0, 3, 4, 5, 6],
        ),
        ("day >= timestamp '1970-01-01 00:00:00.000001'", vec![6]),
        ("day = at", vec![1, 6]),
        (
            "at in (timestamp '1970-01-01', timestamp '2020-01-01', date '2021-01-01')",
            vec![1, 6],
        ),
        ("price in (0.0, 3.0, 7.0, 8.0, 9.0)", vec![0, 1, 4]),
        ("price not in (-0.0, 3.0, 7.0, 8.0, 9.0)", vec![2, 3, 5, 6]),
    ] {
        let exact = exact_comparisons(coerced(text, &schema), &schema).unwrap();
        assert!(exact.transformed, "{text}");
        let batch = SessionContext::new().read_batch(stored.clone()).unwrap();
        let found = batch.filter(exact.data).unwrap();
        let found = found.select_columns(&["id"]).unwrap();
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(lines(&run(found.collect()).unwrap()), expected, "{text}");
    }
}
