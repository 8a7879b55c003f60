//! The change feed: which rows the versions of a table inserted, updated and deleted.
//!
//! ```text
//!   versions      schema, properties and features at each version of a range, which must fit
//!   commit        the actions of one version
//!   changes       which rows of which files these changed
//!   data_files    those files, as a scan reads them
//!   feed          ChangeFeed: all of it, for a range of versions
//! ```
//!
//! Protocol, "Change Data Files": a commit with `cdc` actions has its changes in the files that
//! these name, row by row; of any other commit they are the rows of the files that it added and removed.
//! Two sets of files are scanned therefore, with what is the same for a file as values of partition columns.

mod changes;
mod commit;
mod data_files;
mod feed;
mod schema_fit;
#[cfg(test)]
mod tests;
mod versions;

pub use self::feed::ChangeFeed;
