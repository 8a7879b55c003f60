//! Tables of dfd's own in sessions of other libraries.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::scan::opaque_exec::DeltaScanExec;

/// A table whose scans are planned and run by dfd: a foreign session sees one node.
#[derive(Debug)]
pub struct OpaqueTable {
    table: Arc<dyn TableProvider>,
    name: String,
}

impl OpaqueTable {
    /// `name` is what plans show of its scans.
    pub fn new(table: Arc<dyn TableProvider>, name: impl Into<String>) -> Self {
        Self {
            table,
            name: name.into(),
        }
    }
}

#[async_trait]
impl TableProvider for OpaqueTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let own = dfd_runtime::session(session.config().clone()).state();
        let table = Arc::clone(&self.table);
        let (projection, filters) = (projection.cloned(), filters.to_vec());
        let work = async move { table.scan(&own, projection.as_ref(), &filters, limit).await };
        let planned = dfd_runtime::handle()?.spawn(work).await;
        let plan = planned.map_err(|error| dfd_runtime::Error::Runtime(error.to_string()))??;
        Ok(Arc::new(DeltaScanExec::of_table(plan, self.name.clone())))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }
}
