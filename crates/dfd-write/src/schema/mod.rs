//! What a table asks of its rows, and how rows of a stream become rows of the table.

pub mod constraints;
pub mod delta_types;
pub mod expressions;
pub mod metadata;
pub mod partitions;
pub mod requirements;
pub mod transform;
