//! The files in a table's folder as they are, whatever its log says of them.

use bytes::Bytes;
use dfd_runtime::Location;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Error;
use crate::log::commit_file::table_path;

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
}
