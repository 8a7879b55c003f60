//! Files and folders as they are, whatever a log says of them.

use bytes::Bytes;
use dfd_runtime::Location;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Error;
use crate::log::commit_file::table_path;

const LOOKS_AT_ONCE: usize = 16;

/// The paths of all files below a folder of a table, from the table's root; none where there is no such folder.
///
/// # Errors
/// The store can't be read.
pub async fn list_files(location: &Location, folder: &str) -> Result<Vec<String>, Error> {
    let root = table_path(location)?;
    let below = place(location, folder)?;
    let listed = location.store().list(Some(&below));
    let paths = listed.try_filter_map(async |file| Ok(from_root(&file.location, &root)));
    let paths = paths.try_collect().await;
    paths.map_err(|error| Error::table(location.url(), error))
}

/// The names of the folders right beneath one that have the log of a table in them, sorted.
///
/// # Errors
/// The store can't be read.
pub async fn tables_beneath(location: &Location) -> Result<Vec<String>, Error> {
    let root = table_path(location)?;
    let store = location.store();
    let with_log = async |folder: Path| {
        let log = folder.clone().join("_delta_log");
        let first = store.list(Some(&log)).try_next().await?;
        Ok(first.and_then(|_| from_root(&folder, &root)))
    };
    let found = async {
        let listed = store.list_with_delimiter(Some(&root)).await?;
        let folders = stream::iter(listed.common_prefixes);
        let names = folders.map(with_log).buffered(LOOKS_AT_ONCE);
        let names = names.try_filter_map(async |name| Ok(name));
        names.try_collect::<Vec<_>>().await
    };
    let mut names = found
        .await
        .map_err(|error: object_store::Error| Error::table(location.url(), error))?;
    names.sort();
    Ok(names)
}

/// The content of a file, by its path from the table's root.
///
/// # Errors
/// It isn't there, or the store can't be read.
pub async fn read_file(location: &Location, path: &str) -> Result<Bytes, Error> {
    let store = location.store();
    let at = place(location, path)?;
    let read = async { store.get(&at).await?.bytes().await };
    read.await
        .map_err(|error| Error::file(location.url(), path, error))
}

fn place(location: &Location, path: &str) -> Result<Path, Error> {
    let root = table_path(location)?;
    let place = Path::parse(format!("{root}/{path}"));
    place.map_err(|error| Error::file(location.url(), path, error))
}

fn from_root(path: &Path, root: &Path) -> Option<String> {
    let parts: Vec<_> = path.prefix_match(root)?.collect();
    let names: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{TestTable, field, run};

    #[test]
    fn files_are_listed_and_read_by_their_paths() {
        let table = TestTable::named("a b%20é", &[]);
        table.commit(1, &[field("a", "long")]);
        for path in ["p=x%2Fy/ü #.parquet", "_delta_log/_sidecars/s.parquet"] {
            let file = table.path(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, path).unwrap();
        }
        let location = table.location();
        let mut all = run(list_files(&location, "")).unwrap();
        all.sort();
        let commits = [0, 1].map(|version| format!("_delta_log/{version:020}.json"));
        let [first, second] = &commits;
        let wanted = [
            first,
            second,
            "_delta_log/_sidecars/s.parquet",
            "p=x%2Fy/ü #.parquet",
        ];
        assert_eq!(all, wanted);
        let log = run(list_files(&location, "_delta_log")).unwrap();
        assert_eq!(log.len(), 3);
        assert_eq!(run(list_files(&location, "nowhere")).unwrap(), [""; 0]);
        for path in &wanted[2..] {
            assert_eq!(run(read_file(&location, path)).unwrap(), path.as_bytes());
        }
        let error = run(read_file(&location, "p=x%2Fy/gone")).unwrap_err();
        assert!(matches!(&error, Error::File { path, .. } if path == "p=x%2Fy/gone"));
    }

    #[test]
    fn tables_are_folders_with_a_log() {
        let lake = TestTable::named("lake", &[]);
        for file in [
            "b %20é/_delta_log/0.json",
            "a/_delta_log/0.json",
            "plain/0.json",
            "deep/c/_delta_log/0.json",
            "file",
        ] {
            let file = lake.path(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "{}").unwrap();
        }
        std::fs::create_dir_all(lake.path("empty/_delta_log")).unwrap();
        let found = run(tables_beneath(&lake.location())).unwrap();
        assert_eq!(found, ["a", "b %20é"]);
    }
}
