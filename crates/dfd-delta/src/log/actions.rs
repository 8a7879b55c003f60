//! The actions of a commit, as the protocol names their fields (section "Actions").
//!
//! A path is the text that the log has. delta-rs's own actions escape it anew when they are written,
//! and to the protocol another escape is another file.

use std::collections::BTreeMap;

use deltalake_core::kernel::{DeletionVectorDescriptor, Metadata, Protocol, Transaction};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::log::active_files::ActiveFile;
use crate::log::fields::Fields;

/// An action, alone in its line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action<'a> {
    CommitInfo(StampedInfo<'a>),
    Protocol(&'a Protocol),
    MetaData(&'a Metadata),
    Txn(Transaction),
    Remove(Remove<'a>),
    Add(AddAction<'a>),
    #[serde(rename = "add")]
    Existing(ExistingAction<'a>),
    Cdc(CdcAction<'a>),
}

/// Actions as the lines of a commit.
pub(super) fn to_lines<'a>(
    actions: impl Iterator<Item = Action<'a>>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut lines, &action)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// What a commit says of the operation that made it, in the words of Delta-Spark.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitInfo {
    /// Name of the operation.
    pub operation: String,
    /// What it was asked for.
    pub operation_parameters: Fields<Value>,
    /// `Serializable`, or `SnapshotIsolation` where no row changes.
    pub isolation_level: String,
    /// Whether nothing of the table was read to write it.
    pub is_blind_append: bool,
    /// Counts, as texts.
    pub operation_metrics: Fields<String>,
    /// What made the commit.
    pub engine_info: String,
    /// What tells this operation from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txn_id: Option<String>,
    /// What its user says of it. A name of the fields above, or of the times, is left out.
    #[serde(flatten, serialize_with = "without_own")]
    pub metadata: Fields<String>,
}

/// Names of a commitInfo that aren't its user's.
const OWN: [&str; 10] = [
    "engineInfo",
    "inCommitTimestamp",
    "isBlindAppend",
    "isolationLevel",
    "operation",
    "operationMetrics",
    "operationParameters",
    "readVersion",
    "timestamp",
    "txnId",
];

fn without_own<S: Serializer>(metadata: &Fields<String>, to: S) -> Result<S::Ok, S::Error> {
    let fields = metadata.0.iter().map(|(name, value)| (name, value));
    to.collect_map(fields.filter(|(name, _)| !OWN.contains(&name.as_str())))
}

/// A commitInfo with what the commit itself finds out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StampedInfo<'a> {
    /// Before all else, as Delta-Spark has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_commit_timestamp: Option<i64>,
    pub(super) timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) read_version: Option<u64>,
    #[serde(flatten)]
    pub(super) info: &'a CommitInfo,
}

/// A data file that was staged, as its add action tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Add {
    /// From the table's root, encoded as a URI.
    pub path: String,
    /// By physical name.
    pub partition_values: Fields<Option<String>>,
    /// In bytes.
    pub size: u64,
    /// When it was made, in milliseconds since the epoch.
    pub modification_time: i64,
    /// Statistics as JSON.
    pub stats: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddAction<'a> {
    #[serde(flatten)]
    pub(super) file: &'a Add,
    pub(super) data_change: bool,
}

/// A file of changed rows, which readers of changes read in place of what the version adds and removes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CdcAction<'a> {
    path: &'a str,
    partition_values: &'a Fields<Option<String>>,
    size: u64,
    data_change: bool,
}

impl<'a> CdcAction<'a> {
    pub(super) fn of(file: &'a Add) -> Self {
        Self {
            path: &file.path,
            partition_values: &file.partition_values,
            size: file.size,
            data_change: false,
        }
    }
}

/// A file that is there, as a version has it, or with another deletion vector.
#[derive(Debug, Clone, Serialize)]
pub struct ExistingFile {
    /// Its add action, but for the statistics.
    #[serde(flatten)]
    pub file: ActiveFile,
    /// Statistics as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExistingAction<'a> {
    #[serde(flatten)]
    pub(super) file: &'a ExistingFile,
    pub(super) data_change: bool,
}

/// Takes away the very file that an add action added: its path, its deletion vector, and the rest.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove<'a> {
    path: &'a str,
    deletion_timestamp: i64,
    data_change: bool,
    extended_file_metadata: bool,
    partition_values: &'a Fields<Option<String>>,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_vector: Option<&'a DeletionVectorDescriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_row_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_row_commit_version: Option<i64>,
}

impl<'a> Remove<'a> {
    pub(super) fn of(file: &'a ActiveFile, deletion_timestamp: i64, data_change: bool) -> Self {
        Self {
            path: &file.path,
            deletion_timestamp,
            data_change,
            extended_file_metadata: true,
            partition_values: &file.partition_values,
            size: file.size,
            deletion_vector: file.deletion_vector.as_ref(),
            tags: file.tags.as_ref(),
            base_row_id: file.base_row_id,
            default_row_commit_version: file.default_row_commit_version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake_core::kernel::Action as Known;
    use serde_json::json;

    /// What is written, and that delta-rs knows every field's type.
    fn written(action: Action<'_>) -> Value {
        let lines = to_lines([action].into_iter()).unwrap();
        let _known: Known = serde_json::from_slice(&lines).unwrap();
        serde_json::from_slice(&lines).unwrap()
    }

    fn file() -> ActiveFile {
        let vector = json!({
            "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4,
            "sizeInBytes": 40, "cardinality": 6,
        });
        ActiveFile {
            path: "y=%C3%A4/x=a%2525 ä/part-0.parquet".to_owned(),
            partition_values: Fields(vec![
                ("y".to_owned(), Some("ä".to_owned())),
                ("x".to_owned(), None),
            ]),
            size: 11,
            modification_time: 5,
            deletion_vector: Some(serde_json::from_value(vector).unwrap()),
            tags: Some(BTreeMap::from([(
                "INSERTION_TIME".to_owned(),
                Some("7".to_owned()),
            )])),
            base_row_id: Some(8),
            default_row_commit_version: Some(2),
            clustering_provider: Some("liquid".to_owned()),
        }
    }

    #[test]
    fn a_remove_names_the_file_as_its_add_did() {
        let wanted = json!({"remove": {
            "path": "y=%C3%A4/x=a%2525 ä/part-0.parquet",
            "deletionTimestamp": 99,
            "dataChange": false,
            "extendedFileMetadata": true,
            "partitionValues": {"y": "ä", "x": null},
            "size": 11,
            "deletionVector": {
                "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4,
                "sizeInBytes": 40, "cardinality": 6,
            },
            "tags": {"INSERTION_TIME": "7"},
            "baseRowId": 8,
            "defaultRowCommitVersion": 2,
        }});
        assert_eq!(
            written(Action::Remove(Remove::of(&file(), 99, false))),
            wanted
        );
    }

    #[test]
    fn what_a_file_lacks_its_remove_leaves_out() {
        let plain = ActiveFile {
            deletion_vector: None,
            tags: None,
            base_row_id: None,
            default_row_commit_version: None,
            ..file()
        };
        let remove = written(Action::Remove(Remove::of(&plain, 1, true)));
        let mut names: Vec<_> = remove["remove"].as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(
            names,
            [
                "dataChange",
                "deletionTimestamp",
                "extendedFileMetadata",
                "partitionValues",
                "path",
                "size"
            ]
        );
    }

    #[test]
    fn an_add_is_written_as_it_is() {
        let file = Add {
            path: "p=a%2520b/part.parquet".to_owned(),
            partition_values: Fields(vec![("p".to_owned(), Some("a b".to_owned()))]),
            size: u64::from(u32::MAX) + 1,
            modification_time: 3,
            stats: r#"{"numRecords":1}"#.to_owned(),
        };
        let add = Action::Add(AddAction {
            file: &file,
            data_change: true,
        });
        let wanted = json!({"add": {
            "path": "p=a%2520b/part.parquet", "partitionValues": {"p": "a b"}, "size": 4_294_967_296_u64,
            "modificationTime": 3, "stats": "{\"numRecords\":1}", "dataChange": true,
        }});
        assert_eq!(written(add), wanted);
    }

    #[test]
    fn a_file_of_an_older_version_is_added_as_it_was() {
        let file = ExistingFile {
            file: file(),
            stats: Some(r#"{"numRecords":1}"#.to_owned()),
        };
        let add = Action::Existing(ExistingAction {
            file: &file,
            data_change: true,
        });
        let wanted = json!({"add": {
            "path": "y=%C3%A4/x=a%2525 ä/part-0.parquet",
            "partitionValues": {"y": "ä", "x": null},
            "size": 11,
            "modificationTime": 5,
            "dataChange": true,
            "stats": "{\"numRecords\":1}",
            "deletionVector": {
                "storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4,
                "sizeInBytes": 40, "cardinality": 6,
            },
            "tags": {"INSERTION_TIME": "7"},
            "baseRowId": 8,
            "defaultRowCommitVersion": 2,
            "clusteringProvider": "liquid",
        }});
        assert_eq!(written(add), wanted);
    }

    #[test]
    fn changed_rows_are_in_files_of_their_own() {
        let file = Add {
            path: "_change_data/p=1/c.parquet".to_owned(),
            partition_values: Fields(vec![("p".to_owned(), Some("1".to_owned()))]),
            size: 4,
            modification_time: 3,
            stats: String::new(),
        };
        let wanted = json!({"cdc": {
            "path": "_change_data/p=1/c.parquet", "partitionValues": {"p": "1"}, "size": 4,
            "dataChange": false,
        }});
        assert_eq!(written(Action::Cdc(CdcAction::of(&file))), wanted);
    }

    #[test]
    fn a_commit_info_has_every_name_once() {
        let info = CommitInfo {
            operation: "WRITE".to_owned(),
            operation_parameters: Fields(vec![
                ("mode".to_owned(), json!("Append")),
                ("auto".to_owned(), json!(false)),
            ]),
            isolation_level: "Serializable".to_owned(),
            is_blind_append: true,
            operation_metrics: Fields(vec![("numFiles".to_owned(), "1".to_owned())]),
            engine_info: "dfd".to_owned(),
            txn_id: None,
            metadata: Fields(vec![
                ("dfd.run".to_owned(), "1".to_owned()),
                ("operation".to_owned(), "another".to_owned()),
            ]),
        };
        let stamped = Action::CommitInfo(StampedInfo {
            in_commit_timestamp: Some(7),
            timestamp: 6,
            read_version: Some(0),
            info: &info,
        });
        let lines = to_lines([stamped].into_iter()).unwrap();
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"commitInfo":{"inCommitTimestamp":7,"timestamp":6,"readVersion":0,"operation":"WRITE","#,
                r#""operationParameters":{"mode":"Append","auto":false},"isolationLevel":"Serializable","#,
                r#""isBlindAppend":true,"operationMetrics":{"numFiles":"1"},"engineInfo":"dfd","#,
                r#""dfd.run":"1"}}"#,
                "\n"
            )
        );
    }
}
