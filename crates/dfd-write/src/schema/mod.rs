//! What a table asks of its rows, and how rows of a stream become rows of the table.
//!
//! Lowest of the folders: nothing here knows of files or plans.

pub(crate) mod constraints;
pub(crate) mod delta_types;
pub(crate) mod evolution;
pub(crate) mod expressions;
pub(crate) mod features;
pub(crate) mod local_times;
pub(crate) mod metadata;
pub(crate) mod partitions;
pub(crate) mod requirements;
pub(crate) mod scope;
pub(crate) mod stats_paths;
pub(crate) mod transform;
pub(crate) mod type_pairs;
