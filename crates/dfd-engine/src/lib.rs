//! Whole plans of a foreign session, planned and run in a DataFusion of our own.
//!
//! ```text
//!   bytes ──decode────────────> LogicalPlan ──plan──> PlannedQuery ──start──> RunningQuery ──> batches
//!         (ForeignPlanCodec)                (our caches, stores,    (on our threads,
//!                                            memory, functions)      stopped when dropped)
//! ```
//!
//! A foreign session is the session of another library. What can't be decoded, planned, or comes back with
//! another schema is an [`UnsupportedPlan`], before anything has run: the caller may then run the query where
//! it came from.
#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod ambiguous_function;
mod config;
mod date_trunc;
mod engine;
mod explain;
mod foreign_plan_codec;
mod memory_limit;
mod memory_pool;
mod planned_query;
mod rules;
mod running_query;
mod schema_mismatch;
mod second_try;
mod store_registry;
#[cfg(test)]
mod testing;
mod total_order;
mod unsupported_plan;

pub use config::EngineConfig;
pub use engine::Engine;
pub use foreign_plan_codec::{ForeignPlanCodec, UdfGuard};
pub use planned_query::PlannedQuery;
pub use running_query::RunningQuery;
pub use schema_mismatch::SchemaMismatch;
pub use unsupported_plan::UnsupportedPlan;
