//! Statistics of a data file.

pub mod bounds;
pub mod collector;
pub mod columns;
