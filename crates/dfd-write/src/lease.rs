//! What a stage leaves in the table while it lives, so that a killed one is found.
//!
//! `_dfd/stages/<stage_id>.json` says which process stages, and until when that has to be believed;
//! readers and vacuum pass directories by whose name starts with an underscore.

use std::collections::HashSet;
use std::fs::read_to_string;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use dfd_delta::{At, Location, TableSnapshot};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::error::Error;

/// How long a lease is believed without being renewed.
const EXPIRES_AFTER: Duration = Duration::from_secs(600);
const RENEWED_EVERY: Duration = Duration::from_secs(120);
/// Leases that are read at once.
const AT_ONCE: usize = 16;

/// Who stages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    stage_id: String,
    host: String,
    /// What process ids are unique in: a boot and a namespace.
    namespace: Option<String>,
    pid: u32,
    /// A process of the same id that started at another time is another one.
    process_start: Option<u64>,
    started_ms: i64,
    expires_ms: i64,
}

impl Lease {
    fn of_this_process(stage_id: &str) -> Self {
        let pid = std::process::id();
        let now = Utc::now().timestamp_millis();
        Self {
            stage_id: stage_id.to_owned(),
            host: host(),
            namespace: namespace(),
            pid,
            process_start: process_start(pid),
            started_ms: now,
            expires_ms: expiry(now),
        }
    }

    fn is_dead(&self) -> bool {
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

fn expiry(now: i64) -> i64 {
    now.saturating_add(i64::try_from(EXPIRES_AFTER.as_millis()).unwrap_or(i64::MAX))
}

fn host() -> String {
    let name = read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| String::new(), |name| name.trim().to_owned())
}

/// Two containers may have one host name and the same process ids.
fn namespace() -> Option<String> {
    let boot = read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// In clock ticks since the boot; None where there is no such process.
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

fn directory(location: &Location) -> Result<Path, Error> {
    Ok(root(location)?.join("_dfd").join("stages"))
}

/// The table's root in its store.
pub fn root(location: &Location) -> Result<Path, Error> {
    Path::from_url_path(location.url().path())
        .map_err(|_| Error::Inconsistent("the table's URL has no path"))
}

/// A lease that is renewed until it is given up.
#[derive(Debug)]
pub struct Held {
    path: Path,
    renewal: JoinHandle<()>,
}

impl Held {
    /// Tell that this process stages, and go on telling it.
    pub async fn begin(location: &Location, stage_id: &str) -> Result<Self, Error> {
        let path = directory(location)?.join(format!("{stage_id}.json"));
        let mut lease = Lease::of_this_process(stage_id);
        lease.write(location, &path).await?;
        let renewed = (location.clone(), path.clone());
        let renewal = tokio::spawn(async move {
            let (location, path) = renewed;
            loop {
                tokio::time::sleep(RENEWED_EVERY).await;
                lease.expires_ms = expiry(Utc::now().timestamp_millis());
                // Next time, else: a lease outlives several that fail.
                let _failed = lease.write(&location, &path).await;
            }
        });
        Ok(Self { path, renewal })
    }

    /// Renew it no more, and remove it.
    pub async fn give_up(&self, location: &Location) -> Result<(), Error> {
        self.renewal.abort();
        remove(location, &self.path).await
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Remove what may be gone already.
pub async fn remove(location: &Location, path: &Path) -> Result<(), Error> {
    match location.store().delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(Error::store(path, source)),
    }
}

/// A stage whose process was killed, or that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbandonedStage {
    /// In the names of its files.
    pub stage_id: String,
    /// Where it ran.
    pub host: String,
    /// The process that staged.
    pub pid: u32,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
    /// Until when it was to be believed to live.
    pub expires_ms: i64,
    /// What is there of it and in no version of the table; relative to the table.
    pub files: Vec<String>,
    /// Their size.
    pub bytes: u64,
}

/// The stages of a table whose process is gone.
///
/// Nothing of the table is touched. The lease of a stage of which nothing is left is removed.
///
/// # Errors
/// The store or the log can't be read.
pub async fn abandoned_stages(location: &Location) -> Result<Vec<AbandonedStage>, Error> {
    let directory = directory(location)?;
    let mut dead = dead_leases(location, &directory).await?;
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let root = root(location)?;
    let of_versions = of_versions(location).await?;
    let mut listed = location.store().list(Some(&root));
    while let Some(found) = listed.next().await {
        let found = found.map_err(|source| Error::store(&root, source))?;
        let Some(name) = found.location.filename() else {
            continue;
        };
        let is_data = !of_versions.contains(&found.location) && name.ends_with(".parquet");
        let mut stages = dead.iter_mut();
        let stage = stages.find(|stage| name.contains(&format!("-{}-", stage.stage_id)));
        if let (true, Some(stage)) = (is_data, stage) {
            let relative = found.location.prefix_match(&root).map(|parts| {
                let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
                parts.join("/")
            });
            stage.files.extend(relative);
            stage.bytes += found.size;
        }
    }
    for stage in dead.iter().filter(|stage| stage.files.is_empty()) {
        let lease = directory.clone().join(format!("{}.json", stage.stage_id));
        // Who may only read leaves it.
        let _kept = remove(location, &lease).await;
    }
    dead.retain(|stage| !stage.files.is_empty());
    dead.sort_by_key(|stage| stage.started_ms);
    Ok(dead)
}

async fn dead_leases(location: &Location, directory: &Path) -> Result<Vec<AbandonedStage>, Error> {
    let store = location.store();
    let failed = |source| Error::store(directory, source);
    let listed: Vec<_> = store
        .list(Some(directory))
        .try_collect()
        .await
        .map_err(failed)?;
    let read = |path: Path| {
        let store = Arc::clone(store);
        async move {
            let found = match store.get(&path).await {
                Ok(found) => found.bytes().await,
                // It was given up just now.
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => Err(error),
            };
            let bytes = found.map_err(|source| Error::store(&path, source))?;
            // What isn't ours is left alone.
            Ok::<_, Error>(serde_json::from_slice::<Lease>(&bytes).ok())
        }
    };
    let leases: Vec<_> = futures::stream::iter(listed.into_iter().map(|meta| read(meta.location)))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let dead = leases.into_iter().flatten().filter(Lease::is_dead);
    Ok(dead
        .map(|lease| AbandonedStage {
            stage_id: lease.stage_id,
            host: lease.host,
            pid: lease.pid,
            started_ms: lease.started_ms,
            expires_ms: lease.expires_ms,
            files: Vec::new(),
            bytes: 0,
        })
        .collect())
}

/// The files of the newest version, and those of older ones that its log still knows.
async fn of_versions(location: &Location) -> Result<HashSet<Path>, Error> {
    let Some(snapshot) = open(location).await? else {
        return Ok(HashSet::new());
    };
    let mut paths = snapshot.paths()?;
    paths.extend(snapshot.removed_paths().await?);
    Ok(paths)
}

/// The newest version of the table; None where there is no table.
pub async fn open(location: &Location) -> Result<Option<Arc<TableSnapshot>>, Error> {
    match TableSnapshot::open(location.clone(), At::Newest).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(dfd_delta::Error::Table { .. }) => {
            let log = root(location)?.join("_delta_log");
            match location.store().list(Some(&log)).next().await {
                None => Ok(None),
                // Somebody may have made the table after the first look.
                Some(_) => Ok(Some(
                    TableSnapshot::open(location.clone(), At::Newest).await?,
                )),
            }
        }
        Err(error) => Err(error.into()),
    }
}
