//! Where a table's files are, in its store and on the disk.

use std::path::PathBuf;

use dfd_runtime::Location;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use url::Url;

use crate::error::Error;

/// Finds the table's root in its store.
pub(crate) fn table_root(location: &Location) -> Result<Path, Error> {
    Path::from_url_path(location.url().path())
        .map_err(|_| Error::Inconsistent("the table's URL has no path"))
}

/// Finds where `path` of the store of `table` is on the disk.
pub(crate) fn local_path(table: &Url, path: &Path) -> Result<PathBuf, Error> {
    let mut url = table.clone();
    let segments = url.path_segments_mut();
    segments
        .map_err(|()| Error::Inconsistent("the table's URL has no path"))?
        .clear()
        .extend(path.as_ref().split('/'));
    url.to_file_path()
        .map_err(|()| Error::Inconsistent("the table's URL is no path of a disk"))
}

/// Deletes what may be gone already.
pub(crate) async fn delete_if_exists(location: &Location, path: &Path) -> Result<(), Error> {
    match location.store().delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(Error::store(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn names_with_odd_characters_are_found_on_the_disk() {
        let table = Url::parse("file:///tmp/a%20table/").unwrap();
        let path = Path::parse("tmp/a table/p=%C3%A4 b/part.parquet").unwrap();
        assert_eq!(
            local_path(&table, &path).unwrap(),
            PathBuf::from("/tmp/a table/p=%C3%A4 b/part.parquet")
        );
        let bucket = Url::parse("s3://bucket/table/").unwrap();
        assert!(local_path(&bucket, &path).is_err());
    }

    #[test]
    fn the_root_is_a_path_of_the_store() {
        let location = Location::try_new("memory:///a%20b/c", &HashMap::new(), None).unwrap();
        assert_eq!(table_root(&location).unwrap().as_ref(), "a b/c");
    }

    #[test]
    fn what_is_gone_is_deleted_already() {
        let location = Location::try_new("memory:///t", &HashMap::new(), None).unwrap();
        let path = Path::from("t/part.parquet");
        let deleted = dfd_runtime::block_on(delete_if_exists(&location, &path)).unwrap();
        assert!(deleted.is_ok());
    }
}
