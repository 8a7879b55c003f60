//! The next version of a table, made of actions.

use std::iter::once;

use chrono::Utc;
use deltalake_core::kernel::Transaction;
use dfd_runtime::Location;
use serde::Deserialize;

use crate::error::Error;
use crate::log::actions::{
    Action, Add, AddAction, CdcAction, CommitInfo, ExistingAction, ExistingFile, Remove,
    StampedInfo, to_lines,
};
use crate::log::active_files::ActiveFiles;
use crate::log::commit_file::put_commit;
use crate::log::commits_since::read_commit;
use crate::log::definition::DefinitionChange;

/// What a version says and changes.
#[derive(Debug, Default)]
pub struct Commit<'a> {
    /// What it says of the operation.
    pub info: CommitInfo,
    /// What it makes of the table itself.
    pub definition: DefinitionChange,
    /// Ids of applications, and the version of each (`txn`).
    pub transactions: Vec<(String, i64)>,
    /// Files of the version before that it takes away.
    pub removes: Option<&'a ActiveFiles>,
    /// Files that were staged.
    pub adds: Vec<Add>,
    /// Files that are there: of an older version, or with other deletion vectors.
    pub existing: &'a [ExistingFile],
    /// Files of the rows that it changes, for readers of changes.
    pub changes: Vec<Add>,
    /// Whether readers of changes see none (`dataChange` is false).
    pub keeps_rows: bool,
    /// Whether the table has `delta.enableInCommitTimestamps`.
    pub has_in_commit_timestamp: bool,
}

/// Puts `commit` as the version after `read_version`, or as the first, in one step; None where another
/// has it, else the version.
///
/// # Errors
/// The removes aren't files of `read_version`, that version has no time where this one must have one,
/// or the store fails: whether the commit is there isn't known then.
pub async fn commit(
    location: &Location,
    read_version: Option<u64>,
    commit: &Commit<'_>,
) -> Result<Option<u64>, Error> {
    let version = read_version.map_or(0, |version| version + 1);
    if let Some(files) = commit
        .removes
        .filter(|files| Some(files.version) != read_version)
    {
        let reason = format!("it removes files of version {}", files.version);
        return Err(Error::log(location, version, reason));
    }
    let now = Utc::now().timestamp_millis();
    let in_commit_timestamp = match read_version {
        Some(before) if commit.has_in_commit_timestamp => {
            Some(next_timestamp(location, before, now).await?)
        }
        _ => commit.has_in_commit_timestamp.then_some(now),
    };
    let info = StampedInfo {
        in_commit_timestamp,
        timestamp: now,
        read_version,
        info: &commit.info,
    };
    let lines = to_lines(commit.actions(info, now));
    let lines = lines.map_err(|error| Error::log(location, version, error))?;
    let is_put = put_commit(location, version, lines).await?;
    Ok(is_put.then_some(version))
}

impl Commit<'_> {
    fn actions<'a>(&'a self, info: StampedInfo<'a>, now: i64) -> impl Iterator<Item = Action<'a>> {
        let data_change = !self.keeps_rows;
        let protocol = self.definition.protocol.iter().map(Action::Protocol);
        let metadata = self.definition.metadata.iter().map(Action::MetaData);
        let transactions = self.transactions.iter().map(move |(app_id, version)| {
            let transaction = Transaction::new_with_last_update(app_id, *version, Some(now));
            Action::Txn(transaction)
        });
        let removed = self.removes.iter().flat_map(|removes| &removes.files);
        let removes = removed.map(move |file| Action::Remove(Remove::of(file, now, data_change)));
        let adds = self
            .adds
            .iter()
            .map(move |file| Action::Add(AddAction { file, data_change }));
        let existing = self
            .existing
            .iter()
            .map(move |file| Action::Existing(ExistingAction { file, data_change }));
        let changes = self.changes.iter();
        let changes = changes.map(|file| Action::Cdc(CdcAction::of(file)));
        once(Action::CommitInfo(info))
            .chain(protocol)
            .chain(metadata)
            .chain(transactions)
            .chain(removes)
            .chain(adds)
            .chain(existing)
            .chain(changes)
    }
}

/// A time after that of the commit before (protocol, section "In-Commit Timestamps").
async fn next_timestamp(location: &Location, before: u64, now: i64) -> Result<i64, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        commit_info: Stamp,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stamp {
        in_commit_timestamp: Option<i64>,
    }
    let found = read_commit(location, before).await?;
    let line = found.and_then(|commit| commit.info_line);
    let line = line
        .map(|line| serde_json::from_str::<Line>(&line))
        .transpose();
    let line = line.map_err(|error| Error::log(location, before, error))?;
    match line.and_then(|line| line.commit_info.in_commit_timestamp) {
        Some(stamp) => Ok(now.max(stamp + 1)),
        None => Err(Error::log(
            location,
            before,
            "it has no inCommitTimestamp, after which that of the next version would have to be",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use crate::snapshot::At;
    use crate::test_tables::{Add as Added, TestTable, longs, metadata, protocol, rows, run};
    use crate::{Fields, TableSnapshot};

    fn lines(table: &TestTable, version: u64) -> Vec<Value> {
        let text = std::fs::read_to_string(table.commit_path(version)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn field() -> Value {
        crate::test_tables::field("a", "long")
    }

    fn info() -> CommitInfo {
        CommitInfo {
            operation: "WRITE".to_owned(),
            isolation_level: "Serializable".to_owned(),
            ..CommitInfo::default()
        }
    }

    fn put(
        table: &TestTable,
        read_version: u64,
        wanted: &Commit<'_>,
    ) -> Result<Option<u64>, Error> {
        run(commit(&table.location(), Some(read_version), wanted))
    }

    #[test]
    fn files_are_removed_under_the_paths_of_their_adds() {
        let table = TestTable::new(&[field()], &[]);
        let odd = ["ä b%.parquet", "plain.parquet", "x=%C3%A4/c.parquet"];
        let encoded = [
            "ä%20b%25.parquet",
            "plain.parquet",
            "x=%25C3%25A4/c.parquet",
        ];
        std::fs::create_dir(table.path("x=%C3%A4")).unwrap();
        let one = rows([("a", longs([1]))]);
        let adds: Vec<Value> = odd
            .iter()
            .zip(encoded)
            .map(|(path, encoded)| table.write(path, &one).path(encoded).action())
            .collect();
        table.commit(1, &adds);
        let snapshot = table.open();
        let files = snapshot.active_files().unwrap();
        let removes = files
            .only(&[encoded[0].to_owned(), encoded[2].to_owned()])
            .unwrap();
        let wanted = Commit {
            info: info(),
            removes: Some(&removes),
            transactions: vec![("app".to_owned(), 3)],
            ..Commit::default()
        };
        assert_eq!(put(&table, 1, &wanted).unwrap(), Some(2));
        let found = lines(&table, 2);
        assert_eq!(found[0]["commitInfo"]["readVersion"], 1);
        assert_eq!(found[1]["txn"]["appId"], "app");
        let paths: Vec<_> = found[2..]
            .iter()
            .map(|line| line["remove"]["path"].clone())
            .collect();
        assert_eq!(paths, [encoded[0], encoded[2]]);
        let left = table.open().active_files().unwrap();
        let left: Vec<_> = left.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(left, ["plain.parquet"]);
        assert!(matches!(put(&table, 1, &wanted), Ok(None)));
    }

    #[test]
    fn a_deletion_vector_goes_with_its_file() {
        let table = TestTable::of(&[
            protocol(&["deletionVectors"]),
            metadata(&[field()], &[], json!({})),
        ]);
        let three = rows([("a", longs([1, 2, 3]))]);
        let file = table
            .write("f.parquet", &three)
            .stats(json!({"numRecords": 3}))
            .deleted(&[1]);
        let vector = file.get("deletionVector").clone();
        table.commit(1, &[file.action()]);
        let removes = table.open().active_files().unwrap();
        let wanted = Commit {
            info: info(),
            removes: Some(&removes),
            keeps_rows: true,
            ..Commit::default()
        };
        put(&table, 1, &wanted).unwrap();
        let remove = lines(&table, 2).remove(1);
        assert_eq!(remove["remove"]["deletionVector"], vector);
        assert_eq!(remove["remove"]["dataChange"], false);
        assert!(table.open().active_files().unwrap().files.is_empty());
    }

    #[test]
    fn files_of_another_version_are_refused() {
        let table = TestTable::new(&[field()], &[]);
        let removes = table.open().active_files().unwrap();
        table.commit(1, &[Added::new("f", 1).action()]);
        let wanted = Commit {
            removes: Some(&removes),
            ..Commit::default()
        };
        let error = put(&table, 1, &wanted).unwrap_err();
        assert!(
            error.to_string().contains("removes files of version 0"),
            "{error}"
        );
        assert!(!table.commit_path(2).exists());
        let nowhere = removes.only(&["f".to_owned()]).unwrap_err();
        assert!(matches!(nowhere, Error::NoSuchFile { version: 0, .. }));
    }

    #[test]
    fn times_in_commits_rise_however_the_clock_stands() {
        let future = Utc::now().timestamp_millis() + 3_600_000;
        let table = TestTable::of(&[
            json!({"commitInfo": {"inCommitTimestamp": future}}),
            protocol(&[]),
            metadata(&[field()], &[], json!({})),
        ]);
        let wanted = Commit {
            info: info(),
            has_in_commit_timestamp: true,
            ..Commit::default()
        };
        for version in 0..3 {
            assert_eq!(put(&table, version, &wanted).unwrap(), Some(version + 1));
            let first = lines(&table, version + 1).remove(0);
            let stamp = future + i64::try_from(version).unwrap() + 1;
            assert_eq!(first["commitInfo"]["inCommitTimestamp"], stamp);
            assert!(first["commitInfo"]["timestamp"].as_i64().unwrap() < future);
        }
        let past = json!({"commitInfo": {"inCommitTimestamp": 5}});
        table.commit(4, &[past]);
        put(&table, 4, &wanted).unwrap();
        let first = lines(&table, 5).remove(0);
        assert_eq!(
            first["commitInfo"]["inCommitTimestamp"],
            first["commitInfo"]["timestamp"]
        );
    }

    #[test]
    fn without_a_time_before_there_is_none_after() {
        let table = TestTable::new(&[field()], &[]);
        table.commit(1, &[json!({"commitInfo": {"timestamp": 1}})]);
        let wanted = Commit {
            has_in_commit_timestamp: true,
            ..Commit::default()
        };
        for version in [0, 1] {
            let error = put(&table, version, &wanted).unwrap_err();
            assert!(
                error.to_string().contains("no inCommitTimestamp"),
                "{error}"
            );
        }
        assert!(!table.commit_path(2).exists());
    }

    #[test]
    fn a_table_is_made_by_its_first_version() {
        let table = TestTable::named("new", &[]);
        table.clear();
        let one = |value: Value| value.as_object().unwrap().values().next().unwrap().clone();
        let metadata = one(metadata(&[field()], &[], json!({})));
        let definition = DefinitionChange {
            protocol: Some(serde_json::from_value(one(protocol(&[]))).unwrap()),
            metadata: Some(serde_json::from_value(metadata).unwrap()),
        };
        let wanted = Commit {
            info: info(),
            definition,
            adds: vec![Add {
                path: "f.parquet".to_owned(),
                partition_values: Fields::default(),
                size: 3,
                modification_time: 0,
                stats: r#"{"numRecords":2}"#.to_owned(),
            }],
            ..Commit::default()
        };
        assert_eq!(
            run(commit(&table.location(), None, &wanted)).unwrap(),
            Some(0)
        );
        assert_eq!(run(commit(&table.location(), None, &wanted)).unwrap(), None);
        let kinds: Vec<_> = lines(&table, 0)
            .iter()
            .map(|line| line.as_object().unwrap().keys().next().unwrap().clone())
            .collect();
        assert_eq!(kinds, ["commitInfo", "protocol", "metaData", "add"]);
        let snapshot = run(TableSnapshot::open(table.location(), At::Newest)).unwrap();
        assert_eq!(snapshot.active_files().unwrap().files[0].size, 3);
    }
}
