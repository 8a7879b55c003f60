//! Commits found by their number, without a listing of the log.

use dfd_runtime::Location;
use futures::TryStreamExt;
use futures::future::{ok, try_join_all};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::log::commit_file::{commit_path, log_path};

/// Commits that are read at once at most.
const MAX_CONCURRENT_REQUESTS: u64 = 16;

/// A commit that the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCommit {
    /// Its number.
    pub version: u64,
    /// The line of its commitInfo, as it is; None where it has none.
    pub info_line: Option<String>,
}

/// The commits after `version` (None: all), up to `last` (None: the newest), oldest first and without a gap.
///
/// They are read by number until one isn't there. Where the log no longer has `version` itself it is
/// listed once, and the first is the oldest that it still has.
///
/// # Errors
/// The store fails, or a commit isn't lines of JSON.
pub async fn commits_since(
    location: &Location,
    version: Option<u64>,
    last: Option<u64>,
) -> Result<Vec<LoggedCommit>, Error> {
    let last = last.unwrap_or(u64::MAX);
    let first = version.map_or(0, |version| version.saturating_add(1));
    let found = read_from(location, first, last).await?;
    if !found.is_empty() || first > last {
        return Ok(found);
    }
    if let Some(version) = version
        && has_commit(location, version).await?
    {
        return Ok(found);
    }
    match oldest_commit(location, first).await? {
        Some(oldest) => read_from(location, oldest, last).await,
        None => Ok(found),
    }
}

/// The commits from `first` to the one before the first that isn't there; mostly there are few.
async fn read_from(location: &Location, first: u64, last: u64) -> Result<Vec<LoggedCommit>, Error> {
    let mut found = Vec::new();
    let (mut next, mut at_once) = (first, 1);
    while next <= last {
        let end = last.min(next.saturating_add(at_once - 1));
        let reads = (next..=end).map(|version| read_commit(location, version));
        for commit in try_join_all(reads).await? {
            match commit {
                Some(commit) => found.push(commit),
                None => return Ok(found),
            }
        }
        if end == u64::MAX {
            break;
        }
        next = end + 1;
        at_once = MAX_CONCURRENT_REQUESTS.min(at_once * 2);
    }
    Ok(found)
}

/// A commit; None where the log doesn't have it.
pub(super) async fn read_commit(
    location: &Location,
    version: u64,
) -> Result<Option<LoggedCommit>, Error> {
    let path = commit_path(location, version)?;
    let read = async { location.store().get(&path).await?.bytes().await };
    let content = match read.await {
        Ok(content) => content,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(Error::table(location.url(), error)),
    };
    let info_line = info_line(&content).map_err(|reason| Error::log(location, version, reason))?;
    Ok(Some(LoggedCommit { version, info_line }))
}

/// The line of a commit that has its commitInfo.
fn info_line(content: &[u8]) -> Result<Option<String>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        commit_info: Option<IgnoredAny>,
    }
    let text = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let read: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if read.commit_info.is_some() {
            return Ok(Some(line.to_owned()));
        }
    }
    Ok(None)
}

async fn has_commit(location: &Location, version: u64) -> Result<bool, Error> {
    match location
        .store()
        .head(&commit_path(location, version)?)
        .await
    {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(Error::table(location.url(), error)),
    }
}

/// The oldest commit from `first` on that the log has.
async fn oldest_commit(location: &Location, first: u64) -> Result<Option<u64>, Error> {
    let listed = location.store().list(Some(&log_path(location)?));
    let oldest = listed.try_fold(None, |oldest: Option<u64>, file| {
        let found = version_of(&file.location).filter(|version| *version >= first);
        ok(oldest.into_iter().chain(found).min())
    });
    let oldest = oldest.await;
    oldest.map_err(|error| Error::table(location.url(), error))
}

/// The version whose commit has this path.
fn version_of(path: &Path) -> Option<u64> {
    let number = path.filename()?.strip_suffix(".json")?;
    let is_number = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    use crate::test_tables::{TestTable, run};

    fn info(version: u64) -> Value {
        json!({"commitInfo": {"operation": format!("WRITE {version}")}})
    }

    fn with_versions(versions: impl IntoIterator<Item = u64>) -> TestTable {
        let table = TestTable::named("t ä", &[]);
        table.clear();
        std::fs::create_dir_all(table.path("_delta_log")).unwrap();
        for version in versions {
            table.commit(version, &[json!({"txn": {}}), info(version)]);
        }
        table
    }

    fn versions(table: &TestTable, since: Option<u64>, last: Option<u64>) -> Vec<u64> {
        let found = run(commits_since(&table.location(), since, last)).unwrap();
        for commit in &found {
            assert_eq!(commit.info_line, Some(info(commit.version).to_string()));
        }
        found.into_iter().map(|commit| commit.version).collect()
    }

    #[test]
    fn they_are_those_after_a_version() {
        let table = with_versions(0..40);
        assert_eq!(versions(&table, Some(37), None), [38, 39]);
        assert_eq!(versions(&table, Some(39), None), [0; 0]);
        assert_eq!(versions(&table, Some(4), None), (5..40).collect::<Vec<_>>());
        assert_eq!(versions(&table, Some(4), Some(6)), [5, 6]);
        assert_eq!(versions(&table, Some(4), Some(4)), [0; 0]);
        assert_eq!(versions(&table, None, Some(1)), [0, 1]);
    }

    #[test]
    fn a_log_that_was_cleaned_up_begins_later() {
        let table = with_versions(30..34);
        std::fs::write(
            table.path("_delta_log/00000000000000000029.checkpoint.parquet"),
            "",
        )
        .unwrap();
        assert_eq!(versions(&table, Some(12), None), [30, 31, 32, 33]);
        assert_eq!(versions(&table, None, None), [30, 31, 32, 33]);
        assert_eq!(versions(&table, Some(12), Some(31)), [30, 31]);
        assert_eq!(versions(&table, Some(40), None), [0; 0]);
    }

    #[test]
    fn a_gap_ends_them() {
        let table = with_versions([3, 4, 6]);
        assert_eq!(versions(&table, Some(2), None), [3, 4]);
    }

    #[test]
    fn no_table_has_no_commits() {
        let table = TestTable::named("t", &[]);
        table.clear();
        assert_eq!(versions(&table, None, None), [0; 0]);
        assert_eq!(versions(&table, Some(7), None), [0; 0]);
    }

    #[test]
    fn a_commit_without_information_and_one_that_is_no_commit() {
        let table = with_versions(0..1);
        table.commit(1, &[json!({"add": {"path": "commitInfo"}})]);
        std::fs::write(table.commit_path(2), "\n{\"txn\":{}}\r\n\n").unwrap();
        let found = run(commits_since(&table.location(), Some(0), None)).unwrap();
        assert!(found.iter().all(|commit| commit.info_line.is_none()));
        assert_eq!(found.len(), 2);
        std::fs::write(table.commit_path(3), "<html>").unwrap();
        let error = run(commits_since(&table.location(), Some(2), None)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("version 3 of the Delta table at"),
            "{error}"
        );
    }
}
