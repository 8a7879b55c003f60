//! Makes the plan of a scan from the files of a relation.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchema, Result};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_expr::expressions::{Column as PhysicalColumn, cast};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, SendableRecordBatchStream,
};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::files::data_file::DataFile;
use crate::files::exact_columns::ExactColumns;
use crate::files::file_set::FileSet;
use crate::files::parquet_metadata::Readers;
use crate::files::scan_columns::ScanColumns;
use crate::files::statistics::statistics_as;
use crate::scan::located_files::LocatedFiles;
use crate::scan::opaque_exec::DeltaScanExec;
use crate::scan::projection::widened_projection;
use crate::scan::pruning;
use crate::scan::request::{Request, Views, filters_exactly, is_plain, unqualified};
use crate::snapshot::QueryVersions;

/// A planned scan.
pub struct Planned {
    /// The scan.
    pub plan: Arc<dyn ExecutionPlan>,
    /// How many files are left to it.
    pub scanned: usize,
}

impl Request {
    /// The scan as one opaque node, split over the partitions that `config` asks for.
    ///
    /// The caller may run on threads without our tokio runtime: the work is done on those that have it.
    pub async fn opaque_scan(self, config: SessionConfig) -> Result<DeltaScanExec> {
        let session = dfd_runtime::session(config).state();
        // Asked before the work goes to another thread.
        let query = QueryVersions::current();
        let work = async move {
            let planned = self.plan_for_foreign_session(&session).await?;
            let partitions = session.config_options().execution.target_partitions;
            DeltaScanExec::try_new(planned.plan, self, planned.scanned, partitions)
        };
        let scan = dfd_runtime::handle()?.spawn(work).await;
        let scan = scan.map_err(dfd_runtime::Error::from)??;
        Ok(scan.of_query(query))
    }

    /// The scan as a foreign session has it.
    async fn plan_for_foreign_session(&self, session: &SessionState) -> Result<Planned> {
        let Some(condition) = self.condition() else {
            return self.plan(session, true).await;
        };
        match self
            .plan_with_filter(&condition, self.views_of(&condition), session)
            .await
        {
            Ok(planned) => Ok(planned),
            // An operator that has no way for views.
            Err(_) => {
                self.plan_with_filter(&condition, Views::None, session)
                    .await
            }
        }
    }

    /// The scan with a filter over it.
    async fn plan_with_filter(
        &self,
        condition: &Expr,
        views: Views,
        session: &SessionState,
    ) -> Result<Planned> {
        let schema = self.relation.schema();
        let wanted = self.schema()?;
        let widened = widened_projection(schema, self.projection.as_ref(), condition);
        let scan = Self {
            relation: self.relation.clone(),
            projection: Some(widened),
            filters: self.filters.clone(),
            // Of rows that are left after the filter.
            limit: None,
            views,
        };
        let Planned { plan, scanned } = scan.plan(session, true).await?;
        let input = DFSchema::try_from(plan.schema())?;
        let condition = session.create_physical_expr(condition.clone(), &input)?;
        let filter = FilterExecBuilder::new(condition, plan)
            .apply_projection(Some((0..wanted.fields().len()).collect()))?
            .with_batch_size(session.config().batch_size())
            .build()?;
        let plan = with_types(Arc::new(filter), &wanted)?;
        Ok(Planned { plan, scanned })
    }

    /// The columns that `condition` looks at, and no other filter: most are not wanted beyond it, or of few rows.
    fn views_of(&self, condition: &Expr) -> Views {
        let others = self.filters.iter();
        let others = others.filter(|filter| !filters_exactly(&self.relation, filter));
        let others: HashSet<_> = others
            .flat_map(|filter| filter.column_refs())
            .map(Column::name)
            .collect();
        let names = condition.column_refs().into_iter().map(Column::name);
        let alone = names.filter(|name| !others.contains(name));
        Views::Of(alone.map(str::to_owned).collect())
    }

    /// The plan of the scan in a session of dfd's own; where none of its optimizers sees it, `is_hidden`, it is pruned
    /// in its files, and split over partitions.
    pub async fn plan(&self, session: &dyn Session, is_hidden: bool) -> Result<Planned> {
        let of_set = |set: &FileSet| {
            let planned = self.plan_of(set, session, is_hidden)?;
            if is_hidden {
                split(planned, session)
            } else {
                Ok(planned)
            }
        };
        let plans = self.relation.file_sets().iter().map(of_set);
        in_one(plans.collect::<Result<_>>()?, self.schema()?)
    }

    /// The scan of those of some files that may match.
    fn plan_of(
        &self,
        set: &FileSet,
        session: &dyn Session,
        prune_in_scan: bool,
    ) -> Result<Planned> {
        let relation = &self.relation;
        let columns = match &self.views {
            Views::None => Cow::Borrowed(&set.columns),
            views => Cow::Owned(
                set.columns
                    .with_views(|name| views.has(name) && relation.is_in_files(name)),
            ),
        };
        let table_schema = columns.table_schema();
        let scan_schema = Arc::clone(table_schema.table_schema());
        let (by_partition, by_row): (Vec<_>, Vec<_>) = self
            .filters
            .iter()
            .map(unqualified)
            .partition(|filter| set.is_partition_predicate(filter));
        let mut files = in_partitions(set, session, by_partition, &scan_schema)?;
        let predicate = predicate(session, by_row, &scan_schema)?;
        match (&predicate, self.limit) {
            (Some(predicate), _) => files = pruning::matching(files, predicate, &scan_schema),
            (None, Some(limit)) => files = pruning::first(files, limit),
            (None, None) => {}
        }
        let scan = FileScan {
            set,
            indices: scan_indices(relation.schema(), self.projection.as_ref(), &scan_schema)?,
            columns: &columns,
            // In a session of dfd's own the filter above the scan is pushed into it.
            predicate: predicate.filter(|_| prune_in_scan),
            limit: self.limit,
            in_order: false,
            files,
        };
        scan.plan(session)
    }
}

/// The files in whose partitions all `filters`, of partition columns, are true.
///
/// One with functions is applied above the scan too, and skips nothing where it can't be decided here: over the
/// border a literal comes as a column, which some functions refuse.
fn in_partitions<'a>(
    set: &'a FileSet,
    session: &dyn Session,
    filters: Vec<Expr>,
    scan_schema: &SchemaRef,
) -> Result<Vec<&'a DataFile>> {
    let in_files = set.columns.file_schema.fields().len();
    let mut files: Vec<_> = set.files.iter().collect();
    let (plain, others): (Vec<_>, Vec<_>) = filters.into_iter().partition(is_plain);
    if let Some(predicate) = predicate(session, plain, scan_schema)? {
        files = pruning::in_partitions(files, &predicate, scan_schema, in_files)?;
    }
    for filter in others {
        if let Ok(Some(predicate)) = predicate(session, vec![filter], scan_schema)
            && let Ok(fewer) =
                pruning::in_partitions(files.clone(), &predicate, scan_schema, in_files)
        {
            files = fewer;
        }
    }
    Ok(files)
}

/// A scan over as many partitions as `session` asks for: a foreign session can't split what it can't see.
fn split(planned: Planned, session: &dyn Session) -> Result<Planned> {
    let options = session.config_options();
    let partitions = options.execution.target_partitions;
    Ok(match planned.plan.repartitioned(partitions, options)? {
        Some(plan) => Planned { plan, ..planned },
        None => planned,
    })
}

/// The rows of all plans; those that read nothing are left out.
fn in_one(plans: Vec<Planned>, schema: SchemaRef) -> Result<Planned> {
    let scanned = plans.iter().map(|planned| planned.scanned).sum();
    let (read, idle): (Vec<_>, Vec<_>) = plans.into_iter().partition(|plan| plan.scanned > 0);
    let plan = match (read.is_empty(), idle.into_iter().next()) {
        (true, Some(idle)) => idle.plan,
        (true, None) => Arc::new(EmptyExec::new(schema)),
        (false, _) => UnionExec::try_new(read.into_iter().map(|planned| planned.plan).collect())?,
    };
    Ok(Planned { plan, scanned })
}

/// Some files of a set as a Parquet scan.
pub(crate) struct FileScan<'a> {
    pub set: &'a FileSet,
    pub columns: &'a ScanColumns,
    pub files: Vec<&'a DataFile>,
    /// Of the columns of the scan.
    pub indices: Vec<usize>,
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
    pub limit: Option<usize>,
    /// Whether the files are read one after the other as they come.
    pub in_order: bool,
}

impl FileScan<'_> {
    fn plan(self, session: &dyn Session) -> Result<Planned> {
        let (set, columns) = (self.set, self.columns);
        let table_schema = columns.table_schema();
        let scan_schema = Arc::clone(table_schema.table_schema());
        if self.files.is_empty() {
            let schema = Arc::new(scan_schema.project(&self.indices)?);
            let plan = Arc::new(EmptyExec::new(schema));
            return Ok(Planned { plan, scanned: 0 });
        }
        let scanned = self.files.len();
        let statistics = if scanned == set.files.len() {
            set.statistics().clone()
        } else {
            FileSet::statistics_of(self.files.iter().copied(), &scan_schema)
        };
        let statistics = statistics_as(statistics, &scan_schema);
        let options = session.config_options();
        let mut parquet = TableParquetOptions {
            global: options.execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        // Spark's INT96 reaches years that nanoseconds don't.
        parquet.global.coerce_int96 = Some("us".to_owned());
        let mut source = ParquetSource::new(table_schema).with_table_parquet_options(parquet);
        let footers = session
            .runtime_env()
            .cache_manager
            .get_file_metadata_cache();
        let names = columns.names();
        let readers = Readers::new(&set.location, names, footers, source.metrics());
        let readers = readers.of_columns(self.read(&scan_schema));
        count_files(set, scanned, source.metrics());
        source = source.with_parquet_file_reader_factory(Arc::new(readers));
        if let Some(bytes) = options.execution.parquet.metadata_size_hint {
            source = source.with_metadata_size_hint(bytes);
        }
        if let Some(predicate) = self.predicate {
            source = source.with_predicate(predicate);
        }
        let files = self.files.iter().map(|file| file.scanned.clone());
        let group = FileGroup::new(files.collect());
        let groups = if self.in_order {
            vec![group]
        } else {
            // This sorts them by their paths.
            group.split_files(options.execution.target_partitions)
        };
        let store_url = set.location.store_url().clone();
        let uri = set.location.url().clone();
        let source = LocatedFiles::new(Arc::new(source), uri, set.version);
        let config = FileScanConfigBuilder::new(store_url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_limit(self.limit)
            .with_expr_adapter(Some(Arc::new(ExactColumns)))
            .with_projection_indices(Some(self.indices))?;
        let plan = DataSourceExec::from_data_source(config.build());
        Ok(Planned { plan, scanned })
    }

    /// The names of the columns that are read, for the rows or for the predicate.
    fn read(&self, scan_schema: &Schema) -> HashSet<String> {
        let selected = self
            .indices
            .iter()
            .map(|index| scan_schema.field(*index).name().clone());
        let compared = self.predicate.iter().flat_map(collect_columns);
        selected
            .chain(compared.map(|column| column.name().to_owned()))
            .collect()
    }

    /// Their rows, as the session reads them.
    pub(crate) fn rows(self, session: &SessionContext) -> Result<SendableRecordBatchStream> {
        let planned = self.plan(&session.state())?;
        in_one_stream(planned.plan, session)
    }
}

/// What the plan gives; with one partition, it is read ahead of who takes it.
pub(crate) fn in_one_stream(
    plan: Arc<dyn ExecutionPlan>,
    session: &SessionContext,
) -> Result<SendableRecordBatchStream> {
    if plan.output_partitioning().partition_count() > 1 {
        let plan = CoalescePartitionsExec::new(plan);
        return plan.execute(0, session.task_ctx());
    }
    Ok(spawn_buffered(plan.execute(0, session.task_ctx())?, 1))
}

/// The plan with the table's types: `DeltaScan` gives partition values as dictionaries.
pub fn with_types(
    plan: Arc<dyn ExecutionPlan>,
    wanted: &SchemaRef,
) -> Result<Arc<dyn ExecutionPlan>> {
    let found = plan.schema();
    let fields = found.fields().iter().zip(wanted.fields());
    if fields.clone().all(|(a, b)| a.data_type() == b.data_type()) {
        return Ok(plan);
    }
    let columns = fields.enumerate().map(|(index, (field, wanted))| {
        let column = Arc::new(PhysicalColumn::new(field.name(), index));
        let typed = cast(column, &found, wanted.data_type().clone())?;
        Ok((typed, wanted.name().clone()))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
}

fn count_files(set: &FileSet, scanned: usize, metrics: &ExecutionPlanMetricsSet) {
    let considered = set.files.len();
    for (name, count) in [("files_considered", considered), ("files_scanned", scanned)] {
        MetricBuilder::new(metrics).global_counter(name).add(count);
    }
}

/// The columns of a schema, or of its projection, by their place in the scan.
pub(crate) fn scan_indices(
    schema: &SchemaRef,
    projection: Option<&Vec<usize>>,
    scan_schema: &SchemaRef,
) -> Result<Vec<usize>> {
    let place = |index: usize| Ok(scan_schema.index_of(schema.field(index).name())?);
    match projection {
        Some(projection) => projection.iter().map(|index| place(*index)).collect(),
        None => (0..schema.fields().len()).map(place).collect(),
    }
}

/// All filters as one expression over the scan's columns.
fn predicate(
    session: &dyn Session,
    filters: Vec<Expr>,
    schema: &SchemaRef,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(all) = conjunction(filters) else {
        return Ok(None);
    };
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    session.create_physical_expr(all, &schema).map(Some)
}

#[cfg(test)]
mod tests;
