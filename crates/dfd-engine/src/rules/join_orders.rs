//! Orders that DataFusion takes the rows of joins to have, and that they haven't.
//!
//! A join keeps the order of one input. Where the other has an order too, DataFusion takes the rows to be
//! sorted by both, one after the other (apache/datafusion#25052). They aren't where rows of the one
//! are alike, since those of the other come anew for each of them; and a sort, or that of a window,
//! is left out.
//!
//! A node above such a join says nothing of its order. Whether the inputs of a sort-merge join have more than
//! its keys in order is known only once sorts are placed, below which that node stops them.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::rules::forget_properties::ForgetPropertiesExec;
use crate::rules::node_rule::{NodeRule, Rewritten};

/// Puts [`ForgetPropertiesExec`] above joins whose order isn't to be believed.
pub(super) const JOIN_ORDERS: NodeRule = NodeRule {
    name: "join_orders",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    Ok(match joins_orders(&node) {
        true => Transformed::yes(ForgetPropertiesExec::over(node)),
        false => Transformed::no(node),
    })
}

fn joins_orders(node: &Arc<dyn ExecutionPlan>) -> bool {
    let hash_join = node.downcast_ref::<HashJoinExec>();
    let is_ordered = |side: &Arc<dyn ExecutionPlan>| side.output_ordering().is_some();
    node.downcast_ref::<SortMergeJoinExec>().is_some()
        || hash_join.is_some_and(|join| is_ordered(join.left()) && is_ordered(join.right()))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use crate::rules::forget_properties::forgets;
    use crate::testing::{batch, in_memory, numbers, physical, rows, session, session_with, shown};

    const FIRST: &str = "(SELECT * FROM t ORDER BY k, v LIMIT 9)";

    /// Each key four times, each value twice.
    fn with_table(session: SessionContext) -> SessionContext {
        let part = |of: i64| {
            let k = numbers((0..8).map(|n| n % 4));
            let v = numbers((0..8).map(|n| n / 4 + 10 * of));
            batch(vec![("k", k), ("v", v)])
        };
        let table = in_memory(&[part(1), part(2), part(1)]);
        session.register_table("t", table).unwrap();
        session
    }

    fn by_sort_merge() -> SessionContext {
        let config = SessionConfig::new().set_bool("datafusion.optimizer.prefer_hash_join", false);
        with_table(session_with(config))
    }

    #[test]
    fn rows_of_joins_are_sorted_by_columns_of_both_sides() {
        for session in [with_table(session()), by_sort_merge()] {
            for sides in [(FIRST, FIRST), ("t", FIRST), (FIRST, "t"), ("t", "t")] {
                for order in ["a.k, a.v, b.v", "b.k, b.v, a.v", "a.k, b.v, a.v"] {
                    let sql = format!(
                        "SELECT {} FROM {} a JOIN {} b ON a.k = b.k ORDER BY {order}",
                        order.replace("k,", "k x,").replace(", a.v", ", a.v y"),
                        sides.0,
                        sides.1,
                    );
                    let sorted = rows(physical(&session, &sql), &session.state());
                    let columns: Vec<_> = sorted.columns().to_vec();
                    let options = columns
                        .into_iter()
                        .map(|values| arrow::compute::SortColumn {
                            values,
                            options: None,
                        });
                    let order =
                        arrow::compute::lexsort_to_indices(&options.collect::<Vec<_>>(), None);
                    let wanted =
                        arrow::compute::take_record_batch(&sorted, &order.unwrap()).unwrap();
                    assert_eq!(shown(&sorted), shown(&wanted), "{sql}");
                }
            }
        }
    }

    #[test]
    fn other_joins_keep_the_order_of_one_side() {
        let session = with_table(session());
        for (left, right, is_hidden) in
            [("t", "t", false), ("t", FIRST, false), (FIRST, FIRST, true)]
        {
            let sql = format!("SELECT * FROM {left} a JOIN {right} b ON a.k = b.k");
            assert_eq!(forgets(&physical(&session, &sql)), is_hidden, "{sql}");
        }
        assert!(forgets(&physical(
            &by_sort_merge(),
            "SELECT * FROM t a JOIN t b ON a.k = b.k"
        )));
    }
}
