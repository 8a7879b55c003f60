//! Files of a version, as the log names them.

use std::collections::{BTreeMap, HashSet};

use deltalake_core::kernel::DeletionVectorDescriptor;
use serde::Serialize;

use crate::error::Error;
use crate::log::fields::Fields;

/// Files of one version: all of them, or some.
#[derive(Debug, Clone)]
pub struct ActiveFiles {
    /// The version.
    pub version: u64,
    /// Its files.
    pub files: Vec<ActiveFile>,
}

impl ActiveFiles {
    /// These files in another version that has them too, with the same deletion vectors; None where one is gone.
    pub fn in_version(&self, other: &Self) -> Option<Self> {
        let there = other.keys();
        let has_all = self.keys().is_subset(&there);
        has_all.then(|| Self {
            version: other.version,
            files: self.files.clone(),
        })
    }

    /// Whether both have the same files, with the same deletion vectors.
    pub fn has_those_of(&self, other: &Self) -> bool {
        self.keys() == other.keys()
    }

    /// Those that aren't among `others`.
    pub(crate) fn but(&self, others: &Self) -> Self {
        let there = others.keys();
        let files = self.files.iter();
        let files = files.filter(|file| !there.contains(&file.key()));
        Self {
            version: self.version,
            files: files.cloned().collect(),
        }
    }

    /// What tells each from others.
    pub(crate) fn keys(&self) -> HashSet<(&str, Option<String>)> {
        self.files.iter().map(ActiveFile::key).collect()
    }

    /// The size of all files.
    pub fn bytes(&self) -> i64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Those among these that have one of `paths`.
    ///
    /// # Errors
    /// None has such a path.
    pub fn only(&self, paths: &[String]) -> Result<Self, Error> {
        let wanted: HashSet<&str> = paths.iter().map(String::as_str).collect();
        let is_wanted = |file: &&ActiveFile| wanted.contains(file.path.as_str());
        let files: Vec<_> = self.files.iter().filter(is_wanted).cloned().collect();
        let found: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        match paths.iter().find(|path| !found.contains(path.as_str())) {
            Some(path) => Err(Error::NoSuchFile {
                path: path.clone(),
                version: self.version,
            }),
            None => Ok(Self {
                version: self.version,
                files,
            }),
        }
    }
}

/// An add action as the log has it, without its statistics.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveFile {
    /// From the table's root, encoded as its writer did.
    pub path: String,
    /// By physical name.
    pub partition_values: Fields<Option<String>>,
    /// In bytes.
    pub size: i64,
    /// When it was made, in milliseconds since the epoch.
    pub modification_time: i64,
    /// The rows that are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<DeletionVectorDescriptor>,
    /// What its writer says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Option<String>>>,
    /// The row id of its first row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_row_id: Option<i64>,
    /// The version that added it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_row_commit_version: Option<i64>,
    /// What clustered its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clustering_provider: Option<String>,
}

impl ActiveFile {
    /// What tells a logical file from others: its path and its deletion vector (protocol, section "Action
    /// Reconciliation").
    pub(crate) fn key(&self) -> (&str, Option<String>) {
        let vector = self.deletion_vector.as_ref();
        let id = vector.map(|vector| {
            let (kind, place) = (&vector.storage_type, &vector.path_or_inline_dv);
            match vector.offset {
                Some(offset) => format!("{kind}{place}@{offset}"),
                None => format!("{kind}{place}"),
            }
        });
        (&self.path, id)
    }
}
