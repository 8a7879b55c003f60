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
