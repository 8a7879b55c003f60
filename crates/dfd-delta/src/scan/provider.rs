//! A snapshot, or the changes between two, as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::files::file_set::FileSet;
use crate::files::scan_columns::with_views;
use crate::files::statistics::statistics_as;
use crate::scan::builder::scan_indices;
use crate::scan::comparisons::exact_comparisons;
use crate::scan::relation::Relation;
use crate::scan::request::{Request, Views, filters_exactly, is_plain, unqualified};

/// Scans one snapshot of a Delta table, or a change feed.
///
/// In a foreign session the scan is one opaque [`DeltaScanExec`](crate::DeltaScanExec); in a session of
/// dfd's own it is an ordinary Parquet scan.
#[derive(Debug)]
pub struct DeltaTableProvider {
    relation: Relation,
    is_opaque: bool,
    views: bool,
}

impl DeltaTableProvider {
    /// A provider for sessions of other libraries.
    pub fn opaque(relation: impl Into<Relation>) -> Self {
        Self {
            relation: relation.into(),
            is_opaque: true,
            views: false,
        }
    }

    /// A provider for sessions of dfd's own.
    pub fn native(relation: impl Into<Relation>) -> Self {
        Self {
            relation: relation.into(),
            is_opaque: false,
            views: false,
        }
    }

    /// The same rows with texts and binaries as views, as DataFusion reads them from plain Parquet; None
    /// where the files don't give them so.
    pub fn with_views(&self) -> Option<Self> {
        let schema = self.relation.schema();
        let has_any = with_views(schema, |name| self.relation.is_in_files(name)) != **schema;
        (!self.is_opaque && has_any).then(|| Self {
            relation: self.relation.clone(),
            is_opaque: false,
            views: true,
        })
    }

    /// Whether an opaque scan gives the rows for which `filter` is true and no others.
    ///
    /// Functions are left to the foreign session, which has the settings that they may look at.
    pub fn filters_exactly(&self, filter: &Expr) -> bool {
        filters_exactly(&self.relation, filter)
    }

    /// The filters over the columns alone, with comparisons as SQL means them.
    fn exact_filters(&self, filters: &[Expr]) -> Result<Vec<Expr>> {
        let schema = DFSchema::try_from(self.schema())?;
        let exact = |filter| Ok(exact_comparisons(unqualified(filter), &schema)?.data);
        filters.iter().map(exact).collect()
    }

    /// What is scanned.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }
}

#[async_trait]
impl TableProvider for DeltaTableProvider {
    fn schema(&self) -> SchemaRef {
        let schema = self.relation.schema();
        if self.views {
            Arc::new(with_views(schema, |name| self.relation.is_in_files(name)))
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
            relation: self.relation.clone(),
            projection: projection.cloned(),
            filters: self.exact_filters(filters)?,
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
        // The opaque scan applies all that it can; where partitions decide, no scan gives another row.
        let is_applied = |filter: &Expr| {
            is_plain(filter) && (self.is_opaque || self.relation.is_partition_predicate(filter))
        };
        let support = |filter: &&Expr| {
            if filter.is_volatile() {
                TableProviderFilterPushDown::Unsupported
            } else if is_applied(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Inexact
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let schema = self.schema();
        let of_set = |set: &FileSet| {
            let table_schema = set.columns.table_schema();
            let indices = scan_indices(&schema, None, table_schema.table_schema()).ok()?;
            let statistics = set.statistics().clone().project(Some(&indices));
            Some(statistics_as(statistics, &schema))
        };
        let sets = self.relation.file_sets().iter().map(of_set);
        let sets = sets.collect::<Option<Vec<_>>>()?;
        Statistics::try_merge_iter(&sets, &schema).ok()
    }
}

#[cfg(test)]
mod tests;
