//! The files of a log, by version.

use std::collections::BTreeMap;

use dfd_runtime::Location;
use futures::TryStreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::error::Error;
use crate::log::commit_file::log_path;

/// What stands at the root of a log, by the names that the protocol gives it.
#[derive(Debug, Default)]
pub(crate) struct LogListing {
    /// The file of each commit.
    pub(crate) commits: BTreeMap<u64, ObjectMeta>,
    /// The files of each checkpoint that has all its parts.
    pub(crate) checkpoints: BTreeMap<u64, Vec<Path>>,
    /// What readers may go by, and needn't: the hint at a checkpoint, checksums of versions.
    pub(crate) hints: Vec<Path>,
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
        // All of it: a web server has no folders.
        let listed = location
            .store()
            .list(Some(&log))
            .try_collect::<Vec<_>>()
            .await;
        let mut files = listed.map_err(|error| Error::table(location.url(), error))?;
        files.retain(|file| file.location.parts_count() == log.parts_count() + 1);
        Ok(Self::of(files))
    }

    fn of(files: Vec<ObjectMeta>) -> Self {
        let mut found = Self::default();
        let mut parts: BTreeMap<(u64, u64), BTreeMap<u64, Path>> = BTreeMap::new();
        for file in files {
            let path = file.location.clone();
            match path.filename().and_then(LogName::parse) {
                Some(LogName::Commit(version)) => {
                    found.commits.insert(version, file);
                }
                Some(LogName::Checkpoint(version)) => {
                    found.checkpoints.entry(version).or_default().push(path);
                }
                Some(LogName::Part { version, part, of }) => {
                    parts.entry((version, of)).or_default().insert(part, path);
                }
                Some(LogName::Compaction) => found.compactions.push(path),
                Some(LogName::Hint) => found.hints.push(path),
                None => {}
            }
        }
        for ((version, of), parts) in parts {
            if parts.len() as u64 == of {
                let files = found.checkpoints.entry(version).or_default();
                files.extend(parts.into_values());
            }
        }
        found
    }

    /// When the files of the commits that can be read were written, in milliseconds since 1970, taken
    /// as rising.
    pub(crate) fn rising_times(&self) -> impl Iterator<Item = (u64, i64)> {
        let times = self
            .readable()
            .map(|(_, file)| file.last_modified.timestamp_millis());
        self.readable()
            .map(|(version, _)| version)
            .zip(rising(times))
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

/// Times of commits as Delta-Spark takes them, each at least a millisecond after the one before: a
/// copy of a log may date its files in any order.
pub(crate) fn rising(times: impl Iterator<Item = i64>) -> impl Iterator<Item = i64> {
    times.scan(i64::MIN, |before, time| {
        *before = time.max(before.saturating_add(1));
        Some(*before)
    })
}

/// What the name of a file says that it is.
#[derive(Debug, PartialEq, Eq)]
enum LogName {
    Commit(u64),
    Checkpoint(u64),
    Part { version: u64, part: u64, of: u64 },
    Compaction,
    Hint,
}

impl LogName {
    fn parse(name: &str) -> Option<Self> {
        if name == "_last_checkpoint" {
            return Some(Self::Hint);
        }
        let (version, kind) = name.split_once('.')?;
        let version = number(version, 20)?;
        let parts: Vec<_> = kind.split('.').collect();
        match parts.as_slice() {
            ["json"] => Some(Self::Commit(version)),
            ["crc"] => Some(Self::Hint),
            ["checkpoint", "parquet"] => Some(Self::Checkpoint(version)),
            ["checkpoint", id, "json" | "parquet"] => {
                (id.len() == 36).then_some(Self::Checkpoint(version))
            }
            ["checkpoint", part, of, "parquet"] => {
                let (part, of) = (number(part, 10)?, number(of, 10)?);
                let is_one = (1..=of).contains(&part);
                is_one.then_some(Self::Part { version, part, of })
            }
            [to, "compacted", "json"] => number(to, 20).map(|_| Self::Compaction),
            _ => None,
        }
    }
}

/// A number that is written with so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let is_one = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse().ok())?
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
    fn names_are_those_of_the_protocol() {
        let version = "0".repeat(19);
        let named = |rest: &str| LogName::parse(&format!("{version}{rest}"));
        assert_eq!(named("7.json"), Some(LogName::Commit(7)));
        assert_eq!(named("7.checkpoint.parquet"), Some(LogName::Checkpoint(7)));
        let uuid = "7.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
        assert_eq!(named(uuid), Some(LogName::Checkpoint(7)));
        let part = LogName::Part {
            version: 7,
            part: 2,
            of: 3,
        };
        assert_eq!(
            named("7.checkpoint.0000000002.0000000003.parquet"),
            Some(part)
        );
        assert_eq!(
            named(&format!("1.{version}2.compacted.json")),
            Some(LogName::Compaction)
        );
        for hint in [named("7.crc"), LogName::parse("_last_checkpoint")] {
            assert_eq!(hint, Some(LogName::Hint));
        }
        for other in [
            "7.json.tmp",
            "7.checkpoint.parquet.tmp",
            "7.checkpoint.bogus.parquet",
            "7.checkpoint.0000000004.0000000003.parquet",
            "7.checkpoint.0000000000.0000000003.parquet",
            "x.json",
            "7",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
        assert_eq!(LogName::parse(&format!("+{version}.json")), None);
    }

    #[test]
    fn a_checkpoint_that_lacks_a_part_is_none() {
        let file = |name: String| ObjectMeta {
            location: Path::from(name),
            last_modified: Default::default(),
            size: 1,
            e_tag: None,
            version: None,
        };
        let part = |part: u64| file(format!("{:020}.checkpoint.{part:010}.{:010}.parquet", 4, 2));
        let commit = |version: u64| file(format!("{version:020}.json"));
        let lacking = LogListing::of(vec![part(2), commit(4), commit(5)]);
        assert_eq!(
            (lacking.checkpoints.len(), lacking.readable().count()),
            (0, 0)
        );
        let whole = LogListing::of(vec![part(2), commit(4), commit(5), part(1)]);
        assert_eq!(whole.checkpoints[&4].len(), 2);
        let times: Vec<_> = whole.rising_times().collect();
        assert_eq!(times, [(4, 0), (5, 1)]);
    }

    #[test]
    fn a_log_that_is_not_there_has_no_files() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        table.clear();
        assert!(readable(&table).is_empty());
    }
}
