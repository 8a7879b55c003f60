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

use chrono::{DateTime, Utc};
use deltalake_core::kernel::Snapshot;
use dfd_runtime::Location;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use serde::Deserialize;

use crate::error::Error;
use crate::log::listing::{LogListing, rising};
use crate::snapshot::readable_log::table_definition;

/// Milliseconds since 1970, by which versions are timed.
type Millis = i64;

/// The file of a commit.
struct Commit {
    version: u64,
    path: Path,
    modified: Millis,
}

impl Commit {
    fn of_file((version, file): (u64, &ObjectMeta)) -> Self {
        Self {
            version,
            path: file.location.clone(),
            modified: file.last_modified.timestamp_millis(),
        }
    }
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
    let listing = LogListing::read(location).await?;
    let commits: Vec<Commit> = listing.readable().map(Commit::of_file).collect();
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

/// The last of the commits that isn't later, by the times of their files.
fn last_dated(commits: &[Commit], at: Millis) -> Option<u64> {
    let times = rising(commits.iter().map(|commit| commit.modified));
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
