//! A snapshot as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::files::DataFile;
use crate::leaf::Leaf;
use crate::mapping::MappedAdapterFactory;
use crate::pruning;
use crate::runtime;
use crate::snapshot::TableSnapshot;

/// Scans one snapshot of a Delta table.
///
/// In a foreign session the scan is one opaque [`Leaf`]; in a session of ours it is an ordinary
/// Parquet scan.
#[derive(Debug)]
pub struct DeltaTableProvider {
    snapshot: Arc<TableSnapshot>,
    is_opaque: bool,
}

impl DeltaTableProvider {
    /// For sessions of other libraries.
    pub fn opaque(snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            snapshot,
            is_opaque: true,
        }
    }

    /// For sessions of our own.
    pub fn native(snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            snapshot,
            is_opaque: false,
        }
    }
}

/// A scan, and how many files are left to it.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    scanned: usize,
}

/// The plan of a scan in a session of ours.
async fn plan(
    snapshot: &TableSnapshot,
    session: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Planned> {
    if snapshot.fallback().is_some() {
        let scan = snapshot.delta_scan().await?;
        let plan = scan.scan(session, projection, filters, limit).await?;
        return Ok(Planned { plan, scanned: 0 });
    }
    let columns = snapshot.columns();
    let table_schema = columns.table_schema();
    let scan_schema = Arc::clone(table_schema.table_schema());
    let predicate = predicate(session, filters, &scan_schema)?;
    let all: Vec<&DataFile> = snapshot.files().iter().collect();
    let files = match &predicate {
        Some(predicate) => pruning::matching(all, predicate, &scan_schema),
        None => all,
    };
    let indices = scan_indices(snapshot, projection, &scan_schema)?;
    if files.is_empty() {
        let schema = Arc::new(scan_schema.project(&indices)?);
        let plan = Arc::new(EmptyExec::new(schema));
        return Ok(Planned { plan, scanned: 0 });
    }
    let scanned = files.len();
    let statistics = snapshot.statistics_of(files.iter().copied(), &scan_schema);
    let options = session.config_options();
    let mut parquet = TableParquetOptions {
        global: options.execution.parquet.clone(),
        ..TableParquetOptions::default()
    };
    // Spark's INT96 reaches years that nanoseconds don't.
    parquet.global.coerce_int96 = Some("us".to_owned());
    let mut source = ParquetSource::new(table_schema).with_table_parquet_options(parquet);
    if let Some(predicate) = predicate {
        source = source.with_predicate(predicate);
    }
    let group = FileGroup::new(files.iter().map(|file| file.scanned.clone()).collect());
    let store_url = snapshot.location().store_url().clone();
    let mut config = FileScanConfigBuilder::new(store_url, Arc::new(source))
        .with_file_groups(group.split_files(options.execution.target_partitions))
        .with_statistics(statistics)
        .with_limit(limit)
        .with_projection_indices(Some(indices))?;
    if !columns.mapping.is_none() {
        let factory = MappedAdapterFactory(columns.mapping.clone());
        config = config.with_expr_adapter(Some(Arc::new(factory)));
    }
    let plan = DataSourceExec::from_data_source(config.build());
    Ok(Planned { plan, scanned })
}

/// The columns of the table, or of its projection, by their place in the scan.
fn scan_indices(
    snapshot: &TableSnapshot,
    projection: Option<&Vec<usize>>,
    scan_schema: &SchemaRef,
) -> Result<Vec<usize>> {
    let schema = snapshot.schema();
    let place = |index: usize| Ok(scan_schema.index_of(schema.field(index).name())?);
    match projection {
        Some(projection) => projection.iter().map(|index| place(*index)).collect(),
        None => (0..schema.fields().len()).map(place).collect(),
    }
}

/// All filters as one expression over the scan's columns.
fn predicate(
    session: &dyn Session,
    filters: &[Expr],
    schema: &SchemaRef,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(all) = conjunction(filters.iter().map(unqualified)) else {
        return Ok(None);
    };
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    session.create_physical_expr(all, &schema).map(Some)
}

/// The expression without the name under which the host knows the table.
fn unqualified(expr: &Expr) -> Expr {
    use datafusion::common::Column;
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    expr.clone()
        .transform(|node| match node {
            Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                column.name,
            )))),
            other => Ok(Transformed::no(other)),
        })
        .data()
        .unwrap_or_else(|_| expr.clone())
}

#[async_trait]
impl TableProvider for DeltaTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.snapshot.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        host: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.is_opaque {
            let planned = plan(&self.snapshot, host, projection, filters, limit).await?;
            return Ok(planned.plan);
        }
        let session = runtime::session(host.config().clone()).state();
        let snapshot = Arc::clone(&self.snapshot);
        let (columns, filters) = (projection.cloned(), filters.to_vec());
        let work = async move {
            let planned = plan(&snapshot, &session, columns.as_ref(), &filters, limit).await?;
            // The host can't split what it can't see.
            let options = session.config_options();
            let partitions = options.execution.target_partitions;
            let split = planned.plan.repartitioned(partitions, options)?;
            Ok::<_, DataFusionError>((split.unwrap_or(planned.plan), planned.scanned))
        };
        // The host polls this on threads of its own, where no I/O of ours can run.
        let (plan, scanned) = runtime::handle()?
            .spawn(work)
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))??;
        let schema = match projection {
            Some(projection) => Arc::new(self.schema().project(projection)?),
            None => self.schema(),
        };
        let considered = self.snapshot.files().len();
        Ok(Arc::new(Leaf::new(plan, schema, considered, scanned)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if filter.is_volatile() {
                    TableProviderFilterPushDown::Unsupported
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<datafusion::common::Statistics> {
        if self.snapshot.fallback().is_some() {
            return None;
        }
        let table_schema = self.snapshot.columns().table_schema();
        let scan_schema = table_schema.table_schema();
        let whole = self
            .snapshot
            .statistics_of(self.snapshot.files(), scan_schema);
        let indices = scan_indices(&self.snapshot, None, scan_schema).ok()?;
        Some(whole.project(Some(&indices)))
    }
}
