//! One version of a table, ready to be scanned many times, and the cache of such versions.

mod active_files;
mod at;
pub(crate) mod cache;
pub(crate) mod in_use;
mod log_checks;
mod log_fault;
mod open;
mod table_snapshot;
#[cfg(test)]
mod tests;
mod time_travel;

pub use self::at::At;
pub use self::table_snapshot::TableSnapshot;
pub(crate) use self::table_snapshot::unsupported_feature;
