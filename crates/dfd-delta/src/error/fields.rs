//! What a program can read of an error, beside its text.

use std::error::Error;

use object_store::Error as StoreError;
use object_store::path::Path;
use url::Url;

use crate::error::text::cast;

/// Where an error is, and what it is about; what isn't known is None.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorFields {
    /// The table, or its location.
    pub uri: Option<String>,
    /// The version of the table.
    pub version: Option<u64>,
    /// A file, from the table's root, or from that of its store where it isn't below the table.
    pub path: Option<String>,
    /// A column of the table or of the stream.
    pub column: Option<String>,
    /// A row of the stream, counted from 0.
    pub row: Option<u64>,
    /// A rule of the table by its name.
    pub rule: Option<String>,
    /// The rule's expression, as the table has it.
    pub expression: Option<String>,
    /// Values of the row by column.
    pub values: Option<Vec<(String, String)>>,
}

impl ErrorFields {
    /// These, and those of `other` that aren't known here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            uri: self.uri.or(other.uri),
            version: self.version.or(other.version),
            path: self.path.or(other.path),
            column: self.column.or(other.column),
            row: self.row.or(other.row),
            rule: self.rule.or(other.rule),
            expression: self.expression.or(other.expression),
            values: self.values.or(other.values),
        }
    }
}

/// The file that the error of a store is about, from the root of the table at `uri`.
pub(super) fn path_of_store_error(error: &(dyn Error + 'static), uri: &str) -> Option<String> {
    let mut current = Some(error);
    while let Some(link) = current {
        if let Some(
            StoreError::NotFound { path, .. }
            | StoreError::AlreadyExists { path, .. }
            | StoreError::Precondition { path, .. }
            | StoreError::NotModified { path, .. }
            | StoreError::PermissionDenied { path, .. }
            | StoreError::Unauthenticated { path, .. },
        ) = cast::<StoreError>(link)
        {
            let url = Url::parse(uri).ok()?;
            return Some(below(&url, path));
        }
        current = link.source();
    }
    None
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
