//! Streams into the data files of a Delta table, under the table's rules, without a commit.

mod bounds;
mod checks;
mod compression;
mod conform;
mod error;
mod expressions;
mod fields;
mod lease;
mod leaves;
mod memory;
mod partitions;
mod pipeline;
mod plain;
mod rules;
mod source;
mod spark_functions;
mod spark_literals;
mod spark_sql;
mod spark_types;
mod staged;
mod statistics;
mod stop;
mod upload;
mod writer;

pub use compression::Compression;
pub use conform::Conform;
pub use error::{Error, RuleViolation};
pub use lease::{AbandonedStage, abandoned_stages};
pub use partitions::Partition;
pub use pipeline::{Settings, stage};
pub use rules::Rules;
pub use source::{Input, SourceError};
pub use staged::{Added, StagedFiles};
pub use statistics::Collector;
pub use stop::Stop;
