//! One version of a table, ready to be scanned many times; the cache of such versions, and the newest.

mod active_files;
mod at;
pub(crate) mod cache;
pub(crate) mod in_use;
pub(crate) mod latest;
mod log_checks;
mod log_fault;
mod log_files;
pub(crate) mod log_mend;
mod open;
pub(crate) mod query_versions;
pub(crate) mod readable_log;
mod redefined;
mod restore;
mod table_snapshot;
#[cfg(test)]
mod tests;
mod time_travel;

pub use self::at::At;
pub use self::latest::LatestSnapshot;
pub use self::query_versions::QueryVersions;
pub use self::restore::Restore;
pub use self::table_snapshot::TableSnapshot;
pub(crate) use self::table_snapshot::unsupported_feature;
