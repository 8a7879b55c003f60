//! Tests of tables that aren't pinned.

use super::*;
use crate::test_tables::{TestTable, field, longs, metadata, queried, remove, rows, run, sorted};
use datafusion::prelude::{DataFrame, SessionContext};
use serde_json::{Value, json};

/// A table of one file of two rows, in version 1.
fn table() -> (TestTable, Arc<FollowedTable>) {
    let table = TestTable::new(&[field("a", "long"), field("b", "long")], &[]);
    grow(&table, 1);
    let latest = Arc::new(FollowedTable::new(table.open(), Arc::default()));
    (table, latest)
}

/// Two more rows.
fn grow(table: &TestTable, version: u64) {
    table.commit(version, &[file(table, version)]);
}

fn file(table: &TestTable, version: u64) -> Value {
    let stored = rows([("a", longs([1, 2])), ("b", longs([3, 4]))]);
    let name = format!("{version}.parquet");
    table.write(&name, &stored).action()
}

/// A session whose `t` is planned once, and then kept.
fn kept(latest: &Arc<FollowedTable>, sql: &str) -> DataFrame {
    let session = SessionContext::new();
    let table = Arc::new(RegisteredProvider::new(Arc::clone(latest)));
    session.register_table("t", table).unwrap();
    run(session.sql(sql)).unwrap()
}

fn found(frame: &DataFrame) -> Vec<String> {
    sorted(&run(frame.clone().collect()).unwrap())
}

#[test]
fn a_plan_that_is_kept_reads_the_newest_version_each_time() {
    let (table, latest) = table();
    let frame = kept(&latest, "select count(*), sum(b) from t where a > 0");
    assert_eq!(found(&frame), ["2|7"]);
    grow(&table, 2);
    assert_eq!(found(&frame), ["4|14"]);
    assert_eq!(found(&frame), ["4|14"]);
    table.commit(3, &[remove("1.parquet"), remove("2.parquet")]);
    assert_eq!(found(&frame), ["0|"]);
    assert_eq!(latest.seen().version(), 3);
}

#[test]
fn columns_that_came_since_are_not_in_the_plan() {
    let (table, latest) = table();
    let frame = kept(&latest, "select b, a from t");
    let fields = ["b", "new", "a"].map(|name| field(name, "long"));
    let metadata = metadata(&fields, &[], json!({}));
    table.commit(2, &[metadata, file(&table, 2)]);
    assert_eq!(found(&frame), ["3|1", "3|1", "4|2", "4|2"]);
    let anew = Arc::new(RegisteredProvider::new(latest));
    let rows = run(queried(anew, "select * from t where a = 1"));
    assert_eq!(sorted(&rows), ["3||1", "3||1"]);
}

#[test]
fn another_schema_takes_another_plan() {
    for (fields, change) in [
        (vec![field("a", "long")], "the column b is gone"),
        (
            vec![field("a", "long"), field("b", "string")],
            "the column b is another one",
        ),
    ] {
        let (table, latest) = table();
        let frame = kept(&latest, "select b from t");
        let metadata = metadata(&fields, &[], json!({}));
        table.commit(2, &[metadata, remove("1.parquet")]);
        let error = run(frame.collect()).unwrap_err().strip_backtrace();
        let expected = format!(
            "the Delta table at {} was planned with version 1, and in version 2 {change}: plan the query again, and make a view of it anew",
            table.url()
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_query_reads_one_version_however_often_it_asks() {
    let (table, latest) = table();
    let query = Arc::new(QueryVersions::default());
    let other = Arc::new(FollowedTable::new(table.open(), Arc::default()));
    let versions = |table: &TestTable, version| {
        query.enter();
        let first = run(RegisteredProvider::new(Arc::clone(&latest)).version()).unwrap();
        grow(table, version);
        let second = run(RegisteredProvider::new(Arc::clone(&other)).version()).unwrap();
        QueryVersions::leave();
        (first.version(), second.version())
    };
    assert_eq!(versions(&table, 2), (1, 1));
    assert_eq!(versions(&table, 3), (1, 1));
    assert!(QueryVersions::current().is_none());
    let now = run(RegisteredProvider::new(Arc::clone(&other)).version()).unwrap();
    assert_eq!(now.version(), 3);
    assert!(query.take_failure().is_none());
}

#[test]
fn the_scans_of_one_plan_read_one_version() {
    let (table, latest) = table();
    let provider = RegisteredProvider::new(latest);
    provider.schema();
    let first = run(provider.version()).unwrap();
    grow(&table, 2);
    assert!(Arc::ptr_eq(&run(provider.version()).unwrap(), &first));
    // The next planning asks anew.
    provider.schema();
    assert_eq!(run(provider.version()).unwrap().version(), 2);
}

#[test]
fn a_table_that_is_gone_is_told_to_whoever_reads_it() {
    let (table, latest) = table();
    table.clear();
    let query = Arc::new(QueryVersions::default());
    query.enter();
    let provider = RegisteredProvider::new(Arc::clone(&latest));
    let schema = provider.schema();
    let failed = run(provider.version()).unwrap_err().to_string();
    QueryVersions::leave();
    assert_eq!(&schema, latest.seen().schema());
    assert!(failed.contains(table.url().as_str()), "{failed}");
    let told = query.take_failure().map(|error| error.to_string());
    assert_eq!(told, Some(failed));
}

#[test]
fn a_table_that_was_made_anew_is_read_anew() {
    let (table, latest) = table();
    grow(&table, 2);
    let frame = kept(&latest, "select a from t");
    assert_eq!(found(&frame).len(), 4);
    table.clear();
    let fields = [field("a", "long"), field("b", "long")];
    table.commit(
        0,
        &[
            crate::test_tables::protocol(&[]),
            metadata(&fields, &[], json!({})),
        ],
    );
    assert_eq!(found(&frame), Vec::<String>::new());
    assert_eq!(latest.seen().version(), 0);
}

#[test]
fn what_was_seen_never_goes_back() {
    let (table, latest) = table();
    let looks = 4;
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| (2..30).for_each(|version| grow(&table, version)));
        for _ in 0..looks {
            threads.spawn(|| {
                let mut before = 0;
                while before < 29 {
                    let version = run(latest.look()).unwrap().version();
                    assert!(version >= before);
                    before = version;
                }
            });
        }
        writer.join().unwrap();
    });
    assert_eq!(latest.seen().version(), 29);
}

#[test]
fn statistics_are_those_of_another_version_perhaps() {
    let (_table, latest) = table();
    let statistics = RegisteredProvider::new(latest).statistics().unwrap();
    assert_ne!(statistics.num_rows.is_exact(), Some(true));
}
