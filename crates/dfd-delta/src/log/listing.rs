//! The files of a log, by version.

use std::collections::BTreeMap;

use dfd_runtime::Location;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::Error;
use crate::log::commit_file::log_path;

/// What stands at the root of a log: commits, and the files of checkpoints.
#[derive(Debug, Default)]
pub(crate) struct LogListing {
    /// The file of each commit.
    pub(crate) commits: BTreeMap<u64, ObjectMeta>,
    /// The files of each checkpoint, which may lack some of its parts.
    pub(crate) checkpoints: BTreeMap<u64, Vec<Path>>,
    /// Files that have several commits in one.
    pub(crate) compactions: Vec<Path>,
}

impl LogListing {
    /// Lists a log; one that isn't there has no files.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn read(location: &Location) -> Result<Self, Error> {
        let log = log_path(location)?;
        let listed = location.store().list_with_delimiter(Some(&log)).await;
        let listed = listed.map_err(|error| Error::table(location.url(), error))?;
        let mut found = Self::default();
        for file in listed.objects {
            match file.location.filename().and_then(versioned) {
                Some((version, "json")) => {
                    found.commits.insert(version, file);
                }
                Some((version, kind)) if kind.starts_with("checkpoint.") => {
                    let files = found.checkpoints.entry(version).or_default();
                    files.push(file.location);
                }
                Some((_, kind)) if kind.ends_with(".compacted.json") => {
                    found.compactions.push(file.location);
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether there are files, and none of this version.
    pub(crate) fn lacks(&self, version: u64) -> bool {
        let is_there =
            |version| self.commits.contains_key(version) || self.checkpoints.contains_key(version);
        let is_empty = self.commits.is_empty() && self.checkpoints.is_empty();
        !is_empty && !is_there(&version)
    }

    /// The commits from the earliest version that can be read, in their order: the first commits of a
    /// log that was cleaned up stand on what is gone.
    pub(crate) fn readable(&self) -> impl DoubleEndedIterator<Item = (u64, &ObjectMeta)> {
        let has_first = self.commits.contains_key(&0);
        let earliest = match self.checkpoints.keys().next() {
            _ if has_first => 0,
            Some(checkpoint) => *checkpoint,
            None => u64::MAX,
        };
        let commits = self.commits.range(earliest..);
        commits.map(|(version, file)| (*version, file))
    }
}

/// The version in the name of a file of the log, and what comes after it.
fn versioned(name: &str) -> Option<(u64, &str)> {
    let (version, kind) = name.split_once('.')?;
    (version.len() == 20).then(|| Some((version.parse().ok()?, kind)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{Add, TestTable, field, run};

    fn readable(table: &TestTable) -> Vec<u64> {
        let listing = run(LogListing::read(&table.location())).unwrap();
        listing.readable().map(|(version, _)| version).collect()
    }

    #[test]
    fn a_log_begins_where_a_checkpoint_stands_for_what_came_before() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        for version in 1..=6 {
            table.commit(version, &[Add::new("f", 1).action()]);
        }
        assert_eq!(readable(&table), [0, 1, 2, 3, 4, 5, 6]);
        for version in 0..3 {
            std::fs::remove_file(table.commit_path(version)).unwrap();
        }
        let name = |name: &str| table.path(&format!("_delta_log/{name}"));
        std::fs::write(name("00000000000000000009.json.tmp"), "").unwrap();
        std::fs::write(name("1.checkpoint.parquet"), "").unwrap();
        std::fs::create_dir(name("_staged")).unwrap();
        std::fs::write(name(&format!("_staged/{:020}.json", 8)), "").unwrap();
        assert!(readable(&table).is_empty());
        let checkpoint = name(&format!("{:020}.checkpoint.parquet", 4));
        std::fs::write(&checkpoint, "").unwrap();
        assert_eq!(readable(&table), [4, 5, 6]);
        // The commit of the checkpoint itself may be gone too.
        std::fs::remove_file(table.commit_path(4)).unwrap();
        assert_eq!(readable(&table), [5, 6]);
    }

    #[test]
    fn a_log_that_is_not_there_has_no_files() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        table.clear();
        assert!(readable(&table).is_empty());
    }
}
