//! One version of a table, ready to be scanned many times; the cache of such versions, and tables whose newest is followed.

mod active_files;
mod at;
pub(crate) mod cache;
pub(crate) mod followed_table;
pub(crate) mod in_use;
mod log_checks;
mod log_fault;
mod log_files;
pub(crate) mod log_mend;
mod open;
mod opening_cost;
pub(crate) mod query_versions;
pub(crate) mod readable_log;
mod redefined;
mod restore;
mod table_snapshot;
#[cfg(test)]
mod tests;
mod time_travel;

pub use self::at::At;
pub use self::followed_table::{FollowedTable, Freshness};
pub use self::opening_cost::{OpeningCost, opening_cost};
pub use self::query_versions::QueryVersions;
pub use self::restore::Restore;
pub use self::table_snapshot::TableSnapshot;
pub(crate) use self::table_snapshot::unsupported_feature;
