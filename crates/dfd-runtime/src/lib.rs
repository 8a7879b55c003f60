//! What work on tables runs on: threads, sessions, object stores, and caches that count.
//!
//! ```text
//!   runtime          the tokio runtime of the process, and how other threads wait for it
//!   session          DataFusion sessions over one environment
//!   object_stores    Location: a table's root, its store, and the name of its profile
//!   caches           what they may hold, for how long, and how they are doing
//! ```
//!
//! Nothing here knows what a Delta table is.

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod caches;
mod error;
mod object_stores;
mod runtime;
mod session;

pub use caches::{
    CacheLimit, CacheLimits, CacheStats, Caches, cache_stats, parquet_metadata_cache,
};
pub use error::Error;
pub use object_stores::{CountingStore, Location, Verb, request_counts, stores, table_root};
pub use runtime::{block_on, blocking, catching, handle};
pub use session::{process_caches, session, task_context, task_context_provider};
