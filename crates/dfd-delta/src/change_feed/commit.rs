//! The commits of a log, read by name.

use std::collections::HashMap;

use deltalake_core::kernel::{DeletionVectorDescriptor, Metadata, Protocol};
use dfd_runtime::Location;
use object_store::ObjectStoreExt;
use serde::Deserialize;
use serde_json::Value;

use crate::change_feed_error::ChangeFeedError;
use crate::error::Error;
use crate::log::commit_file::commit_path;
use crate::log::listing::LogListing;
use crate::snapshot::log_mend::with_whole_metadata;

/// An add, remove or cdc action.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileAction {
    /// Encoded as the log has it.
    pub path: String,
    #[serde(default)]
    pub partition_values: Option<HashMap<String, Option<String>>>,
    pub size: Option<i64>,
    pub modification_time: Option<i64>,
    #[serde(default)]
    pub data_change: bool,
    pub stats: Option<String>,
    pub deletion_vector: Option<DeletionVectorDescriptor>,
}

/// What one version did.
#[derive(Debug, Default)]
pub(super) struct Commit {
    pub version: u64,
    /// When its file was written, in milliseconds since 1970.
    pub written: i64,
    pub adds: Vec<FileAction>,
    pub removes: Vec<FileAction>,
    pub cdc: Vec<FileAction>,
    pub metadata: Option<Metadata>,
    pub protocol: Option<Protocol>,
    /// Null where there is none.
    pub info: Value,
}

/// One line of a commit; what else it may have is no matter of changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    add: Option<FileAction>,
    remove: Option<FileAction>,
    cdc: Option<FileAction>,
    meta_data: Option<Metadata>,
    protocol: Option<Protocol>,
    commit_info: Option<Value>,
}

impl Commit {
    /// The commit of a version that the table has, or had.
    pub(super) async fn read(location: &Location, version: u64) -> Result<Self, Error> {
        let failed = |error: object_store::Error| Error::table(location.url(), error);
        let found = match location.store().get(&commit_path(location, version)?).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(missing(location, version).await?);
            }
            Err(error) => return Err(failed(error)),
        };
        let written = found.meta.last_modified.timestamp_millis();
        let text = found.bytes().await.map_err(failed)?;
        let malformed = |source| ChangeFeedError::Malformed { version, source };
        Self::parse(version, written, &text)
            .map_err(|source| Error::change_feed(location.url(), malformed(source)))
    }

    /// The commit of this text.
    pub(super) fn parse(version: u64, written: i64, text: &[u8]) -> serde_json::Result<Self> {
        Self::parse_whole(version, written, text).or_else(|error| {
            let whole = with_whole_metadata(text).ok_or(error)?;
            Self::parse_whole(version, written, &whole)
        })
    }

    fn parse_whole(version: u64, written: i64, text: &[u8]) -> serde_json::Result<Self> {
        let mut commit = Self {
            version,
            written,
            ..Self::default()
        };
        for line in serde_json::Deserializer::from_slice(text).into_iter::<Line>() {
            let line = line?;
            commit.adds.extend(line.add);
            commit.removes.extend(line.remove);
            commit.cdc.extend(line.cdc);
            commit.metadata = line.meta_data.or(commit.metadata);
            commit.protocol = line.protocol.or(commit.protocol);
            commit.info = line.commit_info.unwrap_or(commit.info);
        }
        Ok(commit)
    }
}

/// The error for a version of which the log has no commit, or not what came before.
pub(super) async fn missing(location: &Location, version: u64) -> Result<Error, Error> {
    let reason = match earliest(location).await? {
        Some(earliest) if earliest > version => ChangeFeedError::Cleaned { version, earliest },
        _ => ChangeFeedError::NoCommit { version },
    };
    Ok(Error::change_feed(location.url(), reason))
}

/// The first version whose commit is there with all that it stands on: a checkpoint, or every commit before.
pub(super) async fn earliest(location: &Location) -> Result<Option<u64>, Error> {
    let listing = LogListing::read(location).await?;
    Ok(listing.readable().next().map(|(version, _)| version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{Add, TestTable, field, run};

    #[test]
    fn a_commit_is_read_whatever_else_stands_in_it() {
        let text = br#"{"txn": {"appId": "a", "version": 1}}
{"add": {"path": "a%20b", "partitionValues": {"p": null}, "size": 1, "modificationTime": 2, "dataChange": true, "stats": "{}", "later": 1}}
{"remove": {"path": "r", "dataChange": false}}{"cdc": {"path": "c", "size": 3, "partitionValues": {}, "dataChange": false}}
{"commitInfo": {"operation": 7}}
{"unheard": {"of": []}}
"#;
        let commit = Commit::parse(5, 6, text).unwrap();
        assert_eq!((commit.version, commit.written), (5, 6));
        let [add, remove, cdc] = [&commit.adds[0], &commit.removes[0], &commit.cdc[0]];
        assert_eq!(
            (add.path.as_str(), add.size, add.data_change),
            ("a%20b", Some(1), true)
        );
        assert_eq!(add.partition_values.as_ref().unwrap()["p"], None);
        assert_eq!(
            (remove.size, &remove.partition_values, remove.data_change),
            (None, &None, false)
        );
        assert_eq!((cdc.path.as_str(), cdc.size), ("c", Some(3)));
        assert_eq!(commit.info["operation"], 7);
        assert!(Commit::parse(0, 0, b"").unwrap().info.is_null());
        assert!(Commit::parse(0, 0, b"{\"add\": {}}").is_err());
        assert!(Commit::parse(0, 0, b"{\"add\"").is_err());
    }

    #[test]
    fn a_log_begins_where_a_checkpoint_stands_for_what_came_before() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        let location = table.location();
        for version in 1..=6 {
            table.commit(version, &[Add::new("f", 1).action()]);
        }
        let first = || run(earliest(&location)).unwrap();
        assert_eq!(first(), Some(0));
        for version in 0..3 {
            std::fs::remove_file(table.commit_path(version)).unwrap();
        }
        let reason = run(missing(&location, 1)).unwrap().to_string();
        assert!(
            reason.ends_with("the log has no commit of version 1"),
            "{reason}"
        );
        let name = |name: &str| table.path(&format!("_delta_log/{name}"));
        assert_eq!(first(), None);
        std::fs::write(name(&format!("{:020}.checkpoint.parquet", 4)), "").unwrap();
        assert_eq!(first(), Some(4));
        let reason = run(missing(&location, 1)).unwrap().to_string();
        assert!(reason.ends_with("ask for version 4 or later"), "{reason}");
    }
}
