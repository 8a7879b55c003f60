//! Whole plans of another library's session, planned and run in a DataFusion of our own.
//!
//! ```text
//!   bytes ──decode──> LogicalPlan ──plan──> Prepared ──start──> Run ──> batches
//!         (HostCodec)              (our caches, stores,         (on our threads,
//!                                   memory, functions)           stopped when dropped)
//! ```
//!
//! What can't be decoded, planned, or comes back with another schema is a [`Refusal`], before
//! anything has run: the caller may then run the query where it came from.

mod applied;
mod codec;
mod cooperative;
mod engine;
mod row_filters;
mod run;
mod stores;
mod views;

pub use codec::{Accepts, HostCodec};
pub use engine::{Engine, Limits, Prepared, Refusal};
pub use run::{Next, Run};
