//! Texts and binaries that joins have made, in few buffers.
//!
//! A view names a place in one of its array's buffers. A join puts the batches of its build side together into one,
//! whose views have the buffers of all of them, and each batch that it makes has all of those again
//! (apache/datafusion#16206). Where such batches are the build side of another join, their buffers are as many as the
//! product of both: four joins of some hundred batches never end.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, replace_children_if_necessary};
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use futures::StreamExt;

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Buffers of an array that are as well left as they are.
const FEW: usize = 8;

/// Puts [`CompactViewsExec`] above joins whose rows are the build side of another.
pub(super) const COMPACT_VIEWS: NodeRule = NodeRule {
    name: "compact_views",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    if !puts_build_side_together(&node) {
        return Ok(Transformed::no(node));
    }
    let mut children: Vec<_> = node.children().into_iter().cloned().collect();
    let Some(build) = children.first_mut() else {
        return Ok(Transformed::no(node));
    };
    let compacted = Arc::clone(build).transform_down(|below| {
        Ok(if puts_build_side_together(&below) {
            let compacted = CompactViewsExec::over(below);
            Transformed::new(compacted, true, TreeNodeRecursion::Jump)
        } else {
            Transformed::no(below)
        })
    });
    *build = compacted.data()?;
    replace_children_if_necessary(node, children).map(Transformed::yes)
}

fn puts_build_side_together(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<HashJoinExec>().is_some()
        || node.downcast_ref::<NestedLoopJoinExec>().is_some()
        || node.downcast_ref::<CrossJoinExec>().is_some()
}

/// The batches of its input, whose views have few buffers.
#[derive(Debug)]
struct CompactViewsExec {
    input: Arc<dyn ExecutionPlan>,
}

impl CompactViewsExec {
    /// Above an input that has views; else the input.
    fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let schema = input.schema();
        let is_view = |kind: &DataType| matches!(kind, DataType::Utf8View | DataType::BinaryView);
        match schema
            .fields()
            .iter()
            .any(|field| is_view(field.data_type()))
        {
            true => Arc::new(Self { input }),
            false => input,
        }
    }
}

fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| -> ArrayRef {
        match column.data_type() {
            DataType::Utf8View if column.as_string_view().data_buffers().len() > FEW => {
                Arc::new(column.as_string_view().gc())
            }
            DataType::BinaryView if column.as_binary_view().data_buffers().len() > FEW => {
                Arc::new(column.as_binary_view().gc())
            }
            _ => Arc::clone(column),
        }
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

impl DisplayAs for CompactViewsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for CompactViewsExec {
    fn name(&self) -> &str {
        "CompactViewsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match children.pop() {
            Some(input) => Self::over(input),
            None => self,
        })
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let batches = self.input.execute(partition, context)?;
        let batches = batches.map(|batch| batch.and_then(compact));
        let stream = RecordBatchStreamAdapter::new(self.schema(), batches);
        Ok(Box::pin(stream))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let unknown = || Arc::new(Statistics::new_unknown(&self.schema()));
        Ok(inputs.first().cloned().unwrap_or_else(unknown))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        FilterDescription::from_children(filters, &self.children())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::{batch, in_memory, nodes, numbers, physical, rows, session, session_with};

    const ROWS: i64 = 120;

    /// Texts too long to stand in their view.
    fn long_texts(of: &str) -> ArrayRef {
        let texts = (0..ROWS).map(|n| Some(format!("a rather long text, number {n} of {of}")));
        Arc::new(texts.collect::<StringViewArray>())
    }

    fn with_tables(session: SessionContext) -> SessionContext {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let table = batch(vec![("n", numbers(0..ROWS)), ("s", long_texts(name))]);
            let parts: Vec<_> = (0..40).map(|part| table.slice(3 * part, 3)).collect();
            let table = in_memory(&parts);
            session.register_table(name, table).unwrap();
        }
        session
    }

    fn compacts(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let is_one =
            |node: &&Arc<dyn ExecutionPlan>| node.downcast_ref::<CompactViewsExec>().is_some();
        nodes(plan).iter().filter(is_one).count()
    }

    #[test]
    fn buffers_of_joined_joins_stay_few() {
        let config = SessionConfig::new()
            .with_batch_size(3)
            .with_target_partitions(2);
        let session = with_tables(session_with(config));
        let sql = "SELECT a.n, a.s AS x, f.s AS y FROM a JOIN b ON a.n = b.n JOIN c ON b.n = c.n JOIN d ON c.n = d.n \
                   JOIN e ON d.n = e.n AND d.s <> e.s JOIN f ON e.n = f.n ORDER BY a.n";
        let plan = physical(&session, sql);
        assert_eq!(compacts(&plan), 4);
        // Without it each further join multiplies the buffers by its batches.
        let found = rows(plan, &session.state());
        assert_eq!(
            found.column(1).as_string_view(),
            long_texts("a").as_string_view()
        );
        assert_eq!(
            found.column(2).as_string_view(),
            long_texts("f").as_string_view()
        );
    }

    #[test]
    fn a_join_of_tables_stays_as_it_is() {
        let session = with_tables(session());
        let joined = physical(&session, "SELECT * FROM a JOIN b ON a.n = b.n");
        assert_eq!(compacts(&joined), 0);
        let without_texts = "SELECT a.n FROM a JOIN b ON a.n = b.n JOIN c ON b.n = c.n";
        assert_eq!(compacts(&physical(&session, without_texts)), 0);
    }

    #[test]
    fn few_buffers_are_left() {
        let texts = long_texts("a");
        let slices: Vec<_> = (0..ROWS as usize / 3)
            .map(|n| texts.slice(3 * n, 3))
            .collect();
        // Each slice in a buffer of its own.
        let apart: Vec<ArrayRef> = slices
            .iter()
            .map(|slice| Arc::new(slice.as_string_view().gc()) as _)
            .collect();
        let parts: Vec<_> = apart.iter().map(|part| part.as_ref()).collect();
        let many = arrow::compute::concat(&parts).unwrap();
        assert!(many.as_string_view().data_buffers().len() > FEW);
        let compacted = compact(batch(vec![("s", many)])).unwrap();
        assert_eq!(compacted.column(0).as_string_view().data_buffers().len(), 1);
        assert_eq!(compacted.column(0), &texts);
    }
}
