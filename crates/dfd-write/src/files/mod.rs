//! Rows of the table into its data files, and those files in the table's store.

pub(crate) mod dictionaries;
pub(crate) mod encoder;
pub(crate) mod file_upload;
pub(crate) mod footer;
pub(crate) mod patched_file;
pub(crate) mod physical;
pub(crate) mod properties;
pub(crate) mod stage_files;
pub(crate) mod stats;
pub(crate) mod storage;
pub(crate) mod upload;
pub(crate) mod writer;
