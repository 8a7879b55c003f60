//! The log: actions as they are written, commits by number.

mod actions;
mod active_files;
mod commit;
pub(crate) mod commit_file;
mod commits_since;
pub(crate) mod definition;
mod fields;
mod length;
pub(crate) mod listing;

pub use self::actions::{Add, CommitInfo, ExistingFile};
pub use self::active_files::{ActiveFile, ActiveFiles};
pub use self::commit::{Commit, commit};
pub use self::commit_file::put_commit;
pub use self::commits_since::{LoggedCommit, commits_since};
pub use self::definition::{DefinitionChange, TableDescription, check_name};
pub use self::fields::Fields;
pub use self::length::{LogLength, log_length};
