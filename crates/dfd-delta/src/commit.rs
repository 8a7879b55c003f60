//! Versions of a table, put into its log.

use object_store::PutMode;
use object_store::path::Path;

use crate::error::Error;
use dfd_runtime::Location;

/// Where the commit of a version is.
pub(crate) fn commit_path(location: &Location, version: u64) -> Result<Path, Error> {
    let table = Path::from_url_path(location.url().path());
    let table = table.map_err(|error| dfd_runtime::Error::Location {
        uri: location.url().to_string(),
        reason: error.to_string(),
    })?;
    Ok(table.join("_delta_log").join(format!("{version:020}.json")))
}

/// Put the commit of `version` as it is, in one step; false where there is one already.
///
/// # Errors
/// The store fails; whether the commit is there isn't known then.
pub async fn put_commit(
    location: &Location,
    version: u64,
    actions: Vec<u8>,
) -> Result<bool, Error> {
    let path = commit_path(location, version)?;
    let put = location
        .store()
        .put_opts(&path, actions.into(), PutMode::Create.into());
    match put.await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(source) => Err(Error::Commit {
            uri: location.url().to_string(),
            version,
            source: Box::new(source),
        }),
    }
}
