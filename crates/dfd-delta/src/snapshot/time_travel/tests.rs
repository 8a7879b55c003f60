//! Tests of versions found by their time.

use deltalake_core::protocol::checkpoints::create_checkpoint;
use serde_json::{Value, json};

use super::*;
use crate::snapshot::At;
use crate::test_tables::{Add, TestTable, field, metadata, protocol, run};

fn second(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn add(version: u64) -> Value {
    Add::new(&format!("{version}"), 100)
        .stats(json!({"numRecords": 1}))
        .action()
}

/// A table whose commits are dated by these seconds.
fn dated(seconds: &[u64]) -> TestTable {
    let table = TestTable::new(&[field("id", "long")], &[]);
    for (version, second) in (0..).zip(seconds) {
        if version > 0 {
            table.commit(version, &[add(version)]);
        }
        table.date(version, *second);
    }
    table
}

fn stamp(seconds: i64) -> Value {
    json!({"commitInfo": {"inCommitTimestamp": seconds * 1000, "operation": "WRITE"}})
}

fn features() -> Value {
    json!({"protocol": {
        "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"],
    }})
}

/// A table made with in-commit timestamps, whose files are all of one time.
fn stamped(seconds: &[i64]) -> TestTable {
    let on = json!({"delta.enableInCommitTimestamps": "true"});
    let made = metadata(&[field("id", "long")], &[], on);
    let table = TestTable::of(&[stamp(seconds[0]), features(), made]);
    for (version, second) in (1..).zip(&seconds[1..]) {
        table.commit(version, &[stamp(*second), add(version)]);
    }
    for version in 0..seconds.len() as u64 {
        table.date(version, 1_000_000);
    }
    table
}

fn found(table: &TestTable, seconds: i64) -> Result<u64, Error> {
    table
        .try_open(At::Time(second(seconds)))
        .map(|snapshot| snapshot.version())
}

/// Why there is nothing as old: the earliest version, and its time.
fn earliest(table: &TestTable, seconds: i64) -> (u64, DateTime<Utc>) {
    let error = found(table, seconds).unwrap_err();
    let text = error.to_string();
    let Error::BeforeFirst {
        uri,
        time,
        version,
        earliest,
    } = error
    else {
        unreachable!("of another kind: {text}");
    };
    assert_eq!((uri, time), (table.url().to_string(), second(seconds)));
    assert!(
        text.ends_with(&format!("version {version}, of {earliest}")),
        "{text}"
    );
    (version, earliest)
}

fn checkpoint(table: &TestTable) {
    let opened = table.open();
    run(create_checkpoint(opened.table(), None)).unwrap();
}

#[test]
fn the_newest_that_is_not_later() {
    let table = dated(&[1000, 2000, 3000]);
    for (seconds, version) in [
        (1000, 0),
        (1999, 0),
        (2000, 1),
        (2999, 1),
        (3000, 2),
        (9000, 2),
    ] {
        assert_eq!(found(&table, seconds).unwrap(), version, "{seconds}");
    }
    assert_eq!(earliest(&table, 999), (0, second(1000)));
}

#[test]
fn a_part_of_a_millisecond_is_no_time_of_a_commit() {
    let table = dated(&[1000, 2000]);
    let at = |nanos| {
        let time = DateTime::from_timestamp(1999, nanos).unwrap();
        table.try_open(At::Time(time)).unwrap().version()
    };
    assert_eq!((at(0), at(999_999_999)), (0, 0));
}

#[test]
fn times_of_files_are_taken_as_rising() {
    // The fourth was copied first; the third is a millisecond after the second then.
    let table = dated(&[1000, 3000, 2000, 500, 4000]);
    for (seconds, version) in [(1000, 0), (2500, 0), (3001, 3), (3999, 3), (4000, 4)] {
        assert_eq!(found(&table, seconds).unwrap(), version, "{seconds}");
    }
    let just_after = |millis: i64| {
        let time = DateTime::from_timestamp_millis(3_000_000 + millis).unwrap();
        table.try_open(At::Time(time)).unwrap().version()
    };
    assert_eq!([0, 1, 2].map(just_after), [1, 2, 3]);
    // Though the file of the newest is older than what is asked for.
    let table = dated(&[1000, 3000, 2000]);
    assert_eq!(found(&table, 2500).unwrap(), 0);
}

#[test]
fn a_log_that_was_cleaned_up_begins_with_its_checkpoint() {
    let table = dated(&[1000, 2000, 3000]);
    checkpoint(&table);
    table.commit(3, &[add(3)]);
    table.date(3, 4000);
    std::fs::remove_file(table.commit_path(0)).unwrap();
    // Version 1 has a commit, and nothing it stands on.
    assert_eq!(earliest(&table, 2500), (2, second(3000)));
    assert_eq!(found(&table, 3500).unwrap(), 2);
    assert_eq!(found(&table, 4000).unwrap(), 3);
    for version in [1, 2, 3] {
        std::fs::remove_file(table.commit_path(version)).unwrap();
    }
    let error = found(&table, 9000).unwrap_err();
    assert!(matches!(error, Error::NoTime { version: 2, .. }), "{error}");
}

#[test]
fn what_is_no_commit_has_no_version() {
    let table = dated(&[1000, 2000]);
    for name in [
        "00000000000000000002.json.tmp",
        "2.json",
        "00000000000000000001.crc",
        "x.json",
    ] {
        std::fs::write(table.path("_delta_log").join(name), "").unwrap();
    }
    let staged = table.path("_delta_log/_staged_commits");
    std::fs::create_dir(&staged).unwrap();
    std::fs::write(staged.join("00000000000000000002.json"), "").unwrap();
    assert_eq!(found(&table, 9_999_999_999).unwrap(), 1);
}

#[test]
fn in_commit_timestamps_count_and_not_the_files() {
    let table = stamped(&[1000, 2000, 3000, 4000, 5000]);
    for (seconds, version) in [
        (1000, 0),
        (1500, 0),
        (2000, 1),
        (3999, 2),
        (4000, 3),
        (9000, 4),
    ] {
        assert_eq!(found(&table, seconds).unwrap(), version, "{seconds}");
    }
    assert_eq!(earliest(&table, 999), (0, second(1000)));
    checkpoint(&table);
    std::fs::remove_file(table.commit_path(0)).unwrap();
    assert_eq!(earliest(&table, 4999), (4, second(5000)));
}

#[test]
fn before_they_were_switched_on_the_files_count() {
    let table = dated(&[1000, 2000, 9000]);
    let since = json!({
        "delta.enableInCommitTimestamps": "true",
        "delta.inCommitTimestampEnablementVersion": "3",
        "delta.inCommitTimestampEnablementTimestamp": "2500000",
    });
    let on = metadata(&[field("id", "long")], &[], since);
    table.commit(3, &[stamp(2500), features(), on]);
    table.commit(4, &[stamp(3000), add(4)]);
    for version in [3, 4] {
        table.date(version, 100);
    }
    // From then on the versions before aren't asked, whatever their files say.
    for (seconds, version) in [
        (1000, 0),
        (2499, 1),
        (2500, 3),
        (2999, 3),
        (3000, 4),
        (9500, 4),
    ] {
        assert_eq!(found(&table, seconds).unwrap(), version, "{seconds}");
    }
    assert_eq!(earliest(&table, 999), (0, second(1000)));
    checkpoint(&table);
    for version in 0..3 {
        std::fs::remove_file(table.commit_path(version)).unwrap();
    }
    assert_eq!(earliest(&table, 2400), (4, second(3000)));
}

#[test]
fn a_commit_without_its_timestamp_is_told() {
    let table = stamped(&[1000, 2000, 3000]);
    table.commit(
        1,
        &[json!({"commitInfo": {"timestamp": 2_000_000}}), add(1)],
    );
    let error = found(&table, 2500).unwrap_err();
    assert!(matches!(error, Error::NoTime { version: 1, .. }), "{error}");
}

#[test]
fn a_table_that_is_not_there_has_no_time() {
    let table = dated(&[1000]);
    table.clear();
    assert!(matches!(
        found(&table, 2000).unwrap_err(),
        Error::Table { .. }
    ));
}

#[test]
fn protocols_without_in_commit_timestamps_have_files_alone() {
    let off = json!({"delta.enableInCommitTimestamps": "false"});
    let made = metadata(&[field("id", "long")], &[], off);
    let table = TestTable::of(&[stamp(9000), protocol(&[]), made]);
    table.date(0, 1000);
    assert_eq!(found(&table, 1000).unwrap(), 0);
}
