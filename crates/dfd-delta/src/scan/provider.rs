//! A snapshot as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::files::scan_columns::with_views;
use crate::files::statistics::statistics_as;
use crate::scan::builder::scan_indices;
use crate::scan::request::{Request, Views, filters_exactly};
use crate::snapshot::TableSnapshot;

/// Scans one snapshot of a Delta table.
///
/// In a foreign session the scan is one opaque [`DeltaScanExec`](crate::DeltaScanExec); in a session of
/// dfd's own it is an ordinary Parquet scan.
#[derive(Debug)]
pub struct DeltaTableProvider {
    snapshot: Arc<TableSnapshot>,
    is_opaque: bool,
    views: bool,
}

impl DeltaTableProvider {
    /// A provider for sessions of other libraries.
    pub fn opaque(snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            snapshot,
            is_opaque: true,
            views: false,
        }
    }

    /// A provider for sessions of dfd's own.
    pub fn native(snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            snapshot,
            is_opaque: false,
            views: false,
        }
    }

    /// The same rows with texts and binaries as views, as DataFusion reads them from plain Parquet; None
    /// where the files don't give them so.
    pub fn with_views(&self) -> Option<Self> {
        let snapshot = Arc::clone(&self.snapshot);
        let columns = snapshot.columns();
        let can = !self.is_opaque && snapshot.fallback().is_none();
        let has_any = columns.with_views(|_| true).file_schema != columns.file_schema;
        (can && has_any).then_some(Self {
            snapshot,
            is_opaque: false,
            views: true,
        })
    }

    /// Whether an opaque scan gives the rows for which `filter` is true and no others.
    ///
    /// Functions are left to the foreign session, which has the settings that they may look at.
    pub fn filters_exactly(&self, filter: &Expr) -> bool {
        filters_exactly(&self.snapshot, filter)
    }

    /// What is scanned.
    pub fn snapshot(&self) -> &Arc<TableSnapshot> {
        &self.snapshot
    }
}

#[async_trait]
impl TableProvider for DeltaTableProvider {
    fn schema(&self) -> SchemaRef {
        let schema = self.snapshot.schema();
        if self.views {
            let in_files = &self.snapshot.columns().file_schema;
            let in_file = |name: &str| in_files.column_with_name(name).is_some();
            Arc::new(with_views(schema, in_file))
        } else {
            Arc::clone(schema)
        }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let request = Request {
            snapshot: Arc::clone(&self.snapshot),
            projection: projection.cloned(),
            filters: filters.to_vec(),
            limit,
            views: if self.views { Views::All } else { Views::None },
        };
        if self.is_opaque {
            Ok(Arc::new(
                request.opaque_scan(session.config().clone()).await?,
            ))
        } else {
            Ok(request.plan(session, false).await?.plan)
        }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if filter.is_volatile() {
                TableProviderFilterPushDown::Unsupported
            } else if self.snapshot.is_partition_predicate(filter)
                || (self.is_opaque && self.filters_exactly(filter))
            {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        if self.snapshot.fallback().is_some() {
            return None;
        }
        let table_schema = self.snapshot.columns().table_schema();
        let indices = scan_indices(&self.snapshot, None, table_schema.table_schema()).ok()?;
        let statistics = self.snapshot.statistics().clone().project(Some(&indices));
        Some(statistics_as(statistics, &self.schema()))
    }
}

#[cfg(test)]
mod tests;
