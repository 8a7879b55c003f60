//! The newest version of a Delta table as a DataFusion table.
//!
//! A plan has the schema of the version that was the newest when it was planned, for as long as it
//! lives: its columns are known by their places. Its rows are those of the newest version when it runs.

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
use crate::snapshot::latest::moment;
use crate::snapshot::{LatestSnapshot, QueryVersions, TableSnapshot};

/// How long the scans of one plan may take to be made: longer than this, what one has seen is not
/// taken over by the next.
const ONE_PLANNING: Duration = Duration::from_secs(1);

/// A table that isn't pinned, for one planning in a session of another library.
#[derive(Debug)]
pub(crate) struct LatestTable {
    latest: Arc<LatestSnapshot>,
    /// The version whose schema the plan has.
    planned: OnceLock<Arc<TableSnapshot>>,
    /// When a planner last asked for the schema.
    asked: AtomicU64,
}

impl LatestTable {
    /// A provider for one planning.
    pub(crate) fn new(latest: Arc<LatestSnapshot>) -> Self {
        Self {
            latest,
            planned: OnceLock::new(),
            asked: AtomicU64::new(moment()),
        }
    }

    /// The version that was the newest when the table was first asked about.
    fn planned(&self) -> &Arc<TableSnapshot> {
        self.planned.get_or_init(|| {
            let found = dfd_runtime::block_on(self.version());
            // Whoever scans is told why the newest can't be had; a query's versions know it too.
            found
                .ok()
                .and_then(std::result::Result::ok)
                .unwrap_or_else(|| self.latest.seen())
        })
    }

    /// The version to read now: that of the query whose tables this thread asks for, else the newest.
    async fn version(&self) -> std::result::Result<Arc<TableSnapshot>, Error> {
        let query = QueryVersions::current();
        if query.is_none() {
            // Every planning asks for the schema before it scans: what was seen since was seen by it.
            let asked = self.asked.load(Ordering::SeqCst);
            if let Some(seen) = self.latest.seen_since(asked, ONE_PLANNING) {
                return Ok(seen);
            }
        }
        let latest = Arc::clone(&self.latest);
        let look = async move {
            match query {
                Some(query) => query.version_of(&latest).await,
                None => latest.look().await,
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
            Some(query) => query.noted(&self.latest),
            None => dfd_runtime::block_on(self.version())??,
        };
        DeltaTableProvider::opaque(snapshot).for_plan_of(self.planned())
    }

    fn as_planned(&self) -> DeltaTableProvider {
        DeltaTableProvider::opaque(Arc::clone(self.planned()))
    }
}

#[async_trait]
impl TableProvider for LatestTable {
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
