//! A source of data files whose errors say which file they are of.
//!
//! What decodes Parquet doesn't know where its bytes come from, so that a corrupt page, or a value
//! that isn't one of the table's type, would be an error without a place. Here every error of a file
//! gets it: while the file is opened, while it is planned, and while its rows are read.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use url::Url;

use crate::change_feed_error::ChangesGone;
use crate::error::{Error, below, find};
use crate::files::exact_columns::Misfit;

/// Data files of one table. What is asked of it is answered by the source that it is made of.
#[derive(Clone)]
pub struct LocatedFiles {
    files: Arc<dyn FileSource>,
    table: Arc<OfTable>,
}

/// The version of a table that has the files.
struct OfTable {
    uri: Url,
    version: u64,
}

impl LocatedFiles {
    /// The files that `files` reads, of a version of the table at `uri`.
    pub(crate) fn new(files: Arc<dyn FileSource>, uri: Url, version: u64) -> Self {
        let table = Arc::new(OfTable { uri, version });
        Self { files, table }
    }

    /// The source that reads them.
    pub fn source(&self) -> &dyn FileSource {
        self.files.as_ref()
    }

    /// The same files by another source.
    #[must_use]
    pub fn with_source(&self, files: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        let table = Arc::clone(&self.table);
        Arc::new(Self { files, table })
    }
}

impl FileSource for LocatedFiles {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.files.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        Ok(Box::new(Located {
            inner: self.files.create_morselizer(store, config, partition)?,
            place: Arc::clone(&self.table),
        }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.files.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.with_source(self.files.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.files.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.files.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.files.metrics()
    }

    fn file_type(&self) -> &str {
        self.files.file_type()
    }

    fn fmt_extra(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt_extra(kind, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.files.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        partitions: usize,
        min_bytes: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.files
            .repartitioned(partitions, min_bytes, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let FilterPushdownPropagation {
            filters,
            updated_node,
        } = self.files.try_pushdown_filters(filters, config)?;
        Ok(FilterPushdownPropagation {
            filters,
            updated_node: updated_node.map(|files| self.with_source(files)),
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let sorted = self.files.try_pushdown_sort(order, properties)?;
        Ok(sorted.map(|files| self.with_source(files)))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.files.reorder_files(files)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let projected = self.files.try_pushdown_projection(projection)?;
        Ok(projected.map(|files| self.with_source(files)))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.files.apply_expressions(visit)
    }
}

/// One step of reading, and of what it is: a scan's files, or one of them.
struct Located<Step, Of = Arc<OfTable>> {
    inner: Step,
    place: Of,
}

impl<Step: fmt::Debug, Of> fmt::Debug for Located<Step, Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Morselizer for Located<Box<dyn Morselizer>> {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let of_file = Arc::new(OfFile {
            table: Arc::clone(&self.place),
            file: file.clone(),
        });
        match self.inner.plan_file(file) {
            Ok(planner) => Ok(of_file.planner(planner)),
            Err(error) => Err(of_file.error(error)),
        }
    }
}

/// A file that is read.
struct OfFile {
    table: Arc<OfTable>,
    file: PartitionedFile,
}

impl OfFile {
    fn planner(self: &Arc<Self>, inner: Box<dyn MorselPlanner>) -> Box<dyn MorselPlanner> {
        let place = Arc::clone(self);
        Box::new(Located { inner, place })
    }

    /// What went wrong, with the place of the file.
    fn error(&self, error: DataFusionError) -> DataFusionError {
        // Who asks for changes is told of the version too.
        if find::<ChangesGone>(&error).is_some() {
            return error;
        }
        let OfTable { uri, version } = self.table.as_ref();
        let path = below(uri, self.file.object_meta.location.as_ref());
        let uri = uri.to_string();
        let is_gone = matches!(
            find::<object_store::Error>(&error),
            Some(object_store::Error::NotFound { .. })
        );
        let located = match is_gone {
            true => Error::FileGone {
                uri,
                version: *version,
                path,
                reason: Box::new(error),
            },
            false => Error::File {
                uri,
                path,
                column: find::<Misfit>(&error).map(|misfit| misfit.column.clone()),
                reason: Box::new(error),
            },
        };
        located.into()
    }
}

impl MorselPlanner for Located<Box<dyn MorselPlanner>, Arc<OfFile>> {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Located {
            inner,
            place: of_file,
        } = *self;
        let planned = inner.plan().map_err(|error| of_file.error(error))?;
        let Some(mut planned) = planned else {
            return Ok(None);
        };
        let morsels = planned.take_morsels().into_iter().map(|inner| {
            let place = Arc::clone(&of_file);
            Box::new(Located { inner, place }) as Box<dyn Morsel>
        });
        let planners = planned.take_ready_planners().into_iter();
        let mut located = MorselPlan::new()
            .with_morsels(morsels.collect())
            .with_planners(planners.map(|inner| of_file.planner(inner)).collect());
        if let Some(pending) = planned.take_pending_planner() {
            located.set_pending_planner(async move {
                match pending.await {
                    Ok(planner) => Ok(of_file.planner(planner)),
                    Err(error) => Err(of_file.error(error)),
                }
            });
        }
        Ok(Some(located))
    }
}

impl Morsel for Located<Box<dyn Morsel>, Arc<OfFile>> {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Located {
            inner,
            place: of_file,
        } = *self;
        inner
            .into_stream()
            .map(move |batch| batch.map_err(|error| of_file.error(error)))
            .boxed()
    }
}
