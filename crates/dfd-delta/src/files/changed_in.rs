//! Files whose rows are read for what a version changed in them.

use object_store::path::Path;

use crate::change_feed_error::ChangesGone;

/// The version that changed the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangedIn {
    /// Of the table.
    pub version: u64,
}

impl ChangedIn {
    /// The error for a file that isn't there.
    pub(crate) fn gone(self, path: &Path) -> ChangesGone {
        ChangesGone {
            path: path.to_string(),
            version: self.version,
        }
    }
}
