//! Add actions as files of a scan.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use datafusion::common::Statistics;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use deltalake_core::kernel::LogicalFileView;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::files::log_values::partition_value;
use crate::files::scan_columns::ScanColumns;
use crate::files::statistics::{Bounds, statistics};

/// One data file of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Path, size, partition values, statistics and row selection.
    pub scanned: PartitionedFile,
    /// Lower and upper bounds by column of the scan, for pruning.
    pub bounds: Bounds,
    /// Statistics by column of the scan.
    pub statistics: Arc<Statistics>,
}

impl DataFile {
    /// A file from an add action of a table at `root`; `selection` are the rows its deletion vector leaves.
    pub(crate) fn try_new(
        file: &LogicalFileView,
        root: &Url,
        columns: &ScanColumns,
        selection: Option<ParquetRowSelection>,
    ) -> Result<Self, Error> {
        let refused = |reason: String| Error::File {
            path: file.path().into_owned(),
            reason,
        };
        let location = location(&file.path(), root).map_err(refused)?;
        let values = file.partition_values_map();
        let partition_values = columns
            .partition
            .iter()
            .map(|field| {
                let physical = columns.mapping.physical(field.name());
                let text = values.get(physical).or_else(|| values.get(field.name()));
                partition_value(text.and_then(Option::as_deref), field.data_type()).ok_or_else(
                    || {
                        refused(format!(
                            "the partition value of `{}` is unreadable",
                            field.name()
                        ))
                    },
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let json: Value = file
            .stats()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let (statistics, bounds) = statistics(&json, file, columns, &partition_values);
        let statistics = Arc::new(statistics);
        let mut scanned: PartitionedFile = ObjectMeta {
            location,
            size: u64::try_from(file.size()).map_err(|error| refused(error.to_string()))?,
            last_modified: Utc
                .timestamp_millis_opt(file.modification_time())
                .single()
                .unwrap_or_default(),
            e_tag: None,
            version: None,
        }
        .into();
        scanned.partition_values = partition_values;
        scanned.statistics = Some(Arc::clone(&statistics));
        if let Some(selection) = selection {
            scanned = scanned.with_extension(selection);
        }
        Ok(Self {
            scanned,
            bounds,
            statistics,
        })
    }
}

/// Where a file is in its store, from the decoded path of its add action: relative to the table's
/// root, or absolute, as in a shallow clone.
pub(crate) fn location(path: &str, root: &Url) -> Result<Path, String> {
    let readable = |error: object_store::path::Error| error.to_string();
    match Url::parse(path) {
        Ok(url) if (url.scheme(), url.host()) == (root.scheme(), root.host()) => {
            Path::from_url_path(url.path()).map_err(readable)
        }
        Ok(_) => Err("it lies in another store than the table".to_owned()),
        Err(_) => {
            let root = Path::from_url_path(root.path()).map_err(readable)?;
            Path::parse(format!("{root}/{path}")).map_err(readable)
        }
    }
}
