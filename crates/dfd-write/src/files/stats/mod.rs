//! Statistics of a data file, as its add action has them.

pub(crate) mod bounds;
pub(crate) mod collector;
pub(crate) mod columns;
