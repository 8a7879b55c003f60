//! Columns that DataFusion takes for constant, and that aren't.
//!
//! - Grouping sets make nulls of a grouping column that a filter has made constant, and groups of
//!   one key go to several partitions (apache/datafusion#24421, #16965).
//! - A filter over a computed value, like `n / 2 = 1`, is taken to leave one `n`, and a sort by `n`
//!   is left out (apache/datafusion#25232).
//!
//! A node above such an input says nothing of constants.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, replace_children_if_necessary};
use datafusion::physical_plan::expressions::{BinaryExpr, Literal};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::filter_pushdown::{FilterDescription, FilterPushdownPhase};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    PlanProperties,
};

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Puts [`ForgetConstantsExec`] where DataFusion's constants aren't to be believed.
pub(super) const FORGET_CONSTANTS: NodeRule = NodeRule {
    name: "forget_constants",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    if computes_and_has_constants(&node) {
        return Ok(Transformed::yes(ForgetConstantsExec::over(node)));
    }
    let aggregate = node.downcast_ref::<AggregateExec>();
    match aggregate.filter(|aggregate| aggregate.group_expr().has_grouping_set()) {
        Some(aggregate) if has_constants(aggregate.input()) => {
            let input = ForgetConstantsExec::over(Arc::clone(aggregate.input()));
            let node = replace_children_if_necessary(node, vec![input]);
            node.map(Transformed::yes)
        }
        _ => Ok(Transformed::no(node)),
    }
}

fn has_constants(node: &Arc<dyn ExecutionPlan>) -> bool {
    !node.equivalence_properties().constants().is_empty()
}

/// Whether it is a filter that takes columns for constant, and compares what it computes.
fn computes_and_has_constants(node: &Arc<dyn ExecutionPlan>) -> bool {
    let filter = node.downcast_ref::<FilterExec>();
    filter.is_some_and(|filter| has_constants(node) && compares_computed(filter.predicate()))
}

fn compares_computed(predicate: &Arc<dyn PhysicalExpr>) -> bool {
    let mut found = false;
    let _ = predicate.apply(|part| {
        let comparison = part.downcast_ref::<BinaryExpr>();
        let comparison = comparison.filter(|part| part.op().supports_propagation());
        found |=
            comparison.is_some_and(|part| is_computed(part.left()) || is_computed(part.right()));
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn is_computed(side: &Arc<dyn PhysicalExpr>) -> bool {
    let is_plain =
        side.downcast_ref::<Column>().is_some() || side.downcast_ref::<Literal>().is_some();
    !is_plain
}

/// The rows of its input, of which no column is known to be constant, and no order.
#[derive(Debug)]
struct ForgetConstantsExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl ForgetConstantsExec {
    fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        let properties = Arc::new(properties);
        Arc::new(Self { input, properties })
    }
}

impl DisplayAs for ForgetConstantsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for ForgetConstantsExec {
    fn name(&self) -> &str {
        "ForgetConstantsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        self.input.execute(partition, context)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    /// The number of rows; the bounds of a column may make it a constant again.
    fn statistics_from_inputs(
        &self,
        inputs: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if let Some(input) = inputs.first() {
            statistics.num_rows = input.num_rows;
            statistics.total_byte_size = input.total_byte_size;
        }
        Ok(Arc::new(statistics))
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
    use super::*;
    use crate::testing::{batch, in_memory, nodes, numbers, physical, rows, session};

    fn forgets(plan: &Arc<dyn ExecutionPlan>) -> bool {
        let is_one =
            |node: &Arc<dyn ExecutionPlan>| node.downcast_ref::<ForgetConstantsExec>().is_some();
        nodes(plan).iter().any(is_one)
    }

    #[test]
    fn constants_are_forgotten_where_they_may_be_none() {
        let session = session();
        let table = in_memory(&[
            batch(vec![("n", numbers(0..9)), ("m", numbers(0..9))]),
            batch(vec![("n", numbers(0..9)), ("m", numbers(9..18))]),
        ]);
        session.register_table("t", table).unwrap();
        for (sql, count) in [
            (
                "SELECT n, m, count(*) FROM t WHERE n = 3 GROUP BY CUBE (n, m)",
                6,
            ),
            ("SELECT n, m FROM t WHERE n / 2 = 1 ORDER BY n", 4),
        ] {
            let plan = physical(&session, sql);
            assert!(forgets(&plan), "{sql}");
            assert_eq!(rows(plan, &session.state()).num_rows(), count, "{sql}");
        }
        for sql in [
            "SELECT n, count(*) FROM t WHERE n = 3 GROUP BY n",
            "SELECT n, m, count(*) FROM t GROUP BY CUBE (n, m)",
            "SELECT n, m FROM t WHERE n = 3 ORDER BY n",
        ] {
            assert!(!forgets(&physical(&session, sql)), "{sql}");
        }
    }
}
