//! Repartitioning that can wait for ever once it spills.
//!
//! Under a memory limit a `RepartitionExec` of DataFusion 55 writes to disk what it gets no memory for. Where two of its
//! inputs do so at once, it may read the one while what it needs is in the other, and all wait
//! (apache/datafusion#24883). With one input there is one writer.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Gives each repartitioning one input, for engines with a memory limit.
pub(super) const SINGLE_WRITERS: NodeRule = NodeRule {
    name: "single_writers",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    let repartition = node.downcast_ref::<RepartitionExec>();
    // One that keeps an order has a file for each input.
    let repartition = repartition.filter(|node| !node.preserve_order());
    let Some(input) = repartition.map(RepartitionExec::input) else {
        return Ok(Transformed::no(node));
    };
    if input.output_partitioning().partition_count() < 2 {
        return Ok(Transformed::no(node));
    }
    let single = Arc::new(CoalescePartitionsExec::new(Arc::clone(input)));
    replace_children_if_necessary(node, vec![single]).map(Transformed::yes)
}

#[cfg(test)]
mod tests {
    use datafusion::config::ConfigOptions;
    use datafusion::physical_optimizer::PhysicalOptimizerRule;

    use super::*;
    use crate::testing::{batch, in_memory, nodes, numbers, physical, rows, session};

    /// The numbers of inputs of the repartitionings.
    fn inputs(plan: &Arc<dyn ExecutionPlan>) -> Vec<usize> {
        let of = |node: &Arc<dyn ExecutionPlan>| {
            let input = node.downcast_ref::<RepartitionExec>()?.input();
            Some(input.output_partitioning().partition_count())
        };
        nodes(plan).iter().filter_map(of).collect()
    }

    #[test]
    fn repartitionings_have_one_input() {
        let session = session();
        let rows_of = |from: i64| batch(vec![("n", numbers(from..from + 9))]);
        let table = in_memory(&[rows_of(0), rows_of(3), rows_of(6)]);
        session.register_table("t", table).unwrap();
        let plan = physical(&session, "SELECT n, count(*) FROM t GROUP BY n");
        assert!(inputs(&plan).iter().any(|inputs| *inputs > 1));
        let single = SINGLE_WRITERS.optimize(plan, &ConfigOptions::default());
        let single = single.unwrap();
        let found = inputs(&single);
        assert!(!found.is_empty() && found.iter().all(|inputs| *inputs == 1));
        assert_eq!(rows(single, &session.state()).num_rows(), 15);
    }
}
