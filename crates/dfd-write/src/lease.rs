//! Leases: what a stage has in the table while it lives, so that a killed one is found.
//!
//! `_dfd/stages/<stage_id>.json` says which process stages, and until when that has to be believed;
//! readers and vacuum pass directories by whose name starts with an underscore.

use std::fs::read_to_string;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use dfd_runtime::Location;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::files::storage::{delete_if_exists, table_root};

/// How long a lease is believed without being renewed.
const EXPIRES_AFTER: Duration = Duration::from_secs(600);
/// How long it takes until a lease is renewed.
const RENEWED_AFTER: Duration = Duration::from_secs(120);
/// Leases that are read at once.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The content of a lease: which process stages, and until when it is believed to live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRecord {
    pub(crate) stage_id: String,
    pub(crate) host: String,
    /// The boot and the namespace in which process ids are unique.
    namespace: Option<String>,
    pub(crate) pid: u32,
    /// When the process began: one of this id that began at another time is another process.
    process_start: Option<u64>,
    pub(crate) started_ms: i64,
    pub(crate) expires_ms: i64,
}

/// A stage that its process still works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveStage {
    /// The id that is in the names of its files.
    pub stage_id: String,
    /// Host on which it runs.
    pub host: String,
    /// Process that stages.
    pub pid: u32,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
}

impl LeaseRecord {
    fn for_this_process(stage_id: &str) -> Self {
        let pid = std::process::id();
        let now = Utc::now().timestamp_millis();
        Self {
            stage_id: stage_id.to_owned(),
            host: host(),
            namespace: namespace(),
            pid,
            process_start: process_start(pid),
            started_ms: now,
            expires_ms: expiry_ms(now),
        }
    }

    /// Whether the process is gone, or the lease has expired.
    pub(crate) fn is_dead(&self) -> bool {
        let is_here =
            self.host == host() && self.namespace.is_some() && self.namespace == namespace();
        let is_gone = is_here && process_start(self.pid) != self.process_start;
        is_gone || self.expires_ms < Utc::now().timestamp_millis()
    }

    async fn write(&self, location: &Location, path: &Path) -> Result<(), Error> {
        let text =
            serde_json::to_vec(self).map_err(|_| Error::Inconsistent("a lease has no text"))?;
        let put = location.store().put(path, text.into()).await;
        put.map(drop).map_err(|source| Error::store(path, source))
    }
}

fn expiry_ms(now_ms: i64) -> i64 {
    now_ms.saturating_add(i64::try_from(EXPIRES_AFTER.as_millis()).unwrap_or(i64::MAX))
}

fn host() -> String {
    let name = read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| String::new(), |name| name.trim().to_owned())
}

/// Names the boot and the namespace of this process: two containers may have one host name and the same
/// process ids.
fn namespace() -> Option<String> {
    let boot = read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Tells when a process began, in clock ticks since the boot; None where there is no such process.
fn process_start(pid: u32) -> Option<u64> {
    let status = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = status.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // A zombie has ended.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Gives the directory of a table's leases.
pub(crate) fn lease_directory(location: &Location) -> Result<Path, Error> {
    Ok(table_root(location)?.join("_dfd").join("stages"))
}

/// Gives the path of a stage's lease.
pub(crate) fn lease_path(location: &Location, stage_id: &str) -> Result<Path, Error> {
    Ok(lease_directory(location)?.join(format!("{stage_id}.json")))
}

/// A lease that is renewed until it is given up.
#[derive(Debug)]
pub(crate) struct StageLease {
    path: Path,
    renewal: JoinHandle<()>,
}

impl StageLease {
    /// Tells that this process stages, and goes on telling it.
    pub(crate) async fn begin(location: &Location, stage_id: &str) -> Result<Self, Error> {
        let path = lease_path(location, stage_id)?;
        let record = LeaseRecord::for_this_process(stage_id);
        record.write(location, &path).await?;
        let renewal = tokio::spawn(renew(record, location.clone(), path.clone()));
        Ok(Self { path, renewal })
    }

    /// Renews the lease no more, and removes it.
    pub(crate) async fn give_up(&self, location: &Location) -> Result<(), Error> {
        self.renewal.abort();
        delete_if_exists(location, &self.path).await
    }

    /// The path of the lease in the table's store.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StageLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(mut record: LeaseRecord, location: Location, path: Path) {
    loop {
        tokio::time::sleep(RENEWED_AFTER).await;
        record.expires_ms = expiry_ms(Utc::now().timestamp_millis());
        // Next time, else: a lease outlives several renewals that fail.
        let _failed = record.write(&location, &path).await;
    }
}

/// Finds the stages of a table that a process works on, as far as can be told from here.
///
/// # Errors
/// The store can't be read.
pub async fn live_stages(location: &Location) -> Result<Vec<LiveStage>, Error> {
    let leases = read_leases(location).await?.into_iter();
    let live = leases.filter(|lease| !lease.is_dead());
    let mut stages: Vec<_> = live
        .map(|lease| LiveStage {
            stage_id: lease.stage_id,
            host: lease.host,
            pid: lease.pid,
            started_ms: lease.started_ms,
        })
        .collect();
    stages.sort_by_key(|stage| stage.started_ms);
    Ok(stages)
}

/// Reads the leases of a table, whosoever they are.
///
/// # Errors
/// The store can't be read.
pub(crate) async fn read_leases(location: &Location) -> Result<Vec<LeaseRecord>, Error> {
    let directory = lease_directory(location)?;
    let failed = |source| Error::store(&directory, source);
    let listed = location.store().list(Some(&directory));
    let files: Vec<_> = listed.try_collect().await.map_err(failed)?;
    let reads = files.into_iter().map(|file| {
        let store = Arc::clone(location.store());
        async move { read_lease(store.as_ref(), &file.location).await }
    });
    let found: Vec<_> = stream::iter(reads)
        .buffer_unordered(MAX_CONCURRENT_REQUESTS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Reads a lease; None if it was given up just now, or isn't one of ours.
async fn read_lease(store: &dyn ObjectStore, path: &Path) -> Result<Option<LeaseRecord>, Error> {
    let found = match store.get(path).await {
        Ok(found) => found.bytes().await,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => Err(error),
    };
    let bytes = found.map_err(|source| Error::store(path, source))?;
    Ok(serde_json::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use crate::testing;

    #[test]
    fn a_lease_is_named_by_its_stage() {
        let location = Location::try_new("memory:///a%20table", &HashMap::new(), None).unwrap();
        assert_eq!(
            lease_directory(&location).unwrap().as_ref(),
            "a table/_dfd/stages"
        );
        let path = lease_path(&location, "0-1").unwrap();
        assert_eq!(path.as_ref(), "a table/_dfd/stages/0-1.json");
    }

    #[test]
    fn the_lease_of_this_process_lives() {
        let record = LeaseRecord::for_this_process("id");
        assert!(!record.is_dead());
        assert_eq!(record.pid, std::process::id());
        assert_eq!(record.expires_ms - record.started_ms, 600_000);
        assert!(record.process_start.is_some());
    }

    #[test]
    fn the_lease_of_a_process_that_is_gone_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let mut record = LeaseRecord::for_this_process("id");
        record.pid = child.id();
        assert!(record.is_dead());
        let mut reused = LeaseRecord::for_this_process("id");
        reused.process_start = reused.process_start.map(|ticks| ticks + 1);
        assert!(reused.is_dead());
    }

    #[test]
    fn a_lease_of_elsewhere_is_believed_until_it_expires() {
        let mut record = LeaseRecord::for_this_process("id");
        record.host = "elsewhere".to_owned();
        record.process_start = Some(0);
        assert!(!record.is_dead());
        record.expires_ms = Utc::now().timestamp_millis() - 1;
        assert!(record.is_dead());
        let mut unknown = LeaseRecord::for_this_process("id");
        unknown.namespace = None;
        unknown.process_start = Some(0);
        assert!(!unknown.is_dead());
    }

    #[test]
    fn leases_are_written_read_and_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let location = testing::location(directory.path());
        let work = async {
            let lease = StageLease::begin(&location, "mine").await?;
            let others = directory.path().join("_dfd/stages/other.json");
            std::fs::write(&others, r#"{"of": "another kind"}"#).unwrap();
            let found = read_leases(&location).await?;
            lease.give_up(&location).await?;
            lease.give_up(&location).await?;
            Ok::<_, Error>((found, read_leases(&location).await?))
        };
        let (found, after) = dfd_runtime::block_on(work).unwrap().unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|record| record.stage_id.as_str())
            .collect();
        assert_eq!(ids, ["mine"]);
        assert!(after.is_empty());
        assert_eq!(
            testing::files_below(directory.path()),
            ["_dfd/stages/other.json"]
        );
    }

    #[test]
    fn the_stages_at_work_are_told_the_oldest_first() {
        let directory = tempfile::tempdir().unwrap();
        let location = testing::location(directory.path());
        let work = async {
            for (id, started_ms, host) in [("new", 3, "here"), ("gone", 1, "here"), ("old", 2, "")]
            {
                let mut record = LeaseRecord::for_this_process(id);
                record.started_ms = started_ms;
                if id == "gone" {
                    record.process_start = None;
                } else if host.is_empty() {
                    // Of elsewhere: nothing is known of its process.
                    record.host = "elsewhere".to_owned();
                    record.pid = 0;
                }
                record.write(&location, &lease_path(&location, id)?).await?;
            }
            live_stages(&location).await
        };
        let found = dfd_runtime::block_on(work).unwrap().unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|stage| (stage.stage_id.as_str(), stage.started_ms, stage.pid))
            .collect();
        assert_eq!(told, [("old", 2, 0), ("new", 3, std::process::id())]);
        assert_eq!(found[0].host, "elsewhere");
    }

    #[test]
    fn the_text_of_a_lease_is_known_to_others() {
        let record = LeaseRecord::for_this_process("id");
        let text = serde_json::to_value(&record).unwrap();
        let mut keys: Vec<_> = text
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "expires_ms",
                "host",
                "namespace",
                "pid",
                "process_start",
                "stage_id",
                "started_ms"
            ]
        );
    }
}
