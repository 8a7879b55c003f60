//! Timestamps in Parquet's old type INT96, which deltalake reads as nanoseconds.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::error::DataFusionError;
use datafusion::parquet::basic::Type;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::prelude::SessionConfig;
use futures::{StreamExt, TryStreamExt};

use crate::caches::footer_cache;
use crate::error::Error;
use crate::files::DataFile;
use crate::footers::Readers;
use crate::pruning;
use crate::runtime;
use crate::snapshot::TableSnapshot;

/// Footers that are asked for at once.
const AT_ONCE: usize = 32;

impl TableSnapshot {
    /// The columns that have type INT96 in a file that may hold a row for which `predicate` is true.
    ///
    /// A predicate that can't be decided from the log keeps all files. Where deltalake-core scans the table,
    /// every timestamp counts as one.
    ///
    /// # Errors
    /// A footer can't be read.
    pub async fn int96_columns(&self, predicate: Option<&str>) -> Result<BTreeSet<String>, Error> {
        let timestamps = timestamps(self.schema());
        if timestamps.is_empty() || self.fallback().is_some() {
            return Ok(timestamps);
        }
        let files = predicate
            .and_then(|text| self.files_for(text).ok())
            .unwrap_or_else(|| self.files().iter().collect());
        let metrics = ExecutionPlanMetricsSet::new();
        let names = self.columns().names();
        let readers = &Readers::new(self.location(), names, footer_cache(), &metrics);
        let of_file = |file: &DataFile| {
            let reader = readers.create_reader(0, file.scanned.clone(), None, &metrics);
            async move {
                let footer = reader?.get_metadata(None).await;
                let footer = footer.map_err(DataFusionError::from)?;
                let columns = footer.file_metadata().schema_descr().columns().iter();
                let old = columns.filter(|column| column.physical_type() == Type::INT96);
                let names = old.map(|column| column.path().string()).collect::<Vec<_>>();
                Ok::<_, Error>(names)
            }
        };
        let found = futures::stream::iter(files.into_iter().map(of_file));
        let found: Vec<_> = found.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The files that may hold a row for which the condition in `text` is true.
    fn files_for(&self, text: &str) -> Result<Vec<&DataFile>, Error> {
        let mut config = SessionConfig::new();
        // As deltalake reads names.
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let session = runtime::session(config).state();
        let table_schema = self.columns().table_schema();
        let scan_schema = table_schema.table_schema();
        let columns = DFSchema::try_from(scan_schema.as_ref().clone())?;
        let condition = session.create_logical_expr(text, &columns)?;
        let condition = session.create_physical_expr(condition, &columns)?;
        let all = self.files().iter().collect();
        Ok(pruning::matching(all, &condition, scan_schema))
    }
}

/// The columns that are, or have inside, a timestamp.
fn timestamps(schema: &Schema) -> BTreeSet<String> {
    let fields = schema.fields().iter();
    let timestamps = fields.filter(|field| has_timestamp(field.data_type()));
    timestamps.map(|field| field.name().clone()).collect()
}

fn has_timestamp(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_timestamp(field.data_type())),
        DataType::List(field) | DataType::LargeList(field) | DataType::Map(field, _) => {
            has_timestamp(field.data_type())
        }
        _ => false,
    }
}
