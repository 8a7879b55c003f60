//! Streams into the data files of a Delta table, under the table's rules, without a commit.
//!
//! ```text
//!   Input ──> BatchTransform ──> sort, spill ──> RollingWriter ──> StagedFiles
//!             schema/            plan/           files/            added, requirements, release, discard
//! ```
//!
//! [`stage`] writes new rows, [`rewrite()`] the rows of files that a table has. What they give are files
//! with what their add actions say; whoever commits those releases them, and whoever drops them has them
//! removed. A lease in the table tells of a stage while it lives: [`live_stages`] finds those at work, and
//! [`abandoned_stages`] what was left by a process that was killed.
//!
//! ```
//! use std::collections::HashMap;
//! use std::sync::Arc;
//!
//! use arrow::array::{ArrayRef, Int64Array, RecordBatch};
//! use dfd_runtime::Location;
//! use dfd_write::{CancellationToken, Input, Settings, stage};
//! use futures::StreamExt;
//!
//! let directory = tempfile::tempdir()?;
//! let uri = format!("file://{}", directory.path().display());
//! let location = Location::try_new(&uri, &HashMap::new(), None)?;
//! let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
//! let batch = RecordBatch::try_from_iter([("id", ids)])?;
//! let input = Input {
//!     schema: batch.schema(),
//!     batches: futures::stream::iter([Ok(batch)]).boxed(),
//! };
//!
//! let settings = Settings::default();
//! let work = stage(location, input, settings, CancellationToken::new());
//! let staged = dfd_runtime::block_on(work)??;
//! assert_eq!(staged.added()[0].rows, 3);
//! assert!(staged.added()[0].stats.contains(r#""maxValues":{"id":3}"#));
//! // Nothing was committed, so that dropping it removes the file.
//! drop(staged);
//! assert_eq!(directory.path().read_dir()?.count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod abandoned;
mod cancellation;
mod changes;
mod error;
mod files;
mod first_error;
mod lease;
mod new_columns;
mod plan;
mod rewrite;
mod schema;
mod snapshot;
mod stage;
mod staged;
mod table_properties;
#[cfg(test)]
mod testing;

pub use abandoned::{AbandonedStage, abandoned_stages};
pub use cancellation::CancellationToken;
pub use changes::{ChangeRequest, Clause, ClauseRows, Merge, RowChange, Statement, change_rows};
pub use error::{Error, Rule, RuleViolation, SourceError};
pub use files::properties::Compression;
pub use files::stage_files::AddFile;
pub use lease::{LiveStage, live_stages};
pub use new_columns::add_columns;
pub use plan::shared_stream::Input;
pub use rewrite::{Rewrite, rewrite};
pub use schema::delta_types::Nulls;
pub use schema::evolution::SchemaMode;
pub use schema::requirements::{WriteRequirements, table_definition};
pub use stage::{Settings, stage};
pub use staged::StagedFiles;
pub use table_properties::change_properties;
