//! Tests of opening, refreshing and sharing snapshots.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use deltalake_core::protocol::checkpoints::create_checkpoint;
use dfd_runtime::Location;
use object_store::path::Path;
use serde_json::{Value, json};

use crate::error::Error;
use crate::scan::provider::DeltaTableProvider;
use crate::snapshot::{At, TableSnapshot, cache};
use crate::test_tables::{
    Add, TestTable, cache_of_ones_own, field, longs, mapped, metadata, mixed, protocol, queried,
    remove, rows, run, sorted,
};

fn ids() -> TestTable {
    TestTable::new(&[field("id", "long")], &[])
}

/// A file of these ids, for the log alone.
fn of_ids(path: &str, least: i64, greatest: i64) -> Value {
    let stats = json!({
        "numRecords": greatest - least + 1,
        "minValues": {"id": least},
        "maxValues": {"id": greatest},
        "nullCount": {"id": 0},
    });
    Add::new(path, 100).stats(stats).action()
}

/// Where the files are, under the table's root.
fn active_files(snapshot: &TableSnapshot) -> String {
    serde_json::to_string(&snapshot.active_files().unwrap().files).unwrap()
}

fn names(table: &TestTable, snapshot: &TableSnapshot) -> Vec<String> {
    let root = format!("{}/", Path::from_url_path(table.url().path()).unwrap());
    let paths = snapshot.files().iter().map(|file| {
        let path = file.scanned.object_meta.location.to_string();
        path.strip_prefix(&root).unwrap().to_owned()
    });
    let mut names: Vec<_> = paths.collect();
    names.sort();
    names
}

#[test]
fn the_newest_a_version_and_a_time() {
    let table = ids();
    table.commit(1, &[of_ids("a", 1, 2)]);
    table.commit(2, &[remove("a"), of_ids("b", 3, 4), of_ids("c", 5, 5)]);
    for (version, seconds) in [(0, 1000), (1, 2000), (2, 3000)] {
        table.date(version, seconds);
    }
    let newest = table.open();
    assert_eq!(
        (newest.version(), names(&table, &newest)),
        (2, vec!["b".into(), "c".into()])
    );
    let earlier = table.try_open(At::Version(1)).unwrap();
    assert_eq!(
        (earlier.version(), names(&table, &earlier)),
        (1, vec!["a".to_owned()])
    );
    assert!(table.try_open(At::Version(0)).unwrap().files().is_empty());
    for (seconds, version) in [(1000, 0), (1999, 0), (2000, 1), (2500, 1), (9000, 2)] {
        let time: DateTime<Utc> = DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(table.try_open(At::Time(time)).unwrap().version(), version);
    }
}

#[test]
fn what_is_not_there_is_an_error_with_the_place() {
    let table = ids();
    let url = table.url();
    for version in [3, 1 << 63, u64::MAX] {
        let missing = table.try_open(At::Version(version)).unwrap_err();
        let expected = format!("the Delta table at {url} has no version {version}");
        assert_eq!(missing.to_string(), expected);
    }
    let expected = format!("the Delta table at {url} can't be read: ");
    table.clear();
    for at in [At::Newest, At::Version(0)] {
        let gone = table.try_open(at).unwrap_err();
        assert!(gone.to_string().starts_with(&expected), "{gone}");
        assert!(matches!(gone, Error::Table { .. }));
    }
}

#[test]
fn a_snapshot_is_brought_up_to_date_by_the_commits_since() {
    let table = ids();
    table.commit(1, &[of_ids("a", 1, 2)]);
    let first = table.open();
    assert!(run(first.refreshed()).unwrap().is_none());
    table.commit(2, &[of_ids("b", 3, 4)]);
    table.commit(3, &[remove("a")]);
    let newer = run(first.refreshed()).unwrap().unwrap();
    assert_eq!(
        (newer.version(), names(&table, &newer)),
        (3, vec!["b".to_owned()])
    );
    // The one that was there stays what it was.
    assert_eq!(
        (first.version(), names(&table, &first)),
        (1, vec!["a".to_owned()])
    );
    assert!(run(newer.refreshed()).unwrap().is_none());
}

#[test]
fn snapshots_are_shared_until_a_newer_takes_their_place() {
    let _alone = cache_of_ones_own();
    let table = ids();
    let before = cache::snapshot_stats();
    let first = table.open();
    assert!(Arc::ptr_eq(&first, &table.open()));
    assert!(Arc::ptr_eq(
        &first,
        &table.try_open(At::Version(0)).unwrap()
    ));
    let after = cache::snapshot_stats();
    assert!(after.hits >= before.hits + 2 && after.misses > before.misses);
    // By other options it is another table.
    let options = HashMap::from([("max_retries".to_owned(), "1".to_owned())]);
    let elsewhere = Location::try_new(table.url().as_str(), &options, None).unwrap();
    assert!(cache::find(&elsewhere, None).is_none());
    table.commit(1, &[of_ids("a", 1, 2)]);
    let second = table.open();
    assert_eq!(second.version(), 1);
    assert!(cache::find(&table.location(), Some(0)).is_none());
    // A version that somebody reads again stands beside the newest.
    let again = table.try_open(At::Version(0)).unwrap();
    assert!(!Arc::ptr_eq(&first, &again));
    let found = cache::find(&table.location(), None).unwrap();
    assert!(Arc::ptr_eq(&found, &second));
    // Times are always looked up, and what they lead to is shared.
    let now = At::Time(Utc::now());
    assert!(Arc::ptr_eq(&table.try_open(now).unwrap(), &second));
}

#[test]
fn a_table_is_forgotten_alone() {
    let _alone = cache_of_ones_own();
    let (used, other) = (ids(), ids());
    let _kept = [used.open(), other.open()];
    cache::forget(&other.location());
    assert!(cache::find(&other.location(), None).is_none());
    assert!(cache::find(&used.location(), None).is_some());
}

#[test]
fn a_table_made_anew_under_one_name_is_read_anew() {
    let table = ids();
    table.commit(1, &[of_ids("old", 1, 2)]);
    let old = table.open();
    let old_zero = table.try_open(At::Version(0)).unwrap();
    table.clear();
    let texts = [field("name", "string")];
    table.commit(0, &[protocol(&[]), metadata(&texts, &[], json!({}))]);
    table.commit(1, &[Add::new("new", 100).action()]);
    let new = table.try_open(At::Version(0)).unwrap();
    assert_eq!(new.schema().field(0).name(), "name");
    assert_eq!(old_zero.schema().field(0).name(), "id");
    let new = run(old.refreshed()).unwrap().unwrap();
    assert_eq!(
        (new.version(), names(&table, &new)),
        (1, vec!["new".to_owned()])
    );
    assert_eq!(new.schema().field(0).name(), "name");
    // One that is shorter too.
    table.clear();
    table.commit(0, &[protocol(&[]), metadata(&texts, &[], json!({}))]);
    assert_eq!(run(new.refreshed()).unwrap().unwrap().version(), 0);
    assert_eq!(table.open().version(), 0);
}

#[test]
fn a_checkpoint_stands_for_commits_that_were_cleaned_up() {
    let table = ids();
    table.commit(1, &[of_ids("a", 1, 2)]);
    let before = table.open();
    run(create_checkpoint(before.table(), None)).unwrap();
    cache::forget(&table.location());
    for version in [0, 1] {
        fs::remove_file(table.commit_path(version)).unwrap();
    }
    let snapshot = table.open();
    assert_eq!(
        (snapshot.version(), names(&table, &snapshot)),
        (1, vec!["a".to_owned()])
    );
    assert!(snapshot.has_no_commit() && !before.has_no_commit());
    assert!(run(snapshot.refreshed()).unwrap().is_none());
    table.commit(2, &[of_ids("b", 3, 4)]);
    let newer = run(snapshot.refreshed()).unwrap().unwrap();
    assert_eq!(names(&table, &newer), ["a", "b"]);
    assert_eq!(newer.file_set().statistics().num_rows, Precision::Exact(4));
    assert!(!newer.has_no_commit());
}

#[test]
fn a_number_leads_to_a_snapshot_while_anybody_uses_it() {
    let table = ids();
    let snapshot = table.open();
    let number = snapshot.instance();
    assert!(Arc::ptr_eq(
        &TableSnapshot::alive(number).unwrap(),
        &snapshot
    ));
    cache::forget(&table.location());
    drop(snapshot);
    assert!(TableSnapshot::alive(number).is_none());
    assert_ne!(table.open().instance(), number);
}

#[test]
fn features_that_are_not_honoured_are_refused_by_name() {
    let of = |feature: &str| {
        let metadata = metadata(&[field("id", "long")], &[], json!({}));
        let table = TestTable::of(&[protocol(&[feature]), metadata]);
        let opened = table.try_open(At::Newest).map(|_| ());
        (table.url(), opened.map_err(|error| error.to_string()))
    };
    for honoured in [
        "deletionVectors",
        "timestampNtz",
        "v2Checkpoint",
        "vacuumProtocolCheck",
        "variantType",
        "variantType-preview",
    ] {
        assert_eq!(of(honoured).1, Ok(()), "{honoured}");
    }
    let (url, refused) = of("typeWidening");
    let expected = format!(
        "the Delta table at {url} can't be read: the reader feature typeWidening isn't supported"
    );
    assert_eq!(refused, Err(expected));
    // What the kernel doesn't know either.
    for unknown in ["checkpointProtection", "notYetInvented"] {
        assert!(of(unknown).1.unwrap_err().contains(unknown), "{unknown}");
    }
}

#[test]
fn binary_partition_values_are_the_bytes_of_their_text() {
    let fields = [field("id", "long"), field("key", "binary")];
    let table = TestTable::new(&fields, &["key"]);
    let values = [Some("a"), Some("ü\u{1}"), None];
    let adds = values.iter().zip(1..).map(|(value, id)| {
        let add = table.write(&format!("{id}"), &rows([("id", longs([id]))]));
        add.partition("key", *value).action()
    });
    table.commit(1, &adds.collect::<Vec<_>>());
    let provider = Arc::new(DeltaTableProvider::opaque(table.open()));
    let query = "select id, encode(key, 'hex') from t";
    let found = run(queried(provider.clone(), query));
    assert_eq!(sorted(&found), ["1|61", "2|c3bc01", "3|"]);
    let one = run(queried(provider, "select id from t where key = X'c3bc01'"));
    assert_eq!(sorted(&one), ["2"]);
}

#[test]
fn the_statistics_of_all_files_are_summed() {
    let table = TestTable::new(&[field("id", "long"), field("p", "long")], &["p"]);
    let add = |path: &str, p: Option<&str>, [least, greatest, nulls, rows]: [i64; 4]| {
        let stats = json!({
            "numRecords": rows,
            "minValues": {"id": least},
            "maxValues": {"id": greatest},
            "nullCount": {"id": nulls},
        });
        Add::new(path, 100).partition("p", p).stats(stats).action()
    };
    table.commit(
        1,
        &[
            add("a", Some("7"), [5, 9, 1, 10]),
            add("b", None, [-3, 6, 0, 4]),
        ],
    );
    let exact = |value: i64| Precision::Exact(ScalarValue::Int64(Some(value)));
    let snapshot = table.open();
    let whole = snapshot.file_set().statistics();
    assert_eq!(whole.num_rows, Precision::Exact(14));
    assert_eq!(whole.total_byte_size, Precision::Inexact(200));
    let [id, p] = [0, 1].map(|place| &whole.column_statistics[place]);
    assert_eq!((&id.min_value, &id.max_value), (&exact(-3), &exact(9)));
    assert_eq!(id.null_count, Precision::Exact(1));
    assert_eq!(p.null_count, Precision::Exact(4));
    // A file without statistics may hold anything.
    table.commit(2, &[Add::new("c", 50).partition("p", Some("1")).action()]);
    let snapshot = run(snapshot.refreshed()).unwrap().unwrap();
    let whole = snapshot.file_set().statistics();
    assert_eq!(whole.num_rows, Precision::Absent);
    assert_eq!(whole.total_byte_size, Precision::Inexact(250));
    assert_eq!(whole.column_statistics[0].min_value, Precision::Absent);
    assert_eq!(whole.column_statistics[0].null_count, Precision::Absent);
    assert!(snapshot.bytes() > 3 * 100);
}

#[test]
fn active_files_are_as_the_log_has_them() {
    let fields = [
        field("id", "long"),
        field("z", "string"),
        field("a", "string"),
    ];
    let features = ["deletionVectors"];
    let table = TestTable::of(&[
        protocol(&features),
        metadata(&fields, &["z", "a"], json!({})),
    ]);
    let plain = Add::new("a b.parquet", 8)
        .partition("a", None)
        .partition("z", Some(""));
    table.commit(1, &[plain.action()]);
    assert_eq!(
        active_files(&table.open()),
        r#"[{"path":"a b.parquet","partitionValues":{"z":"","a":null},"size":8,"modificationTime":1600000000000}]"#
    );
    let add = Add::new("z=1%2520/a=%C3%A9/f.parquet", 7)
        .partition("a", Some("é"))
        .partition("z", Some("1%20"))
        .stats(json!({"numRecords": 9}))
        .with("tags", json!({"k": "v"}))
        .with("baseRowId", 5)
        .with("defaultRowCommitVersion", 1)
        .with("clusteringProvider", "liquid")
        .deleted(&[1, 3]);
    let vector = add.get("deletionVector").clone();
    table.commit(2, &[remove("a b.parquet"), add.action()]);
    let text = active_files(&table.open());
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        found,
        json!([{
            "path": "z=1%2520/a=%C3%A9/f.parquet",
            "partitionValues": {"z": "1%20", "a": "é"},
            "size": 7,
            "modificationTime": 1_600_000_000_000_i64,
            "deletionVector": vector,
            "tags": {"k": "v"},
            "baseRowId": 5,
            "defaultRowCommitVersion": 1,
            "clusteringProvider": "liquid",
        }])
    );
    // In the order of the partition columns, which isn't that of the letters.
    assert!(
        text.contains(r#""partitionValues":{"z":"1%20","a":"é"}"#),
        "{text}"
    );
}

#[test]
fn physical_names_are_those_of_the_partition_values_of_active_files() {
    let fields = [mapped("id", "long", 1, "c1"), mapped("p", "long", 2, "c2")];
    let mode = json!({"delta.columnMapping.mode": "name"});
    let table = TestTable::of(&[
        protocol(&["columnMapping"]),
        metadata(&fields, &["p"], mode),
    ]);
    let stats = json!({"numRecords": 2, "minValues": {"c1": 3}, "maxValues": {"c1": 4}});
    let add = Add::new("f", 1).partition("c2", Some("6")).stats(stats);
    table.commit(1, &[add.action()]);
    let snapshot = table.open();
    let text = active_files(&snapshot);
    assert!(text.contains(r#""partitionValues":{"c2":"6"}"#), "{text}");
    let file = &snapshot.files()[0];
    assert_eq!(file.scanned.partition_values, [ScalarValue::Int64(Some(6))]);
    let id = &file.statistics.column_statistics[0];
    assert_eq!(id.min_value, Precision::Exact(ScalarValue::Int64(Some(3))));
}

#[test]
fn paths_are_places_in_the_store() {
    let table = ids();
    table.commit(1, &[of_ids("a%20b", 1, 1), of_ids("c", 2, 2)]);
    table.commit(2, &[remove("c")]);
    let snapshot = table.open();
    let root = Path::from_url_path(table.url().path()).unwrap();
    let paths = snapshot.paths().unwrap();
    assert_eq!(paths, [root.clone().join("a b")].into());
    let removed = run(snapshot.removed_paths()).unwrap();
    assert_eq!(removed, [root.join("c")].into());
}

#[test]
fn a_file_that_no_scan_can_be_made_of_is_told_by_its_path() {
    let refused = |add: Add| {
        let table = ids();
        table.commit(1, &[add.action()]);
        let error = table.try_open(At::Newest).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        let of_table = format!(" of the Delta table at {}", table.url());
        error.to_string().replacen(&of_table, "", 1)
    };
    let elsewhere = Add::new("s3://bucket/f", 1);
    assert_eq!(
        refused(elsewhere),
        "the file s3://bucket/f can't be read: it lies in another store than the table"
    );
    let climbing = refused(Add::new("a/%2E%2E/f", 1));
    assert!(
        climbing.starts_with("the file a/../f can't be read: "),
        "{climbing}"
    );
}

#[test]
fn a_snapshot_shows_its_place_and_version() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let location = format!("Location({:?})", table.url().as_str());
    assert_eq!(
        format!("{snapshot:?}"),
        format!("TableSnapshot {{ location: {location}, version: 1, .. }}")
    );
}
