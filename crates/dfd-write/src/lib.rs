//! Streams into the data files of a Delta table, under the table's rules, without a commit.

mod cancellation;
mod error;
mod files;
mod first_error;
mod lease;
mod plan;
mod rewrite;
mod schema;
mod stage;
mod staged;

pub use cancellation::CancellationToken;
pub use error::{Error, RuleViolation, SourceError};
pub use files::compression::Compression;
pub use lease::{AbandonedStage, abandoned_stages};
pub use plan::shared_stream::Input;
pub use rewrite::{Rewrite, rewrite};
pub use schema::requirements::Rules;
pub use stage::{Settings, stage};
pub use staged::{Added, StagedFiles};
