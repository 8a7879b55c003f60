//! A Delta table under a name, as a DataFusion table.
//!
//! A plan has the schema of the version that was read when it was planned, for as long as it lives: its
//! columns are known by their places. Its rows are those of the version that is read when it runs: the
//! newest, or the one that the table is pinned to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Error;
use crate::scan::provider::DeltaTableProvider;
use crate::snapshot::followed_table::moment;
use crate::snapshot::{FollowedTable, QueryVersions, TableSnapshot};

/// How long the scans of one plan may take to be made: longer than this, what one has seen is not
/// taken over by the next.
const ONE_PLANNING: Duration = Duration::from_secs(1);

/// A table under a name, for one planning in a session of another library.
#[derive(Debug)]
pub(crate) struct RegisteredProvider {
    table: Arc<FollowedTable>,
    /// The version whose schema the plan has.
    planned: OnceLock<Arc<TableSnapshot>>,
    /// When a planner last asked for the schema.
    asked: AtomicU64,
}

impl RegisteredProvider {
    /// A provider for one planning.
    pub(crate) fn new(table: Arc<FollowedTable>) -> Self {
        Self {
            table,
            planned: OnceLock::new(),
            asked: AtomicU64::new(moment()),
        }
    }

    /// The version that was read when the table was first asked about.
    fn planned(&self) -> &Arc<TableSnapshot> {
        self.planned.get_or_init(|| {
            let found = dfd_runtime::block_on(self.version());
            // Whoever scans is told why the newest can't be had; a query's versions know it too.
            found
                .ok()
                .and_then(std::result::Result::ok)
                .unwrap_or_else(|| self.table.current())
        })
    }

    /// The version to read now: that of the query whose tables this thread asks for, where there is one.
    async fn version(&self) -> std::result::Result<Arc<TableSnapshot>, Error> {
        let query = QueryVersions::current();
        if query.is_none() {
            // Every planning asks for the schema before it scans: what was seen since was seen by it.
            let asked = self.asked.load(Ordering::SeqCst);
            let seen = || self.table.seen_since(asked, ONE_PLANNING);
            if let Some(known) = self.table.known().or_else(seen) {
                return Ok(known);
            }
        }
        let table = Arc::clone(&self.table);
        let look = async move {
            match query {
                Some(query) => query.version_of(&table).await,
                None => table.read().await,
            }
        };
        // The caller's threads may be without our tokio runtime.
        let found = dfd_runtime::handle()?.spawn(look).await;
        found.map_err(dfd_runtime::Error::from)?
    }

    /// The version to read now, under the schema that the plan has.
    async fn current(&self) -> std::result::Result<DeltaTableProvider, Error> {
        let snapshot = self.version().await?;
        DeltaTableProvider::opaque(snapshot).for_plan_of(self.planned())
    }

    /// The version to write into a plan, under the schema that the plan has: a query's versions note it.
    pub(crate) fn to_write(&self) -> std::result::Result<DeltaTableProvider, Error> {
        let snapshot = match QueryVersions::current() {
            Some(query) => query.noted(&self.table),
            None => dfd_runtime::block_on(self.version())??,
        };
        DeltaTableProvider::opaque(snapshot).for_plan_of(self.planned())
    }

    fn as_planned(&self) -> DeltaTableProvider {
        DeltaTableProvider::opaque(Arc::clone(self.planned()))
    }
}

#[async_trait]
impl TableProvider for RegisteredProvider {
    fn schema(&self) -> SchemaRef {
        let schema = Arc::clone(self.planned().schema());
        self.asked.store(moment(), Ordering::SeqCst);
        schema
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
        let table = self.current().await?;
        table.scan(session, projection, filters, limit).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.as_planned().supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        // Of another version than the one that is read, perhaps.
        self.as_planned().statistics().map(Statistics::to_inexact)
    }
}

#[cfg(test)]
mod tests;
