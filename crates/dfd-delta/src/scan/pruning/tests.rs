//! Tests of which files are left to a scan; the files themselves are never read.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use serde_json::{Value, json};

use crate::scan::request::{Request, Views};
use crate::snapshot::TableSnapshot;
use crate::test_tables::{Add, TestTable, condition, field, metadata, protocol, run};

/// Five files: `a` and `b` of partition 1, `c` and `d` of 2, and `e` of null; `d` has no statistics.
fn table() -> TestTable {
    let fields = [
        field("id", "long"),
        field("p", "long"),
        field("name", "string"),
        field("f", "double"),
        field("n", "long"),
        field("d", "decimal(10,2)"),
        field("at", "timestamp"),
    ];
    let features = ["deletionVectors"];
    let table = TestTable::of(&[protocol(&features), metadata(&fields, &["p"], json!({}))]);
    let add = |path: &str, p: Option<&str>, stats: Value| {
        Add::new(path, 10).partition("p", p).stats(stats)
    };
    let a = json!({
        "numRecords": 3,
        "minValues": {"id": 1, "name": "a", "f": 0.5, "d": 0.01, "at": "2020-01-01T00:00:00.000Z"},
        "maxValues": {"id": 10, "name": "c", "f": 1.5, "d": 5.00, "at": "2020-01-01T00:00:00.001Z"},
        "nullCount": {"id": 0, "name": 1, "f": 0, "n": 3, "d": 0, "at": 0},
    });
    let b = json!({
        "numRecords": 4,
        "minValues": {"id": 11, "name": "d", "f": 2.5, "n": 5, "d": 5.01},
        "maxValues": {"id": 20, "name": "f", "f": 3.5, "n": 5, "d": 9.99},
        "nullCount": {"id": 0, "name": 0, "f": 0, "n": 0, "d": 0},
    });
    let c = json!({
        "numRecords": 6,
        "minValues": {"id": 21},
        "maxValues": {"id": 30},
        "nullCount": {"id": 2, "n": 5},
    });
    let e = json!({
        "numRecords": 2,
        "minValues": {"id": 31},
        "maxValues": {"id": 40},
        "nullCount": {"id": 0},
    });
    table.commit(
        1,
        &[
            add("a", Some("1"), a).action(),
            add("b", Some("1"), b).action(),
            add("c", Some("2"), c).deleted(&[5]).action(),
            Add::new("d", 10).partition("p", Some("2")).action(),
            add("e", None, e).action(),
        ],
    );
    table
}

/// The files that are left, and whether the plan says the same of their number.
fn left_by(snapshot: &Arc<TableSnapshot>, filters: Vec<Expr>, limit: Option<usize>) -> String {
    let request = Request {
        relation: Arc::clone(snapshot).into(),
        projection: None,
        filters,
        limit,
        views: Views::None,
    };
    let session = dfd_runtime::session(SessionConfig::new()).state();
    let planned = run(request.plan(&session, true)).unwrap();
    let names = files_of(planned.plan.as_ref());
    assert_eq!(names.len(), planned.scanned);
    names
}

fn files_of(plan: &dyn ExecutionPlan) -> String {
    let Some(source) = plan.downcast_ref::<DataSourceExec>() else {
        return String::new();
    };
    let scan = source
        .data_source()
        .downcast_ref::<FileScanConfig>()
        .unwrap();
    let files = scan.file_groups.iter().flat_map(|group| group.files());
    let names = files.filter_map(|file| file.object_meta.location.filename());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.concat()
}

/// Checks which files are left by conditions.
fn check(cases: &[(&str, &str)]) {
    let table = table();
    let snapshot = table.open();
    for (text, expected) in cases {
        let filter = condition(&snapshot, text);
        assert_eq!(left_by(&snapshot, vec![filter], None), *expected, "{text}");
    }
}

#[test]
fn ranges_and_lists_leave_the_files_that_may_match() {
    check(&[
        ("id > 20", "cde"),
        ("id > 40", "d"),
        ("id >= 40", "de"),
        ("id = 15", "bd"),
        ("15 = id", "bd"),
        ("id between 5 and 12", "abd"),
        ("id not between 5 and 12", "abcde"),
        ("id in (1, 25)", "acd"),
        ("id in (41, 0)", "d"),
        ("id not in (1, 25)", "abcde"),
        ("id < 5 or id > 35", "ade"),
        ("id > 15 and id < 18", "bd"),
        ("id > 20 and id < 15", "d"),
        ("id <> 5", "abcde"),
        ("-id < -35", "de"),
        ("cast(id as double) > 35.5", "de"),
    ]);
}

#[test]
fn texts_decimals_and_times_are_as_wide_as_writers_cut_them() {
    check(&[
        ("name = 'b'", "acde"),
        ("name > 'e'", "bcde"),
        // Writers that cut "cat" to its first letter make it "d".
        ("name >= 'c'", "abcde"),
        ("name > 'c'", "bcde"),
        ("name like 'e%'", "bcde"),
        ("d >= 5", "abcde"),
        ("d > 5", "bcde"),
        ("d > 9.99", "cde"),
        // Half of a millisecond above the upper bound.
        ("at > timestamp '2020-01-01T00:00:00.0015Z'", "abcde"),
        ("at > timestamp '2020-01-01T00:00:00.002Z'", "bcde"),
        ("at < timestamp '2020-01-01T00:00:00Z'", "bcde"),
    ]);
}

#[test]
fn nulls_are_counted() {
    check(&[
        ("n is null", "acde"),
        // All are null in `a`. In `c` as many as rows are left, but the row that is gone may be one of them.
        ("n is not null", "bcde"),
        ("n = 5", "bcde"),
        ("id is null", "cd"),
        ("name is null", "acde"),
    ]);
}

#[test]
fn bounds_of_floats_leave_no_file_out() {
    check(&[
        ("f > 100", "abcde"),
        ("f = 0.5", "abcde"),
        ("f < 0", "abcde"),
    ]);
}

#[test]
fn what_cannot_be_decided_leaves_all_files() {
    check(&[
        ("upper(name) = 'X'", "abcde"),
        ("id % 2 = 7", "abcde"),
        ("id = n", "abcde"),
        // The sessions' optimizers make `id <= 10` of it.
        ("not (id > 10)", "abcde"),
        ("random() > 2", "abcde"),
    ]);
}

#[test]
fn partitions_are_decided_by_their_values() {
    check(&[
        ("p = 1", "ab"),
        ("p > 1", "cd"),
        ("p <> 1", "cd"),
        ("p in (2, 3)", "cd"),
        ("p is null", "e"),
        ("p is not null", "abcd"),
        ("p = 1 or p is null", "abe"),
        ("p is distinct from 1", "cde"),
        ("abs(p - 2) = 1", "ab"),
        ("p = 9", ""),
        ("p is null and p = 1", ""),
    ]);
}

#[test]
fn partitions_and_rows_are_decided_together() {
    check(&[
        ("p = 1 and id > 15", "b"),
        ("p = 2 or id < 5", "acd"),
        ("p + id > 41", "abcde"),
    ]);
    let table = table();
    let snapshot = table.open();
    let of_row = condition(&snapshot, "id > 20");
    for (partition, expected) in [("p = 2", "cd"), ("p is null", "e"), ("p = 1", "")] {
        let filters = vec![of_row.clone(), condition(&snapshot, partition)];
        assert_eq!(left_by(&snapshot, filters, None), expected);
    }
    // Under whatever name the session knows the table.
    let qualified = vec![col("t.id").gt(lit(20)), col("t.p").eq(lit(2_i64))];
    assert_eq!(left_by(&snapshot, qualified, None), "cd");
}

#[test]
fn a_limit_takes_the_first_files_that_have_so_many_rows() {
    let table = table();
    let snapshot = table.open();
    let first = |limit| left_by(&snapshot, Vec::new(), Some(limit));
    assert_eq!(first(0), "");
    assert_eq!(first(1), "a");
    assert_eq!(first(3), "a");
    assert_eq!(first(4), "ab");
    assert_eq!(first(7), "ab");
    // One row of `c` is gone.
    assert_eq!(first(12), "abc");
    // How many `d` has isn't known.
    assert_eq!(first(13), "abcde");
    assert_eq!(first(99), "abcde");
    let in_partition = |text: &str, limit| {
        let filters = vec![condition(&snapshot, text)];
        left_by(&snapshot, filters, Some(limit))
    };
    assert_eq!(in_partition("p = 1", 3), "a");
    assert_eq!(in_partition("p is null", 3), "e");
    // Any file may be the one whose rows match.
    assert_eq!(in_partition("id > 5", 1), "abcde");
}

/// An optimizer may make one of a filter of partitions after it asked whether the scan applies that.
#[test]
fn a_constant_leaves_all_files_or_none() {
    let snapshot = table().open();
    for (constant, left) in [
        (ScalarValue::Boolean(Some(true)), "abcde"),
        (ScalarValue::Boolean(Some(false)), ""),
        (ScalarValue::Boolean(None), ""),
        (ScalarValue::Null, ""),
    ] {
        let filters = vec![Expr::Literal(constant.clone(), None)];
        assert_eq!(left_by(&snapshot, filters, None), left, "{constant:?}");
    }
}
