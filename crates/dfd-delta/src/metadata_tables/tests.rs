//! Tests of what a log says beside the rows.

use super::*;
use crate::test_tables::{
    Add, TestTable, cache_of_ones_own, field, lines, metadata, mixed, protocol, queried, remove,
    run,
};
use datafusion::catalog::TableProvider;
use serde_json::json;

fn all(table: OpaqueTable, query: &str) -> Vec<String> {
    lines(&run(queried(Arc::new(table), query)))
}

/// A log of four versions: the second has no commit information, the third not all of it.
fn table_with_history() -> TestTable {
    let table = TestTable::of(&[
        json!({"commitInfo": {
            "timestamp": 1_600_000_000_123_i64,
            "operation": "CREATE TABLE",
            "operationParameters": {"mode": "ErrorIfExists"},
            "engineInfo": "by hand",
            "userName": "ann",
            "userMetadata": "the first",
            "isBlindAppend": true,
        }}),
        protocol(&[]),
        metadata(&[field("id", "long")], &[], json!({})),
    ]);
    table.commit(1, &[Add::new("a", 1).action()]);
    table.commit(
        2,
        &[
            Add::new("b", 1).action(),
            json!({"commitInfo": {"operation": "WRITE", "readVersion": 1, "isBlindAppend": false, "timestamp": "soon"}}),
        ],
    );
    table.commit(3, &[json!({"commitInfo": {"operation": "later"}})]);
    for version in 0..4 {
        table.date(version, 1_700_000_000 + version);
    }
    table
}

#[test]
fn history_is_newest_first_with_nulls_for_what_a_commit_does_not_say_and_the_time_of_its_file() {
    let table = table_with_history();
    let log = table.path("_delta_log");
    // None of these is a commit.
    for other in [
        "_last_checkpoint",
        "00000000000000000001.crc",
        "1.json",
        "x.json",
        "_staged/00000000000000000001.txt",
    ] {
        let path = log.join(other);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{}").unwrap();
    }
    let snapshot = table.try_open(crate::At::Version(2)).unwrap();
    let history = || run(history(&snapshot)).unwrap();
    let names: Vec<_> = history().schema_names();
    assert_eq!(
        names,
        [
            "version",
            "timestamp",
            "operation",
            "operation_parameters",
            "read_version",
            "is_blind_append",
            "engine_info",
            "user_name",
            "user_metadata",
            "commit_info"
        ]
    );
    assert_eq!(
        all(
            history(),
            "select version, timestamp, operation, operation_parameters, read_version, is_blind_append, engine_info, user_name, user_metadata from t"
        ),
        [
            "2|2023-11-14T22:13:22Z|WRITE||1|false|||",
            "1|2023-11-14T22:13:21Z|||||||",
            r#"0|2020-09-13T12:26:40.123Z|CREATE TABLE|{"mode":"ErrorIfExists"}||true|by hand|ann|the first"#,
        ]
    );
    let infos = all(history(), "select commit_info from t");
    let parsed: Vec<Value> = infos
        .iter()
        .map(|text| serde_json::from_str(text).unwrap_or_default())
        .collect();
    assert_eq!(parsed[0]["operation"], "WRITE");
    assert_eq!(infos[1], "");
    assert_eq!(parsed[2]["userName"], "ann");
}

#[test]
fn history_begins_where_the_log_does() {
    let table = table_with_history();
    let snapshot = table.open();
    std::fs::remove_file(table.commit_path(0)).unwrap();
    std::fs::remove_file(table.commit_path(1)).unwrap();
    let history = run(history(&snapshot)).unwrap();
    assert_eq!(
        all(history, "select version, operation from t"),
        ["3|later", "2|WRITE"]
    );
}

#[test]
fn commit_information_may_stand_anywhere_in_a_commit() {
    let of = |text: &str| commit_info(text.as_bytes());
    assert_eq!(of(""), Value::Null);
    assert_eq!(
        of("{\"add\":{}}\n{\"commitInfo\":{\"a\":1}}\n"),
        json!({"a": 1})
    );
    assert_eq!(
        of("{\"commitInfo\":{\"a\":1}}{\"commitInfo\":{\"a\":2}}"),
        json!({"a": 1})
    );
    assert_eq!(of("{\"add\":{}}\nnot JSON"), Value::Null);
}

#[test]
fn files_are_those_of_the_version() {
    let fields = [
        field("id", "long"),
        field("q", "string"),
        field("p", "string"),
    ];
    let features = ["deletionVectors"];
    let table = TestTable::of(&[
        protocol(&features),
        metadata(&fields, &["q", "p"], json!({})),
    ]);
    let add = |path: &str| {
        let add = Add::new(path, 7);
        add.partition("q", Some("x")).partition("p", None)
    };
    table.commit(1, &[add("gone").action(), add("a%20b").action()]);
    let stats = json!({"numRecords": 5});
    table.commit(
        2,
        &[
            remove("gone"),
            add("cut").stats(stats).deleted(&[0, 4]).action(),
        ],
    );
    let files = files(&table.open()).unwrap();
    assert_eq!(
        files.schema_names(),
        [
            "path",
            "size_bytes",
            "modified",
            "num_records",
            "deleted_records",
            "partition_values",
            "stats"
        ]
    );
    let said = r#"2020-09-13T12:26:40Z"#;
    let values = r#"{"p":null,"q":"x"}"#;
    assert_eq!(
        all(files, "select * from t order by path"),
        [
            format!("a b|7|{said}||0|{values}|"),
            format!(r#"cut|7|{said}|5|2|{values}|{{"numRecords":5}}"#),
        ]
    );
}

#[test]
fn caches_are_those_of_the_process() {
    let _alone = cache_of_ones_own();
    let (table, _) = mixed();
    let snapshot = table.open();
    assert!(Arc::ptr_eq(&snapshot, &table.open()));
    let caches = caches().unwrap();
    assert_eq!(
        caches.schema_names(),
        ["cache", "hits", "misses", "evictions", "entries", "bytes"]
    );
    assert_eq!(
        all(caches, "select cache from t order by cache"),
        ["file_statistics", "list_files", "parquet_meta", "snapshot"]
    );
    let (name, stats) = cache_stats()[0];
    assert_eq!(name, "snapshot");
    assert!(stats.hits >= 1 && stats.misses >= 1 && stats.entries >= 1);
    assert!(stats.bytes >= snapshot.bytes());
}

#[test]
fn tables_of_metadata_say_what_they_are() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let name = |table: OpaqueTable| {
        let session = datafusion::prelude::SessionContext::new().state();
        let plan = run(table.scan(&session, None, &[], None)).unwrap();
        plan.name().to_owned()
    };
    let url = table.url();
    let history = run(history(&snapshot)).unwrap();
    assert_eq!(name(history), format!("DeltaHistory: {url}"));
    assert_eq!(
        name(files(&snapshot).unwrap()),
        format!("DeltaFiles: {url}")
    );
    assert_eq!(name(caches().unwrap()), "CacheStats");
}

trait Names {
    fn schema_names(&self) -> Vec<String>;
}

impl Names for OpaqueTable {
    fn schema_names(&self) -> Vec<String> {
        let schema = self.schema();
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }
}
