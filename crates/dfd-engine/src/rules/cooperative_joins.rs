//! Joins that make many rows of few stop to look whether anybody still wants them.
//!
//! DataFusion's operators give way where a scan is read, every so many batches. A join of all pairs makes
//! thousands of batches of one that it reads: dropped or interrupted, it would go on for seconds.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Counts the batches of joins that multiply rows as those of a scan.
pub(super) const COOPERATIVE_JOINS: NodeRule = NodeRule {
    name: "cooperative_joins",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    let multiplies = node.downcast_ref::<CrossJoinExec>().is_some()
        || node.downcast_ref::<NestedLoopJoinExec>().is_some()
        || node.downcast_ref::<HashJoinExec>().is_some();
    Ok(if multiplies {
        Transformed::yes(Arc::new(CooperativeExec::new(node)) as _)
    } else {
        Transformed::no(node)
    })
}

#[cfg(test)]
mod tests {
    use datafusion::config::ConfigOptions;
    use datafusion::physical_optimizer::PhysicalOptimizerRule;
    use datafusion::physical_plan::joins::SortMergeJoinExec;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::{batch, in_memory, nodes, numbers, physical, rows, session, session_with};

    fn with_tables(session: SessionContext) -> SessionContext {
        for (name, values) in [("a", 0..9), ("b", 3..40)] {
            let table = in_memory(&[
                batch(vec![("n", numbers(values.clone()))]),
                batch(vec![("n", numbers(values))]),
            ]);
            session.register_table(name, table).unwrap();
        }
        session
    }

    /// How many joins of the kind there are, and how many of them count their batches.
    fn joins<J: ExecutionPlan>(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
        let is_join = |node: &Arc<dyn ExecutionPlan>| node.downcast_ref::<J>().is_some();
        let counts = |node: &Arc<dyn ExecutionPlan>| {
            node.downcast_ref::<CooperativeExec>().is_some()
                && node.children().into_iter().any(is_join)
        };
        let nodes = nodes(plan);
        (
            nodes.iter().filter(|node| is_join(node)).count(),
            nodes.iter().filter(|node| counts(node)).count(),
        )
    }

    #[test]
    fn joins_that_multiply_rows_count_their_batches() {
        let session = with_tables(session());
        let crossed = physical(&session, "SELECT * FROM a CROSS JOIN b");
        assert_eq!(joins::<CrossJoinExec>(&crossed), (1, 1));
        let nested = physical(&session, "SELECT * FROM a JOIN b ON a.n < b.n");
        assert_eq!(joins::<NestedLoopJoinExec>(&nested), (1, 1));
        let hashed = physical(&session, "SELECT * FROM a JOIN b ON a.n = b.n");
        assert_eq!(joins::<HashJoinExec>(&hashed), (1, 1));
    }

    #[test]
    fn joins_of_joins_count_each() {
        let session = with_tables(session());
        let sql = "SELECT * FROM a x CROSS JOIN a y CROSS JOIN b";
        assert_eq!(joins::<CrossJoinExec>(&physical(&session, sql)), (2, 2));
    }

    #[test]
    fn other_plans_stay_as_they_are() {
        let config = SessionConfig::new().set_bool("datafusion.optimizer.prefer_hash_join", false);
        let session = with_tables(session_with(config));
        let merged = physical(&session, "SELECT * FROM a JOIN b ON a.n = b.n");
        assert_eq!(joins::<SortMergeJoinExec>(&merged), (1, 0));
        let summed = physical(&session, "SELECT n, count(*) FROM a GROUP BY n");
        let again = COOPERATIVE_JOINS.optimize(Arc::clone(&summed), &ConfigOptions::default());
        assert!(Arc::ptr_eq(&again.unwrap(), &summed));
    }

    #[test]
    fn rows_are_the_same() {
        let session = with_tables(session());
        let sql = "SELECT a.n FROM a JOIN b ON a.n < b.n";
        let plan = physical(&session, sql);
        // 0 to 8, and 3 to 39, each twice.
        let pairs: usize = (0..9).map(|a| (3..40).filter(|b| a < *b).count()).sum();
        assert_eq!(rows(plan, &session.state()).num_rows(), 4 * pairs);
    }
}
