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
        let plan = planned.map_err(dfd_runtime::Error::from)??;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{in_memory, longs, queried, rows, run, sorted, texts};
    use datafusion::common::stats::Precision;
    use datafusion::logical_expr::{col, lit};
    use datafusion::physical_plan::ExecutionPlanProperties;
    use datafusion::prelude::{SessionConfig, SessionContext};

    fn table() -> OpaqueTable {
        let columns = [
            ("id", longs([1, 2, 3])),
            ("name", texts([Some("a"), None, Some("c")])),
        ];
        OpaqueTable::new(in_memory(&rows(columns)), "Letters: here")
    }

    #[test]
    fn a_foreign_session_sees_one_node_of_this_name() {
        let config = SessionConfig::new().with_target_partitions(3);
        let session = SessionContext::new_with_config(config);
        let table = table();
        let plan = run(table.scan(&session.state(), Some(&vec![1]), &[], None)).unwrap();
        assert_eq!(plan.name(), "Letters: here");
        assert!(plan.children().is_empty());
        assert_eq!(plan.output_partitioning().partition_count(), 1);
        assert_eq!(plan.schema().field(0).name(), "name");
        let batches = run(datafusion::physical_plan::collect(plan, session.task_ctx()));
        assert_eq!(sorted(&batches.unwrap()), ["", "a", "c"]);
    }

    #[test]
    fn it_is_the_table_inside() {
        let table = table();
        let inside = Arc::clone(&table.table);
        assert_eq!(table.schema(), inside.schema());
        assert_eq!(table.table_type(), TableType::Base);
        assert_eq!(table.statistics(), inside.statistics());
        if let Some(statistics) = table.statistics() {
            assert_eq!(statistics.num_rows, Precision::Exact(3));
        }
        let filter = col("id").gt(lit(1));
        let support = table.supports_filters_pushdown(&[&filter]).unwrap();
        assert_eq!(
            support,
            inside.supports_filters_pushdown(&[&filter]).unwrap()
        );
        let query = "select id from t where name is not null order by id desc";
        let found = run(queried(Arc::new(table), query));
        assert_eq!(crate::test_tables::lines(&found), ["3", "1"]);
    }
}
