//! Data files: what the log and their footers say of them, under the names of the table.

pub(crate) mod changed_in;
pub(crate) mod column_mapping;
pub(crate) mod column_names;
pub(crate) mod data_file;
pub(crate) mod deletion_vector;
pub(crate) mod exact_columns;
pub(crate) mod file_set;
pub(crate) mod filled_fields;
pub(crate) mod footer_reads;
pub(crate) mod log_file;
pub(crate) mod log_values;
pub(crate) mod parquet_metadata;
pub(crate) mod scan_columns;
pub(crate) mod statistics;
pub(crate) mod vector_reader;
