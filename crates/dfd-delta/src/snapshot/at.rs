//! Versions of a table, as a reader asks for them.

use chrono::{DateTime, Utc};

/// Which version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The newest there is.
    Newest,
    /// This one.
    Version(u64),
    /// The newest that was there at this time.
    Time(DateTime<Utc>),
}
