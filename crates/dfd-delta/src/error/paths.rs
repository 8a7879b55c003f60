//! Paths of files, from the root of their table.

use std::error::Error;

use object_store::Error as StoreError;
use object_store::path::Path;
use url::Url;

use crate::error::text::find;

/// The file that the error of a store is about, from the root of the table at `uri`.
pub(super) fn path_of_store_error(error: &(dyn Error + 'static), uri: &str) -> Option<String> {
    let (StoreError::NotFound { path, .. }
    | StoreError::AlreadyExists { path, .. }
    | StoreError::Precondition { path, .. }
    | StoreError::NotModified { path, .. }
    | StoreError::PermissionDenied { path, .. }
    | StoreError::Unauthenticated { path, .. }) = find::<StoreError>(error)?
    else {
        return None;
    };
    Some(below(&Url::parse(uri).ok()?, path))
}

/// A path in a store as the log of the table at `root` would have it.
pub(crate) fn below(root: &Url, path: &str) -> String {
    let root = Path::from_url_path(root.path()).unwrap_or_default();
    let inside = path
        .trim_start_matches('/')
        .strip_prefix(root.as_ref())
        .map(|rest| rest.trim_start_matches('/'));
    inside.unwrap_or(path).to_owned()
}
