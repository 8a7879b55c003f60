//! A scan that a foreign optimizer can't look into.
//!
//! A session of another library inserts nodes into whatever plan it can see, and some of our nodes
//! refuse that. It sees one node without children, with the partitioning, statistics and ordering of the plan
//! inside. Whoever wants rows does the work on his own threads, as with a scan of his own; what waits for
//! a store is on our runtime.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    PlanProperties,
};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;

use crate::error::gone_file;
use crate::scan::request::Request;
use crate::snapshot::QueryVersions;

/// The plan inside, without children.
#[derive(Debug)]
pub struct DeltaScanExec {
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    name: String,
    request: Option<Request>,
    target_partitions: usize,
    /// The query that it is scanned for, which is told what a foreign session makes a text of.
    query: Option<Arc<QueryVersions>>,
}

impl DeltaScanExec {
    /// Hide `inner`, the plan for `request` over `target_partitions`, which scans `scanned` files.
    ///
    /// A plan that crosses over FFI shows its name and nothing else: so the name says what is
    /// scanned.
    pub fn try_new(
        inner: Arc<dyn ExecutionPlan>,
        request: Request,
        scanned: usize,
        target_partitions: usize,
    ) -> Result<Self> {
        let schema = request.schema()?;
        let considered = request.relation.num_files();
        let fields = schema.fields().iter().map(|field| field.name().as_str());
        let columns = fields.collect::<Vec<_>>().join(", ");
        let filter = request.condition();
        let filter = filter.map(|filter| format!(", filter=[{filter}]"));
        let last = request.relation.version();
        let versions = request.relation.first_version();
        let versions = versions.map(|first| format!("changes={first} to {last}, "));
        let properties = if inner.schema() == schema {
            Arc::clone(inner.properties())
        } else {
            Arc::new(PlanProperties::new(
                EquivalenceProperties::new(schema),
                Partitioning::UnknownPartitioning(inner.output_partitioning().partition_count()),
                inner.pipeline_behavior(),
                inner.boundedness(),
            ))
        };
        Ok(Self {
            inner,
            properties,
            name: format!(
                "DeltaScanExec: {}files={scanned} of {considered}, columns=[{columns}]{}",
                versions.unwrap_or_default(),
                filter.unwrap_or_default()
            ),
            request: Some(request),
            target_partitions,
            query: None,
        })
    }

    /// Hide `inner`, the scan of a table that `name` says.
    pub fn of_table(inner: Arc<dyn ExecutionPlan>, name: String) -> Self {
        Self {
            properties: Arc::clone(inner.properties()),
            inner,
            name,
            request: None,
            target_partitions: 0,
            query: None,
        }
    }

    /// The same for a query.
    #[must_use]
    pub(crate) fn of_query(self, query: Option<Arc<QueryVersions>>) -> Self {
        Self { query, ..self }
    }

    /// What was asked for of a Delta table, over how many partitions; None for another table.
    pub fn request(&self) -> Option<(&Request, usize)> {
        let request = self.request.as_ref()?;
        Some((request, self.target_partitions))
    }
}

impl DisplayAs for DeltaScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The same rows with the types that were promised.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| cast(column, field.data_type()))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// The same error, of which the query knows that a data file is gone.
fn told_to(query: Option<&QueryVersions>, error: DataFusionError) -> DataFusionError {
    let Some(query) = query.filter(|_| gone_file(&error).is_some()) else {
        return error;
    };
    let shared = Arc::new(error);
    query.note_gone(&shared);
    DataFusionError::Shared(shared)
}

/// What leaves a node that isn't the outermost doesn't leave the scan.
const OF_OUTPUT: [&str; 3] = ["output_rows", "output_batches", "output_bytes"];

fn collect(plan: &Arc<dyn ExecutionPlan>, is_outermost: bool, into: &mut MetricsSet) {
    for metric in plan.metrics().iter().flat_map(MetricsSet::iter) {
        if is_outermost || !OF_OUTPUT.contains(&metric.value().name()) {
            into.push(Arc::clone(metric));
        }
    }
    for child in plan.children() {
        collect(child, false, into);
    }
}

impl ExecutionPlan for DeltaScanExec {
    fn name(&self) -> &str {
        &self.name
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        foreign: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let context = dfd_runtime::task_context(&foreign);
        let handle = dfd_runtime::handle().map_err(DataFusionError::from)?;
        let entered = handle.enter();
        let begun = dfd_runtime::catching(|| self.inner.execute(partition, context));
        drop(entered);
        let batches = begun.map_err(DataFusionError::from)??;
        let schema = self.schema();
        let batches = Some(batches);
        let query = self.query.clone();
        let batches = WithRuntime { batches, handle }.map(move |batch| match batch {
            Ok(batch) if batch.schema_ref() != &schema => conform(&batch, &schema),
            Err(error) => Err(told_to(query.as_deref(), error)),
            other => other,
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut all = MetricsSet::new();
        collect(&self.inner, true, &mut all);
        // One of each, and not one for each file, goes over the border.
        Some(all.aggregate_by_name())
    }

    // The caller's walk can't see what is inside: one of its own.
    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        asked: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        StatisticsContext::new().compute(self.inner.as_ref(), asked)
    }
}

/// Polled by whoever wants the rows, on his thread; what it waits for is on our runtime.
struct WithRuntime {
    // None once it has ended or failed.
    batches: Option<SendableRecordBatchStream>,
    handle: Handle,
}

impl Stream for WithRuntime {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(batches) = this.batches.as_mut() else {
            return Poll::Ready(None);
        };
        let _entered = this.handle.enter();
        // No panic crosses into another library.
        let polled = dfd_runtime::catching(|| batches.poll_next_unpin(context));
        let polled = polled.unwrap_or_else(|panic| Poll::Ready(Some(Err(panic.into()))));
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.batches = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream::poll_fn;

    #[test]
    fn a_panic_is_an_error_and_the_end() -> Result<()> {
        let empty = Arc::new(arrow::datatypes::Schema::empty());
        #[expect(clippy::panic)]
        let panics = poll_fn(|_| -> Poll<Option<Result<RecordBatch>>> { panic!("on purpose") });
        let batches = Box::pin(RecordBatchStreamAdapter::new(empty, panics));
        let handle = dfd_runtime::handle()?;
        let mut stream = WithRuntime {
            batches: Some(batches),
            handle: handle.clone(),
        };
        let found = handle.block_on(async { (stream.next().await, stream.next().await) });
        assert!(matches!(found, (Some(Err(_)), None)));
        Ok(())
    }

    use crate::scan::provider::DeltaTableProvider;
    use crate::scan::request::Views;
    use crate::snapshot::TableSnapshot;
    use crate::test_tables::{
        Add, TestTable, condition, field, longs, mixed, rows, run, sorted, texts,
    };
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::catalog::TableProvider;
    use datafusion::common::stats::Precision;
    use datafusion::logical_expr::Expr;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use serde_json::json;

    /// The scan of a foreign session.
    fn scan(
        snapshot: &Arc<TableSnapshot>,
        projection: Option<Vec<usize>>,
        filters: &[Expr],
        partitions: usize,
    ) -> Arc<dyn ExecutionPlan> {
        let config = SessionConfig::new().with_target_partitions(partitions);
        let session = SessionContext::new_with_config(config).state();
        let table = DeltaTableProvider::opaque(Arc::clone(snapshot));
        run(table.scan(&session, projection.as_ref(), filters, None)).unwrap()
    }

    #[test]
    fn its_name_says_what_is_scanned() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let named = |projection, texts: &[&str]| {
            let filters = texts.iter().map(|text| condition(&snapshot, text));
            let filters: Vec<_> = filters.collect();
            let exec = scan(&snapshot, projection, &filters, 2);
            let shown = datafusion::physical_plan::displayable(exec.as_ref());
            let shown = shown.one_line().to_string();
            assert_eq!(shown.trim_end(), exec.name());
            exec.name().to_owned()
        };
        assert_eq!(
            named(None, &[]),
            "DeltaScanExec: files=4 of 4, columns=[id, p, name, price]"
        );
        assert_eq!(
            named(Some(vec![2, 0]), &["p = 'a'", "id > 20"]),
            "DeltaScanExec: files=1 of 4, columns=[name, id], filter=[id > Int64(20)]"
        );
        assert_eq!(
            named(
                Some(vec![]),
                &["id > 11", "name is null", "upper(name) = 'A'"]
            ),
            "DeltaScanExec: files=2 of 4, columns=[], filter=[id > Int64(11) AND name IS NULL]"
        );
        assert_eq!(
            named(Some(vec![0]), &["p = 'z'"]),
            "DeltaScanExec: files=0 of 4, columns=[id]"
        );
    }

    #[test]
    fn it_is_a_leaf_of_as_many_partitions_as_files_are_shared_over() {
        let (table, expected) = mixed();
        let snapshot = table.open();
        for (asked, partitions) in [(1, 1), (2, 2), (4, 4), (9, 4)] {
            let exec = scan(&snapshot, Some(vec![0]), &[], asked);
            let found = exec.output_partitioning().partition_count();
            assert_eq!(found, partitions, "of {asked}");
            assert!(exec.children().is_empty());
            let mut ids = Vec::new();
            let context = SessionContext::new().task_ctx();
            for partition in 0..partitions {
                let stream = exec.execute(partition, Arc::clone(&context)).unwrap();
                let batches = run(stream.collect::<Vec<_>>());
                let batches: Result<Vec<_>> = batches.into_iter().collect();
                let part = sorted(&batches.unwrap());
                assert!(!part.is_empty());
                ids.extend(part);
            }
            ids.sort();
            assert_eq!(ids, sorted(&[expected.project(&[0]).unwrap()]));
        }
    }

    #[test]
    fn a_scan_may_be_executed_again() {
        let (table, expected) = mixed();
        let snapshot = table.open();
        let exec = scan(&snapshot, None, &[], 2);
        let context = SessionContext::new().task_ctx();
        for _ in 0..2 {
            let plan = Arc::clone(&exec);
            let batches = run(datafusion::physical_plan::collect(
                plan,
                Arc::clone(&context),
            ));
            assert_eq!(
                sorted(&batches.unwrap()),
                sorted(std::slice::from_ref(&expected))
            );
        }
    }

    #[test]
    fn its_statistics_are_those_of_its_files() {
        let table = TestTable::new(&[field("id", "long"), field("p", "long")], &["p"]);
        let add = |path: &str, p: &str, least: i64| {
            let stats = json!({
                "numRecords": 10,
                "minValues": {"id": least},
                "maxValues": {"id": least + 9},
                "nullCount": {"id": 0},
            });
            Add::new(path, 100)
                .partition("p", Some(p))
                .stats(stats)
                .action()
        };
        table.commit(1, &[add("a", "1", 0), add("b", "2", 10), add("c", "2", 20)]);
        let snapshot = table.open();
        let of = |exec: &Arc<dyn ExecutionPlan>, partition| {
            let asked = StatisticsArgs::new().with_partition(partition);
            let found = StatisticsContext::new().compute(exec.as_ref(), &asked);
            let found = found.unwrap();
            let id = &found.column_statistics[0];
            (found.num_rows, id.min_value.clone(), id.max_value.clone())
        };
        let exact = |value: i64| Precision::Exact(value.into());
        let whole = scan(&snapshot, None, &[], 1);
        let rows = Precision::Exact;
        assert_eq!(of(&whole, None), (rows(30), exact(0), exact(29)));
        let some = scan(&snapshot, None, &[condition(&snapshot, "p = 2")], 2);
        assert_eq!(of(&some, None), (rows(20), exact(10), exact(29)));
        // What is in which partition isn't summed.
        let unknown = (Precision::Absent, Precision::Absent, Precision::Absent);
        assert_eq!(of(&some, Some(1)), unknown);
        // Which rows a filter leaves is a guess.
        let filtered = scan(&snapshot, None, &[condition(&snapshot, "id > 15")], 1);
        let (rows, _, _) = of(&filtered, None);
        assert!(matches!(rows, Precision::Inexact(1..20)), "{rows:?}");
    }

    #[test]
    fn its_metrics_are_those_of_the_scan() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let filters = [
            condition(&snapshot, "p = 'a'"),
            condition(&snapshot, "id > 13"),
        ];
        let exec = scan(&snapshot, Some(vec![2]), &filters, 2);
        let context = SessionContext::new().task_ctx();
        let plan = Arc::clone(&exec);
        let batches = run(datafusion::physical_plan::collect(plan, context)).unwrap();
        let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(count, 4);
        let metrics = exec.metrics().unwrap();
        let of = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
        assert_eq!(of("files_considered"), Some(4));
        assert_eq!(of("files_scanned"), Some(2));
        let looks = of("footer_cache_hits").unwrap() + of("footer_cache_misses").unwrap();
        assert!(looks >= 2);
        assert!(of("requests").unwrap() >= 2);
        // Rows that leave the scan, and not those that leave the nodes in it.
        assert_eq!(metrics.output_rows(), Some(4));
        // One of each name.
        let mut names: Vec<_> = metrics.iter().map(|metric| metric.value().name()).collect();
        let before = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    #[test]
    fn what_it_was_asked_for_stays_with_it() {
        let (table, _) = mixed();
        let snapshot = table.open();
        let filters = [condition(&snapshot, "id > 20")];
        let exec = scan(&snapshot, Some(vec![3]), &filters, 3);
        let exec = exec.downcast_ref::<DeltaScanExec>().unwrap();
        let (request, partitions) = exec.request().unwrap();
        assert_eq!(partitions, 3);
        assert!(Arc::ptr_eq(request.relation.snapshot().unwrap(), &snapshot));
        assert_eq!(request.projection, Some(vec![3]));
        assert_eq!((&request.filters[..], request.limit), (&filters[..], None));
        let empty = Arc::new(EmptyExec::new(Arc::new(Schema::empty())));
        let other = DeltaScanExec::of_table(empty, "Other: t".to_owned());
        assert!(other.request().is_none());
        assert_eq!(other.name(), "Other: t");
    }

    /// A node that gives one batch, of types of its own.
    fn one_batch(batch: RecordBatch) -> Arc<dyn ExecutionPlan> {
        let table = datafusion::datasource::MemTable::try_new(batch.schema(), vec![vec![batch]]);
        let session = SessionContext::new().state();
        run(table.unwrap().scan(&session, None, &[], None)).unwrap()
    }

    #[test]
    fn batches_have_the_types_that_were_promised() {
        let (table, _) = mixed();
        let request = Request {
            relation: table.open().into(),
            projection: Some(vec![0, 2]),
            filters: Vec::new(),
            limit: None,
            views: Views::None,
        };
        let wanted = request.schema().unwrap();
        let kinds = [DataType::Int32, DataType::Utf8View];
        let plain = rows([("id", longs([1, 2])), ("name", texts([Some("a"), None]))]);
        let columns = plain.columns().iter().zip(&kinds);
        let columns: Vec<_> = columns.map(|(c, kind)| cast(c, kind).unwrap()).collect();
        let fields = ["id", "name"].into_iter().zip(kinds);
        let fields: Vec<_> = fields
            .map(|(name, kind)| Field::new(name, kind, true))
            .collect();
        let narrow = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let exec = DeltaScanExec::try_new(one_batch(narrow), request, 1, 1).unwrap();
        assert_eq!(exec.schema(), wanted);
        let context = SessionContext::new().task_ctx();
        let found = run(datafusion::physical_plan::collect(Arc::new(exec), context)).unwrap();
        assert_eq!(found[0].schema(), wanted);
        assert_eq!(sorted(&found), ["1|a", "2|"]);
    }

    #[test]
    fn a_file_that_is_gone_is_an_error_and_the_end() {
        let (table, _) = mixed();
        let snapshot = table.open();
        std::fs::remove_file(table.path("p=b/3.parquet")).unwrap();
        let exec = scan(&snapshot, None, &[condition(&snapshot, "p = 'b'")], 1);
        let context = SessionContext::new().task_ctx();
        let mut stream = exec.execute(0, context).unwrap();
        let found = run(async { (stream.next().await, stream.next().await) });
        let (Some(Err(error)), None) = found else {
            unreachable!("the file is gone");
        };
        assert!(error.to_string().contains("p=b/3.parquet"), "{error}");
    }
}
