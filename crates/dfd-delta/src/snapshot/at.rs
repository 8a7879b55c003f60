//! Versions of a table, as a reader asks for them.

use chrono::{DateTime, Utc};

/// Which version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest there is.
    Newest,
    /// This one.
    Version(u64),
    /// The newest that was there at this time, by `inCommitTimestamp` where the table has it, and
    /// else by the times of the commits' files.
    Time(DateTime<Utc>),
}
