//! Tests of change feeds, on logs written by hand.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::catalog::TableProvider;
use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::{Value, json};

use crate::change_feed::ChangeFeed;
use crate::error::Error;
use crate::scan::provider::DeltaTableProvider;
use crate::test_tables::{
    Add, TestTable, field, lines, longs, mapped, metadata, protocol, queried, queried_in, rows,
    run, sorted, texts,
};

const ALL: &str = "select * from t";

fn kept() -> Value {
    json!({"delta.enableChangeDataFeed": "true"})
}

/// A table of `id` that keeps change data.
fn of_ids() -> TestTable {
    let fields = [field("id", "long")];
    let features = ["deletionVectors"];
    TestTable::of(&[protocol(&features), metadata(&fields, &[], kept())])
}

fn ids(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    rows([("id", longs(values))])
}

/// Rows of a change data file of `id`.
fn changed(values: &[(i64, &str)]) -> RecordBatch {
    let kinds = texts(values.iter().map(|(_, kind)| Some(*kind)));
    let ids = longs(values.iter().map(|(id, _)| *id));
    rows([("id", ids), ("_change_type", kinds)])
}

/// The remove action of an added file, as writers leave it.
fn removed(add: &Add) -> Value {
    let mut remove = json!({
        "path": add.get("path"),
        "partitionValues": add.get("partitionValues"),
        "size": add.get("size"),
        "dataChange": true,
        "deletionTimestamp": 1,
        "extendedFileMetadata": true,
    });
    for key in ["deletionVector", "stats"] {
        if !add.get(key).is_null() {
            remove[key] = add.get(key).clone();
        }
    }
    json!({ "remove": remove })
}

fn cdc(add: &Add) -> Value {
    json!({"cdc": {
        "path": add.get("path"),
        "partitionValues": add.get("partitionValues"),
        "size": add.get("size"),
        "dataChange": false,
    }})
}

fn changes(table: &TestTable, first: u64, last: Option<u64>) -> Result<Arc<ChangeFeed>, Error> {
    run(table.open().changes(first, last))
}

/// The rows that a query of the feed gives, in a foreign session and in one of dfd's own.
fn found(feed: &Arc<ChangeFeed>, query: &str) -> Vec<String> {
    let opaque = DeltaTableProvider::opaque(Arc::clone(feed));
    let opaque = sorted(&run(queried(Arc::new(opaque), query)));
    let session = dfd_runtime::session(SessionConfig::new().with_target_partitions(2));
    let native = DeltaTableProvider::native(Arc::clone(feed));
    for table in native.with_views().into_iter().chain([native]) {
        let native = run(queried_in(&session, Arc::new(table), query));
        assert_eq!(sorted(&native), opaque);
    }
    opaque
}

fn told(table: &TestTable, first: u64, last: Option<u64>) -> Vec<String> {
    let query = "select id, _change_type, _commit_version from t";
    found(&changes(table, first, last).unwrap(), query)
}

fn refused(table: &TestTable, first: u64, last: Option<u64>) -> String {
    let error = changes(table, first, last).unwrap_err().to_string();
    let start = format!(
        "the change feed of the Delta table at {} can't be read: ",
        table.url()
    );
    error.strip_prefix(&start).unwrap_or(&error).to_owned()
}

#[test]
fn a_commit_with_change_data_files_has_its_changes_there_and_any_other_in_its_files() {
    let table = of_ids();
    let first = table.write("1", &ids([1, 2, 3]));
    let remove = removed(&first);
    table.commit(1, &[first.action()]);
    let second = table.write("2", &ids([1, 20, 3]));
    let written = table.write(
        "_change_data/c",
        &changed(&[(2, "update_preimage"), (20, "update_postimage")]),
    );
    let remove_second = removed(&second);
    table.commit(2, &[remove, second.action(), cdc(&written)]);
    table.commit(3, &[remove_second]);
    // Files that are written anew change no rows.
    let again = table.write("3", &ids([1, 2, 3])).with("dataChange", false);
    table.commit(4, &[again.action()]);
    assert_eq!(
        told(&table, 0, None),
        [
            "1|delete|3",
            "1|insert|1",
            "20|delete|3",
            "20|update_postimage|2",
            "2|insert|1",
            "2|update_preimage|2",
            "3|delete|3",
            "3|insert|1",
        ]
    );
    assert_eq!(
        told(&table, 2, Some(2)),
        ["20|update_postimage|2", "2|update_preimage|2"]
    );
    assert_eq!(
        told(&table, 1, Some(1)),
        ["1|insert|1", "2|insert|1", "3|insert|1"]
    );
    assert!(told(&table, 4, None).is_empty());
    // Later versions than there are: as far as it goes.
    assert_eq!(told(&table, 3, Some(99)).len(), 3);
}

#[test]
fn of_a_file_that_stays_the_rows_of_the_difference_changed() {
    let table = of_ids();
    let file = |deleted: &[u16], stats: bool| {
        let add = table.added("f");
        let add = if deleted.is_empty() {
            add
        } else {
            add.deleted(deleted)
        };
        if stats {
            add.stats(json!({"numRecords": 5}))
        } else {
            add
        }
    };
    table.write("f", &ids([0, 1, 2, 3, 4]));
    let states: [&[u16]; 7] = [
        &[],
        &[0, 2],
        &[2, 4],
        &[],
        &[0, 1, 2, 3],
        &[0, 1, 2, 3],
        &[1],
    ];
    table.commit(1, &[file(states[0], true).action()]);
    for (version, pair) in (2..).zip(states.windows(2)) {
        let actions = [removed(&file(pair[0], false)), file(pair[1], true).action()];
        table.commit(version, &actions);
    }
    let expected: [&[&str]; 7] = [
        &[
            "0|insert|1",
            "1|insert|1",
            "2|insert|1",
            "3|insert|1",
            "4|insert|1",
        ],
        &["0|delete|2", "2|delete|2"],
        &["0|insert|3", "4|delete|3"],
        &["2|insert|4", "4|insert|4"],
        &["0|delete|5", "1|delete|5", "2|delete|5", "3|delete|5"],
        &[],
        &["0|insert|7", "2|insert|7", "3|insert|7"],
    ];
    for (version, expected) in (1..).zip(expected) {
        assert_eq!(told(&table, version, Some(version)), expected);
    }
    // One that goes takes the rows that were left; how many are stored, its footer says.
    table.commit(8, &[removed(&file(states[6], false))]);
    assert_eq!(
        told(&table, 8, None),
        ["0|delete|8", "2|delete|8", "3|delete|8", "4|delete|8"]
    );
    let feed = changes(&table, 2, Some(2)).unwrap();
    let rows = DeltaTableProvider::opaque(feed)
        .statistics()
        .unwrap()
        .num_rows;
    assert_eq!(rows, Precision::Exact(2));
}

#[test]
fn a_deletion_vector_that_does_not_fit_its_file_is_refused() {
    let table = of_ids();
    let add = table.write("f", &ids([0, 1])).deleted(&[7]);
    let add = add.stats(json!({"numRecords": 2}));
    let remove = removed(&add);
    table.commit(1, &[add.action()]);
    // A snapshot that has the file is refused itself.
    table.commit(2, &[remove]);
    assert_eq!(
        refused(&table, 1, None),
        "the deletion vector of the file f in version 1 can't be read: it has rows beyond the 2 of the file"
    );
}

#[test]
fn a_merge_that_changed_nothing_changed_nothing() {
    let table = of_ids();
    let info = |rows: &str| {
        json!({"commitInfo": {"operation": "MERGE", "operationMetrics": {
            "numTargetRowsInserted": "0", "numTargetRowsUpdated": rows, "numTargetRowsDeleted": "0",
        }}})
    };
    table.commit(1, &[info("0"), table.write("1", &ids([1])).action()]);
    table.commit(2, &[info("1"), table.write("2", &ids([2])).action()]);
    assert_eq!(told(&table, 1, None), ["2|insert|2"]);
}

#[test]
fn every_version_of_the_range_must_have_kept_its_changes() {
    let fields = [field("id", "long")];
    let with = |value: &str| metadata(&fields, &[], json!({"delta.enableChangeDataFeed": value}));
    let table = TestTable::new(&fields, &[]);
    table.commit(1, &[Add::new("never", 1).action()]);
    table.commit(2, &[with("True")]);
    table.commit(3, &[table.write("3", &ids([3])).action()]);
    table.commit(4, &[with("false")]);
    table.commit(5, &[Add::new("unkept", 1).action()]);
    table.commit(6, &[with("true")]);
    let unkept = |version: u64| {
        format!(
            "delta.enableChangeDataFeed isn't true at version {version}, so its change data wasn't kept; ask for versions at which it is"
        )
    };
    assert_eq!(refused(&table, 0, None), unkept(0));
    assert_eq!(refused(&table, 1, Some(3)), unkept(1));
    assert_eq!(refused(&table, 2, Some(6)), unkept(4));
    assert_eq!(refused(&table, 5, None), unkept(5));
    assert_eq!(told(&table, 2, Some(3)), ["3|insert|3"]);
    assert!(told(&table, 6, None).is_empty());
}

#[test]
fn a_range_lies_within_the_log() {
    let table = of_ids();
    table.commit(1, &[]);
    assert_eq!(
        refused(&table, 2, None),
        "it is asked for from version 2, and the newest is version 1"
    );
    assert_eq!(
        refused(&table, 1, Some(0)),
        "it is asked for from version 1 to version 0, which comes before"
    );
    std::fs::write(table.commit_path(1), "{\"add\": 1}\n").unwrap();
    let error = run(ChangeFeed::open(table.location(), 0, 1))
        .unwrap_err()
        .to_string();
    assert!(error.contains("version 1"), "{error}");
}

#[test]
fn rows_are_read_under_the_schema_of_the_last_version() {
    let (id, name) = (field("id", "long"), field("name", "string"));
    let table = TestTable::of(&[
        protocol(&[]),
        metadata(std::slice::from_ref(&id), &[], kept()),
    ]);
    table.commit(1, &[table.write("1", &ids([1])).action()]);
    table.commit(2, &[metadata(&[id.clone(), name], &[], kept())]);
    let second = rows([("id", longs([2])), ("name", texts([Some("b")]))]);
    table.commit(3, &[table.write("3", &second).action()]);
    let query = "select id, name from t";
    assert_eq!(
        found(&changes(&table, 0, None).unwrap(), query),
        ["1|", "2|b"]
    );
    assert_eq!(
        changes(&table, 0, Some(1)).unwrap().schema().fields().len(),
        4
    );
    table.commit(4, &[metadata(std::slice::from_ref(&id), &[], kept())]);
    let expected = "they are read under the schema of version 4, which doesn't fit version 2: the column name was dropped or renamed; ask for the versions before and after that change in turn";
    assert_eq!(refused(&table, 1, None), expected);
    assert_eq!(told(&table, 4, None), [""; 0]);
    table.commit(5, &[metadata(&[field("id", "string")], &[], kept())]);
    assert!(refused(&table, 4, None).contains("version 4: id was long there, and is string later"));
    table.commit(
        6,
        &[metadata(&[field("_commit_VERSION", "long")], &[], kept())],
    );
    assert_eq!(
        refused(&table, 6, None),
        "the table has a column _commit_VERSION, and so has every change feed; rename it"
    );
}

#[test]
fn what_a_scan_does_not_honour_is_refused_by_name() {
    let table = of_ids();
    table.commit(1, &[protocol(&["deletionVectors", "typeWidening"])]);
    table.commit(2, &[protocol(&["deletionVectors"])]);
    assert!(refused(&table, 0, None).contains("typeWidening"));
    assert!(told(&table, 2, None).is_empty());
}

#[test]
fn partition_values_are_those_of_every_kind_of_file() {
    let fields = [
        field("id", "long"),
        field("p", "string"),
        field("day", "date"),
    ];
    let table = TestTable::of(&[protocol(&[]), metadata(&fields, &["p", "day"], kept())]);
    let odd = "a b/c:d%#é";
    let names = "p=a%20b%2Fc%3Ad%25%23é";
    let of = |folder: &str, encoded: &str, data: &RecordBatch, p, day| {
        let add = table
            .write(&format!("{folder}/f"), data)
            .path(&format!("{encoded}/f"));
        add.partition("p", p).partition("day", day)
    };
    let encoded = names.replace('%', "%25");
    let first = of(names, &encoded, &ids([1]), Some(odd), Some("2020-02-29"));
    let remove = removed(&first);
    let second = of("p=", "p=", &ids([2]), Some(""), Some("1969-12-31"));
    let third = of("d", "d", &ids([3]), None, None);
    table.commit(1, &[first.action(), second.action(), third.action()]);
    let data = changed(&[(4, "update_postimage")]);
    let folder = format!("_change_data/{names}");
    let written = of(
        &folder,
        &format!("_change_data/{encoded}"),
        &data,
        Some(odd),
        None,
    );
    table.commit(2, &[cdc(&written)]);
    table.commit(3, &[remove]);
    let feed = changes(&table, 1, None).unwrap();
    let query = "select id, p, day, _change_type from t";
    assert_eq!(
        found(&feed, query),
        [
            format!("1|{odd}|2020-02-29|delete"),
            format!("1|{odd}|2020-02-29|insert"),
            "2||1969-12-31|insert".to_owned(),
            "3|||insert".to_owned(),
            format!("4|{odd}||update_postimage"),
        ]
    );
    assert_eq!(found(&feed, "select id from t where p is null"), ["2", "3"]);
    assert_eq!(
        found(
            &feed,
            &format!("select id from t where p = '{odd}' and id > 1")
        ),
        ["4"]
    );
    // Who removes a file must say of which partition it was.
    table.commit(4, &[crate::test_tables::remove("d/f")]);
    assert_eq!(
        refused(&table, 4, None),
        "version 4 removed the file d/f without naming its partition values; ask for later versions"
    );
}

#[test]
fn a_removed_file_need_not_tell_its_size() {
    let table = of_ids();
    table.commit(
        1,
        &[table.write("a%20b", &ids([1, 2])).path("a%2520b").action()],
    );
    table.commit(2, &[crate::test_tables::remove("a%2520b")]);
    assert_eq!(told(&table, 2, None), ["1|delete|2", "2|delete|2"]);
    std::fs::remove_file(table.path("a%20b")).unwrap();
    let error = changes(&table, 2, None).unwrap_err().to_string();
    assert!(
        error.contains("a%20b, which has rows that version 2 changed, is gone: VACUUM"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_gone_is_named_with_its_version() {
    let table = of_ids();
    table.commit(1, &[table.write("f", &ids([1])).action()]);
    let feed = changes(&table, 1, None).unwrap();
    assert_eq!(found(&feed, "select id from t"), ["1"]);
    std::fs::remove_file(table.path("f")).unwrap();
    let session = SessionContext::new();
    let table = DeltaTableProvider::opaque(Arc::clone(&feed));
    session.register_table("t", Arc::new(table)).unwrap();
    let error = run(async { session.sql(ALL).await.unwrap().collect().await }).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("f, which has rows that version 1 changed, is gone: VACUUM"),
        "{error}"
    );
}

#[test]
fn the_time_of_a_change_is_that_of_its_commit() {
    let fields = [field("id", "long")];
    let with = |more: &str| {
        metadata(
            &fields,
            &[],
            json!({"delta.enableChangeDataFeed": "true", more: "true"}),
        )
    };
    let table = TestTable::of(&[protocol(&[]), with("other")]);
    let insert = |version: i64| table.write(&version.to_string(), &ids([version])).action();
    // What the writer's clock said is no matter.
    table.commit(1, &[json!({"commitInfo": {"timestamp": 1}}), insert(1)]);
    table.commit(2, &[insert(2)]);
    let within = |time: i64| json!({"commitInfo": {"timestamp": 1, "inCommitTimestamp": time}});
    table.commit(
        3,
        &[
            within(1_600_000_000_123),
            with("delta.enableInCommitTimestamps"),
            insert(3),
        ],
    );
    for version in 0..4 {
        table.date(version, 1_700_000_000 + version);
    }
    let query = "select id, _commit_timestamp from t";
    assert_eq!(
        found(&changes(&table, 1, None).unwrap(), query),
        [
            "1|2023-11-14T22:13:21Z",
            "2|2023-11-14T22:13:22Z",
            "3|2020-09-13T12:26:40.123Z"
        ]
    );
    table.commit(4, &[insert(4)]);
    assert_eq!(
        refused(&table, 4, None),
        "in-commit timestamps are enabled, and the commit of version 4 has none"
    );
}

#[test]
fn columns_are_found_as_the_table_maps_them() {
    for mode in ["name", "id"] {
        let fields = [
            mapped("id", "long", 1, "c1"),
            mapped("p", "string", 2, "c2"),
        ];
        let mut configuration = kept();
        configuration["delta.columnMapping.mode"] = mode.into();
        let features = ["columnMapping"];
        let table = TestTable::of(&[
            protocol(&features),
            metadata(&fields, &["p"], configuration),
        ]);
        let with_id = |data: RecordBatch| {
            let stored = data.schema();
            let numbered = stored.fields().iter().map(|field| {
                let id = [("PARQUET:field_id".to_owned(), "1".to_owned())];
                let ids = if field.name() == "c1" {
                    id.into()
                } else {
                    Default::default()
                };
                field.as_ref().clone().with_metadata(ids)
            });
            let schema = arrow::datatypes::Schema::new(numbered.collect::<Vec<_>>());
            RecordBatch::try_new(Arc::new(schema), data.columns().to_vec()).unwrap()
        };
        let first = with_id(rows([("c1", longs([1, 2]))]));
        let first = table.write("f", &first).partition("c2", Some("x"));
        let kinds: ArrayRef = texts([Some("update_preimage"), Some("update_postimage")]);
        let second = with_id(rows([("c1", longs([2, 3])), ("_change_type", kinds)]));
        let second = table
            .write("_change_data/c", &second)
            .partition("c2", Some("x"));
        table.commit(1, &[first.action()]);
        table.commit(2, &[cdc(&second)]);
        let query = "select id, p, _change_type from t";
        assert_eq!(
            found(&changes(&table, 1, None).unwrap(), query),
            [
                "1|x|insert",
                "2|x|insert",
                "2|x|update_preimage",
                "3|x|update_postimage"
            ],
            "by {mode}"
        );
    }
}

#[test]
fn a_change_data_file_must_say_what_happened() {
    let table = of_ids();
    table.commit(1, &[cdc(&table.write("_change_data/c", &ids([1])))]);
    let session = SessionContext::new();
    let feed = DeltaTableProvider::opaque(changes(&table, 1, None).unwrap());
    session.register_table("t", Arc::new(feed)).unwrap();
    let error = run(async { session.sql(ALL).await.unwrap().collect().await }).unwrap_err();
    assert!(error.to_string().contains("_change_type"), "{error}");
}

/// The scan of a foreign session.
fn scan(feed: &Arc<ChangeFeed>, query: &str) -> Arc<dyn ExecutionPlan> {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    let table = DeltaTableProvider::opaque(Arc::clone(feed));
    session.register_table("t", Arc::new(table)).unwrap();
    let plan = run(async {
        session
            .sql(query)
            .await
            .unwrap()
            .create_physical_plan()
            .await
    });
    leaf(&plan.unwrap())
}

fn leaf(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => leaf(child),
        None => Arc::clone(plan),
    }
}

#[test]
fn files_are_skipped_by_what_is_known_of_their_changes() {
    let table = of_ids();
    for version in 1..=3 {
        let first = 10 * i64::try_from(version).unwrap();
        let stats =
            json!({"numRecords": 2, "minValues": {"id": first}, "maxValues": {"id": first + 1}});
        let add = table
            .write(&version.to_string(), &ids([first, first + 1]))
            .stats(stats);
        table.commit(version, &[add.action()]);
    }
    table.commit(
        4,
        &[cdc(
            &table.write("_change_data/c", &changed(&[(20, "delete")]))
        )],
    );
    let feed = changes(&table, 1, None).unwrap();
    let name = |query: &str| scan(&feed, query).name().to_owned();
    let start = "DeltaScanExec: changes=1 to 4, files=";
    assert_eq!(
        name("select id from t where _commit_version = 2"),
        format!("{start}1 of 4, columns=[id]")
    );
    assert_eq!(
        name("select _commit_version from t where id > 25"),
        format!("{start}2 of 4, columns=[_commit_version], filter=[id > Int64(25)]")
    );
    // The other file says in its rows what they are.
    assert_eq!(
        name("select id from t where _change_type = 'delete'"),
        format!("{start}1 of 4, columns=[id], filter=[_change_type = Utf8(\"delete\")]")
    );
    assert_eq!(
        found(&feed, "select id from t where _change_type = 'delete'"),
        ["20"]
    );
    assert_eq!(
        found(
            &feed,
            "select _commit_version, count(*) from t where _change_type in ('insert', 'delete') group by 1"
        ),
        ["1|2", "2|2", "3|2", "4|1"]
    );
    assert_eq!(
        found(
            &feed,
            "select max(_commit_version), min(_change_type) from t"
        ),
        ["4|delete"]
    );
    let opaque = Arc::new(DeltaTableProvider::opaque(feed));
    assert_eq!(
        sorted(&run(queried(opaque, "select id from t limit 3"))).len(),
        3
    );
}

#[test]
fn columns_of_a_change_alone_read_no_data() {
    let table = of_ids();
    let add = table
        .write("f", &ids(0..1000))
        .stats(json!({"numRecords": 1000}));
    table.commit(1, &[add.action()]);
    let feed = changes(&table, 1, None).unwrap();
    let plan = scan(&feed, "select _change_type, _commit_version from t");
    let batches = run(datafusion::physical_plan::collect(
        Arc::clone(&plan),
        SessionContext::new().task_ctx(),
    ));
    let batches = batches.unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        1000
    );
    assert_eq!(lines(&[batches[0].slice(0, 1)]), ["insert|1"]);
    let scanned = plan
        .metrics()
        .unwrap()
        .sum_by_name("bytes_scanned")
        .map(|bytes| bytes.as_usize());
    let footer = 1000 * 4;
    assert!(scanned.is_some_and(|bytes| bytes < footer), "{scanned:?}");
}
