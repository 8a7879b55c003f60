//! Delta tables as DataFusion tables.
//!
//! ```text
//!   Location ──> TableSnapshot ──────────────> DeltaTableProvider ──> scan plan ──> Leaf
//!   (store)      (schema, files, statistics,   (pushdown, pruning)    (Parquet)     (opaque,
//!                 deletion vectors)                                                  own runtime)
//! ```
//!
//! A scan is built from the snapshot's files: one `PartitionedFile` per add action, with its
//! statistics, its partition values, and its deletion vector as a row selection. What that can't
//! express is left to deltalake-core's own `DeltaScan`; [`TableSnapshot::fallback`] says why.

mod actions;
mod border;
mod caches;
mod chosen;
mod codec;
mod column_names;
mod commit;
mod deletion;
mod error;
mod files;
mod footers;
mod hidden;
mod kept;
mod leaf;
mod mapping;
mod misread;
mod provider;
mod pruning;
mod requests;
mod runtime;
mod shared;
mod snapshot;
mod store;
mod tables;
mod values;

pub use border::BorderCodec;
pub use caches::{CacheStats, footer_cache};
pub use chosen::ChosenFile;
pub use codec::{DeltaCodec, Resolve};
pub use commit::put_commit;
pub use error::Error;
pub use footers::{CREATED_BY, without_bounds};
pub use hidden::Hidden;
pub use kept::Crossing;
pub use leaf::Leaf;
pub use provider::{DeltaTableProvider, with_types};
pub use requests::request_counts;
pub use runtime::{block_on, blocking, handle as runtime_handle, stores, task_context_provider};
pub use snapshot::{At, TableSnapshot};
pub use store::Location;
pub use tables::{cache_stats, caches, changes, files, history};
