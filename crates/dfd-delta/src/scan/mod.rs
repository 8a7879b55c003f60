//! Scans of a snapshot: which files, which rows, and how sessions of other libraries see them.

pub(crate) mod builder;
pub(crate) mod comparisons;
pub(crate) mod cut_files;
pub(crate) mod located_files;
pub(crate) mod located_rows;
pub(crate) mod misread_columns;
pub(crate) mod opaque_exec;
pub(crate) mod opaque_table;
pub(crate) mod projection;
pub(crate) mod provider;
pub(crate) mod pruning;
pub(crate) mod registered_provider;
pub(crate) mod relation;
pub(crate) mod request;
pub(crate) mod rewrite_input;
