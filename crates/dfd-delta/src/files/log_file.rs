//! What a log says of a data file.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use deltalake_core::kernel::LogicalFileView;

/// A data file, as an action names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFile {
    /// Decoded.
    pub path: String,
    /// In bytes.
    pub size: i64,
    /// In milliseconds since 1970.
    pub modification_time: i64,
    /// As JSON.
    pub stats: Option<String>,
    /// By physical name.
    pub partition_values: HashMap<String, Option<String>>,
    /// The values of the last partition columns of the scan, where these aren't in the log.
    pub constants: Vec<ScalarValue>,
    /// Stored rows that a selection leaves out; None without one.
    pub deleted_rows: Option<u64>,
}

impl From<&LogicalFileView> for LogFile {
    fn from(file: &LogicalFileView) -> Self {
        let deleted = file.deletion_vector_descriptor();
        Self {
            path: file.path().into_owned(),
            size: file.size(),
            modification_time: file.modification_time(),
            stats: file.stats(),
            partition_values: file.partition_values_map(),
            constants: Vec::new(),
            deleted_rows: deleted
                .map(|vector| u64::try_from(vector.cardinality).unwrap_or(u64::MAX)),
        }
    }
}
