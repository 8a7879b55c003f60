//! What stages left whose process is gone.

use std::collections::HashSet;

use dfd_runtime::Location;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::Error;
use crate::files::storage::{delete_if_exists, table_root};
use crate::lease::{LeaseRecord, lease_path, read_leases};
use crate::snapshot::open_if_exists;

/// A stage whose process was killed, or that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbandonedStage {
    /// The id that is in the names of its files.
    pub stage_id: String,
    /// Host on which it ran.
    pub host: String,
    /// Process that staged.
    pub pid: u32,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
    /// Until when it was believed to live, in milliseconds since the epoch.
    pub expires_ms: i64,
    /// Paths of the files that are there and in no version of the table, relative to the table.
    pub files: Vec<String>,
    /// Size of the files.
    pub bytes: u64,
}

impl From<LeaseRecord> for AbandonedStage {
    fn from(lease: LeaseRecord) -> Self {
        Self {
            stage_id: lease.stage_id,
            host: lease.host,
            pid: lease.pid,
            started_ms: lease.started_ms,
            expires_ms: lease.expires_ms,
            files: Vec::new(),
            bytes: 0,
        }
    }
}

/// Finds the stages of a table whose process is gone.
///
/// Nothing of the table is touched. The lease of a stage of which nothing is left is removed.
///
/// # Errors
/// The store or the log can't be read.
pub async fn abandoned_stages(location: &Location) -> Result<Vec<AbandonedStage>, Error> {
    let leases = read_leases(location).await?.into_iter();
    let dead = leases.filter(LeaseRecord::is_dead);
    let mut stages: Vec<_> = dead.map(AbandonedStage::from).collect();
    if stages.is_empty() {
        return Ok(stages);
    }
    let root = table_root(location)?;
    let of_versions = version_files(location).await?;
    let mut listed = location.store().list(Some(&root));
    while let Some(found) = listed.next().await {
        let file = found.map_err(|source| Error::store(&root, source))?;
        if !of_versions.contains(&file.location)
            && let Some(stage) = stage_of(&mut stages, &file)
        {
            stage.files.extend(relative_path(&file.location, &root));
            stage.bytes += file.size;
        }
    }
    for stage in stages.iter().filter(|stage| stage.files.is_empty()) {
        let lease = lease_path(location, &stage.stage_id)?;
        // Who may only read leaves it.
        let _kept = delete_if_exists(location, &lease).await;
    }
    stages.retain(|stage| !stage.files.is_empty());
    stages.sort_by_key(|stage| stage.started_ms);
    Ok(stages)
}

/// Finds the stage whose id is in the name of a data file.
fn stage_of<'a>(
    stages: &'a mut [AbandonedStage],
    file: &ObjectMeta,
) -> Option<&'a mut AbandonedStage> {
    let name = file.location.filename()?;
    if !name.ends_with(".parquet") {
        return None;
    }
    stages
        .iter_mut()
        .find(|stage| name.contains(&format!("-{}-", stage.stage_id)))
}

fn relative_path(path: &Path, root: &Path) -> Option<String> {
    let parts = path.prefix_match(root)?;
    let names: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
    Some(names.join("/"))
}

/// The files of the newest version, and those of older ones that its log still knows.
async fn version_files(location: &Location) -> Result<HashSet<Path>, Error> {
    let Some(snapshot) = open_if_exists(location).await? else {
        return Ok(HashSet::new());
    };
    let mut paths = snapshot.paths()?;
    paths.extend(snapshot.removed_paths().await?);
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path as DiskPath;

    use crate::Settings;
    use crate::testing::{Table, batch, column, commit, files_below, int64s, location, stage_into};

    fn leave(directory: &DiskPath, stage_id: &str, started_ms: i64, files: &[&str]) {
        let stages = directory.join("_dfd/stages");
        std::fs::create_dir_all(&stages).unwrap();
        let lease = serde_json::json!({
            "stage_id": stage_id, "host": "elsewhere", "namespace": null, "pid": 1,
            "process_start": null, "started_ms": started_ms, "expires_ms": started_ms + 1,
        });
        std::fs::write(stages.join(format!("{stage_id}.json")), lease.to_string()).unwrap();
        for file in files {
            let path = directory.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "1234").unwrap();
        }
    }

    fn abandoned(directory: &DiskPath) -> Vec<AbandonedStage> {
        dfd_runtime::block_on(abandoned_stages(&location(directory)))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn files_of_dead_stages_are_found_by_their_names() {
        let directory = tempfile::tempdir().unwrap();
        Table::new(&[column("a", "long", true)]).create(directory.path());
        leave(
            directory.path(),
            "late",
            2,
            &["p=1/part-0-late-c000.parquet"],
        );
        leave(
            directory.path(),
            "early",
            1,
            &[
                "part-0-early-c000.parquet",
                "part-1-early-c000.parquet",
                "early.txt",
                "part-earlyish.parquet",
            ],
        );
        let found = abandoned(directory.path());
        let ids: Vec<_> = found.iter().map(|stage| stage.stage_id.as_str()).collect();
        assert_eq!(ids, ["early", "late"]);
        assert_eq!((found[0].files.len(), found[0].bytes), (2, 8));
        assert_eq!(found[1].files, ["p=1/part-0-late-c000.parquet"]);
        // Nothing was touched.
        assert_eq!(abandoned(directory.path()), found);
    }

    #[test]
    fn the_lease_of_a_stage_that_left_nothing_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        leave(directory.path(), "empty", 1, &[]);
        assert!(abandoned(directory.path()).is_empty());
        assert!(files_below(directory.path()).is_empty());
    }

    #[test]
    fn files_of_a_version_are_the_tables() {
        let directory = tempfile::tempdir().unwrap();
        Table::new(&[column("a", "long", true)]).create(directory.path());
        let rows = batch(vec![("a", int64s([Some(1)]))]);
        let staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
        commit(directory.path(), 1, &staged);
        leave(directory.path(), staged.id(), 1, &[]);
        assert!(abandoned(directory.path()).is_empty());
    }

    #[test]
    fn a_stage_that_lives_is_not_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let rows = batch(vec![("a", int64s([Some(1)]))]);
        let _staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
        assert!(abandoned(directory.path()).is_empty());
        assert_eq!(files_below(directory.path()).len(), 2);
    }
}
