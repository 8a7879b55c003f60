//! Delta tables as DataFusion tables.
//!
//! ```text
//!   log          commits: their actions, put and read by number
//!   snapshot     one version: schema, files, statistics, deletion vectors; the cache of versions
//!   files        a data file: its add action, its footer, the table's names for its columns
//!   change_feed  what versions changed: the files to read, and which of their rows
//!   scan         DeltaTableProvider -> plan -> DeltaScanExec (opaque, for foreign sessions)
//!   plan_codec   tables, scans and filters in serialized plans
//!   session_catalog  the tables of a foreign session by name, for each planning the newest version
//! ```
//!
//! A scan is built from the snapshot's files: one `PartitionedFile` per add action, with its
//! statistics, its partition values, and its deletion vector as a row selection. A table with a
//! feature that this doesn't honour is refused by its name.

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod change_feed;
mod change_feed_error;
mod error;
mod error_fields;
mod files;
mod log;
mod log_store;
mod metadata_tables;
mod overlay_store;
mod plan_codec;
mod scan;
mod session_catalog;
mod snapshot;
mod table_features;
mod table_files;
#[cfg(test)]
mod test_tables;
mod url_names;

pub use change_feed::ChangeFeed;
pub use change_feed_error::{ChangeFeedError, ChangesGone};
pub use error::{Error, cast, causes, gone_file, told};
pub use error_fields::ErrorFields;
pub use files::deletion_vector::{VectorFile, inline_vector};
pub use files::parquet_metadata::{CREATED_BY, without_bounds};
pub use log::{
    ActiveFile, ActiveFiles, Add, Commit, CommitInfo, DefinitionChange, ExistingFile, Fields,
    LogLength, LoggedCommit, TableDescription, check_name, commit, commits_since, log_length,
    put_commit,
};
pub use metadata_tables::{cache_stats, caches, files, history, registered};
pub use plan_codec::codec::{DeltaCodec, Resolve};
pub use plan_codec::filter_codec::FilterCodec;
pub use plan_codec::registry::RegistrationScope;
pub use scan::builder::with_types;
pub use scan::comparisons::exact_comparisons;
pub use scan::cut_files::{CutFile, RowSet};
pub use scan::located_files::LocatedFiles;
pub use scan::located_rows::{FILE_COLUMN, LocatedRows, ROW_COLUMN};
pub use scan::opaque_exec::DeltaScanExec;
pub use scan::opaque_table::OpaqueTable;
pub use scan::projection::widened_projection;
pub use scan::provider::DeltaTableProvider;
pub use scan::relation::Relation;
pub use scan::rewrite_input::RewriteInput;
pub use session_catalog::{CatalogList, RegisteredTable, pins};
pub use snapshot::cache::{set_snapshot_limit, snapshot_limit};
pub use snapshot::{
    At, FollowedTable, Freshness, OpeningCost, QueryVersions, Restore, TableSnapshot, opening_cost,
};
pub use table_features::{Work, table_features, unsupported};
pub use table_files::{list_files, read_file, tables_beneath};
