//! Versions by their time: which was the newest at a moment.
//!
//! ```text
//!   the log's files ──> commits from the earliest that can be read ──> the last that isn't later
//! ```
//!
//! The time of a version is its `inCommitTimestamp` where the table has them (protocol, section
//! In-Commit Timestamps), and before they were switched on the time of the commit's file. Those are
//! taken as rising, each at least a millisecond after the one before, as Delta-Spark takes them: a
//! copy of a log may date its files in any order.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use deltalake_core::kernel::Snapshot;
use dfd_runtime::Location;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::Deserialize;

use crate::error::Error;
use crate::log::commit_file::commit_path;
use crate::snapshot::readable_log::table_definition;

/// Milliseconds since 1970, by which versions are timed.
type Millis = i64;

/// The file of a commit.
struct Commit {
    version: u64,
    path: Path,
    modified: Millis,
}

/// The first version that has an in-commit timestamp, and that.
#[derive(Clone, Copy)]
struct Enablement {
    version: u64,
    time: Millis,
}

/// Finds the newest version that was there at `time`; after the newest of all, that.
///
/// # Errors
/// Every version that can still be read is later; the log can't be read or understood.
pub(super) async fn version_at(location: &Location, time: DateTime<Utc>) -> Result<u64, Error> {
    let newest = table_definition(location, None).await?;
    let enablement = enablement(&newest);
    let commits = readable_commits(location).await?;
    let of_files = match enablement {
        Some(first) => commits.partition_point(|commit| commit.version < first.version),
        None => commits.len(),
    };
    let (dated, stamped) = commits.split_at(of_files);
    let at = time.timestamp_millis();
    let found = match enablement {
        Some(first) if at >= first.time => last_stamped(location, stamped, at).await?,
        _ => last_dated(dated, at),
    };
    if let Some(version) = found {
        return Ok(version);
    }
    let earliest = match (dated.first(), stamped.first()) {
        (Some(commit), _) => (commit.version, commit.modified),
        (None, Some(commit)) => (commit.version, in_commit_time(location, commit).await?),
        (None, None) => return Err(no_time(location, newest.version())),
    };
    Err(Error::BeforeFirst {
        uri: location.url().to_string(),
        time,
        version: earliest.0,
        earliest: DateTime::from_timestamp_millis(earliest.1).unwrap_or(time),
    })
}

/// Where in-commit timestamps begin; None where the table has none.
fn enablement(newest: &Snapshot) -> Option<Enablement> {
    let properties = newest.table_properties();
    if properties.enable_in_commit_timestamps != Some(true) {
        return None;
    }
    let since = (
        properties.in_commit_timestamp_enablement_version,
        properties.in_commit_timestamp_enablement_timestamp,
    );
    // A table that was made with them doesn't say so.
    let (version, time) = match since {
        (Some(version), Some(time)) => (version, time),
        _ => (0, Millis::MIN),
    };
    Some(Enablement { version, time })
}

/// The commits from the earliest version that can be read, in their order.
async fn readable_commits(location: &Location) -> Result<Vec<Commit>, Error> {
    let failed = |source: object_store::Error| Error::table(location.url(), source);
    let first = commit_path(location, 0)?;
    let log = first.parent().unwrap_or_default();
    let files: Vec<_> = location
        .store()
        .list(Some(&log))
        .try_collect()
        .await
        .map_err(failed)?;
    let mut commits = Vec::new();
    let mut checkpoints = BTreeSet::new();
    for file in files {
        let Some((version, kind)) = log_file(&file.location, &log) else {
            continue;
        };
        if kind == "json" {
            commits.push(Commit {
                version,
                modified: file.last_modified.timestamp_millis(),
                path: file.location,
            });
        } else if kind.starts_with("checkpoint") {
            checkpoints.insert(version);
        }
    }
    commits.sort_by_key(|commit| commit.version);
    // The first commits of a log that was cleaned up stand on what is gone.
    let is_whole = commits.first().is_some_and(|commit| commit.version == 0);
    if !is_whole {
        let stand = |commit: &Commit| checkpoints.contains(&commit.version);
        let earliest = commits.iter().position(stand).unwrap_or(commits.len());
        commits.drain(..earliest);
    }
    Ok(commits)
}

/// The version of a file at the root of the log, and what comes after it in the name.
fn log_file<'a>(path: &'a Path, log: &Path) -> Option<(u64, &'a str)> {
    let is_in_root = path.prefix_matches(log) && path.parts_count() == log.parts_count() + 1;
    let (version, kind) = path.filename()?.split_once('.')?;
    if is_in_root && version.len() == 20 {
        Some((version.parse().ok()?, kind))
    } else {
        None
    }
}

/// The last of the commits that isn't later, by the times of their files.
fn last_dated(commits: &[Commit], at: Millis) -> Option<u64> {
    let times = commits.iter().scan(Millis::MIN, |before, commit| {
        *before = commit.modified.max(before.saturating_add(1));
        Some(*before)
    });
    let is_there = times.take_while(|time| *time <= at).count();
    commits[..is_there].last().map(|commit| commit.version)
}

/// The last of the commits that isn't later, by what they say; these times rise.
async fn last_stamped(
    location: &Location,
    commits: &[Commit],
    at: Millis,
) -> Result<Option<u64>, Error> {
    let (mut there, mut later) = (0, commits.len());
    while there < later {
        let middle = there.midpoint(later);
        if in_commit_time(location, &commits[middle]).await? <= at {
            there = middle + 1;
        } else {
            later = middle;
        }
    }
    Ok(commits[..there].last().map(|commit| commit.version))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    commit_info: Option<CommitInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    in_commit_timestamp: Option<Millis>,
}

async fn in_commit_time(location: &Location, commit: &Commit) -> Result<Millis, Error> {
    let failed = |source: object_store::Error| Error::table(location.url(), source);
    let found = location.store().get(&commit.path).await.map_err(failed)?;
    let text = found.bytes().await.map_err(failed)?;
    // Its first action, by the protocol.
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let action: Option<Action> = serde_json::from_slice(first).ok();
    let time = action
        .and_then(|action| action.commit_info)
        .and_then(|info| info.in_commit_timestamp);
    time.ok_or_else(|| no_time(location, commit.version))
}

fn no_time(location: &Location, version: u64) -> Error {
    Error::NoTime {
        uri: location.url().to_string(),
        version,
    }
}

#[cfg(test)]
mod tests;
