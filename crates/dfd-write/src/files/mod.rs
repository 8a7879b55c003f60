//! Rows of the table into its data files.

pub mod compression;
pub mod footer;
pub mod properties;
pub mod stats;
pub mod upload;
pub mod writer;
