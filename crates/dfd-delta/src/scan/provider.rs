//! A snapshot, or the changes between two, as a DataFusion table.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::error::Error;
use crate::files::file_set::FileSet;
use crate::files::scan_columns::with_views;
use crate::files::statistics::statistics_as;
use crate::scan::builder::scan_indices;
use crate::scan::comparisons::exact_comparisons;
use crate::scan::relation::Relation;
use crate::scan::request::{Request, Views, filters_exactly, is_plain, unqualified};
use crate::snapshot::TableSnapshot;

/// Scans one snapshot of a Delta table, or a change feed.
///
/// In a foreign session the scan is one opaque [`DeltaScanExec`](crate::DeltaScanExec); in a session of
/// dfd's own it is an ordinary Parquet scan.
#[derive(Debug)]
pub struct DeltaTableProvider {
    relation: Relation,
    is_opaque: bool,
    views: bool,
    /// The columns of a plan, where it has others than the relation.
    columns: Option<PlanColumns>,
}

/// The columns of a table as a plan knows them, which was made of another version.
#[derive(Debug, Clone)]
struct PlanColumns {
    schema: SchemaRef,
    /// Where they are in the relation's schema.
    places: Vec<usize>,
}

impl DeltaTableProvider {
    /// A provider for sessions of other libraries.
    pub fn opaque(relation: impl Into<Relation>) -> Self {
        Self {
            relation: relation.into(),
            is_opaque: true,
            views: false,
            columns: None,
        }
    }

    /// A provider for sessions of dfd's own.
    pub fn native(relation: impl Into<Relation>) -> Self {
        Self {
            relation: relation.into(),
            is_opaque: false,
            views: false,
            columns: None,
        }
    }

    /// The same rows and columns, for sessions of dfd's own.
    pub fn to_native(&self) -> Self {
        Self {
            columns: self.columns.clone(),
            ..Self::native(self.relation.clone())
        }
    }

    /// The rows of this version for a plan that was made of the version `planned`.
    ///
    /// # Errors
    /// A column of the plan is gone or is another one.
    pub(crate) fn for_plan_of(self, planned: &TableSnapshot) -> std::result::Result<Self, Error> {
        if let Some(change) = change_for_plans(planned.schema(), self.relation.schema()) {
            return Err(Error::SchemaChanged {
                uri: self.relation.location().url().to_string(),
                planned: planned.version(),
                version: self.relation.version(),
                change,
            });
        }
        Ok(self.with_columns(planned.schema())?)
    }

    /// Only the columns that `schema` has, by their names and in its order.
    pub(crate) fn with_columns(self, schema: &SchemaRef) -> Result<Self> {
        let own = self.relation.schema();
        let fields = schema.fields().iter();
        let places = fields.map(|field| Ok(own.index_of(field.name())?));
        let places = places.collect::<Result<Vec<_>>>()?;
        let columns = if places.iter().copied().eq(0..own.fields().len()) {
            None
        } else {
            let schema = Arc::new(own.project(&places)?);
            Some(PlanColumns { schema, places })
        };
        Ok(Self { columns, ..self })
    }

    /// The columns, with the types of the log.
    fn columns(&self) -> &SchemaRef {
        match &self.columns {
            Some(columns) => &columns.schema,
            None => self.relation.schema(),
        }
    }

    /// Where the columns of a projection are in the relation's schema.
    fn places(&self, projection: Option<&Vec<usize>>) -> Option<Vec<usize>> {
        let Some(columns) = &self.columns else {
            return projection.cloned();
        };
        let places = &columns.places;
        Some(match projection {
            Some(projection) => projection.iter().map(|column| places[*column]).collect(),
            None => places.clone(),
        })
    }

    /// The same rows with texts and binaries as views, as DataFusion reads them from plain Parquet; None
    /// where the files don't give them so.
    pub fn with_views(&self) -> Option<Self> {
        let schema = self.columns();
        let has_any = with_views(schema, |name| self.relation.is_in_files(name)) != **schema;
        (!self.is_opaque && has_any).then(|| Self {
            relation: self.relation.clone(),
            is_opaque: false,
            views: true,
            columns: self.columns.clone(),
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
        let schema = self.columns();
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
            projection: self.places(projection),
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

/// Why a plan with the columns `planned` can't read a table with the columns `now`; None where it can.
fn change_for_plans(planned: &SchemaRef, now: &SchemaRef) -> Option<String> {
    if Arc::ptr_eq(planned, now) {
        return None;
    }
    planned.fields().iter().find_map(|field| {
        let name = field.name();
        match now.column_with_name(name) {
            None => Some(format!("the column {name} is gone")),
            Some((_, other)) if other != field.as_ref() => {
                Some(format!("the column {name} is another one"))
            }
            Some(_) => None,
        }
    })
}

#[cfg(test)]
mod tests;
