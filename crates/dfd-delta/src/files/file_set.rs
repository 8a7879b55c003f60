//! Data files that one scan reads under the same columns.

use std::sync::OnceLock;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::logical_expr::Expr;
use dfd_runtime::Location;

use crate::files::data_file::DataFile;
use crate::files::scan_columns::ScanColumns;

/// Files of one table, and the columns under which they are read.
#[derive(Debug)]
pub(crate) struct FileSet {
    /// Where the table is.
    pub location: Location,
    /// The version that has them.
    pub version: u64,
    /// The columns of their scan.
    pub columns: ScanColumns,
    /// In no order.
    pub files: Vec<DataFile>,
    whole: OnceLock<Statistics>,
}

impl FileSet {
    /// These files of a version of the table at `location`.
    pub(crate) fn new(
        location: Location,
        version: u64,
        columns: ScanColumns,
        files: Vec<DataFile>,
    ) -> Self {
        Self {
            location,
            version,
            columns,
            files,
            whole: OnceLock::new(),
        }
    }

    /// Whether there is no file.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether the values of partition columns alone say which rows match.
    ///
    /// So does a constant: what was a filter of partition columns when it was asked for may be one when it comes.
    pub(crate) fn is_partition_predicate(&self, filter: &Expr) -> bool {
        let is_partition = |name: &str| self.columns.partition.find(name).is_some();
        let mut columns = filter.column_refs().into_iter();
        columns.all(|column| is_partition(&column.name)) && !filter.is_volatile()
    }

    /// The sum of the statistics of all files, by column of the scan.
    pub(crate) fn statistics(&self) -> &Statistics {
        self.whole.get_or_init(|| {
            let schema = self.columns.table_schema();
            Self::statistics_of(&self.files, schema.table_schema())
        })
    }

    /// The sum of the statistics of `files`, by column of the scan.
    pub(crate) fn statistics_of<'a>(
        files: impl IntoIterator<Item = &'a DataFile>,
        scan_schema: &SchemaRef,
    ) -> Statistics {
        let all = files.into_iter().map(|file| file.statistics.as_ref());
        Statistics::try_merge_iter(all, scan_schema)
            .unwrap_or_else(|_| Statistics::new_unknown(scan_schema))
    }
}
