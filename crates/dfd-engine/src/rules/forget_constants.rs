//! Columns that DataFusion takes for constant, and that aren't.
//!
//! - Grouping sets make nulls of a grouping column that a filter has made constant, and groups of
//!   one key go to several partitions (apache/datafusion#24421, #16965).
//! - A filter over a computed value, like `n / 2 = 1`, is taken to leave one `n`, and a sort by `n`
//!   is left out (apache/datafusion#25232).
//!
//! A node above such an input says nothing of constants.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, PhysicalExpr};

use crate::rules::forget_properties::ForgetPropertiesExec;
use crate::rules::node_rule::{NodeRule, Rewritten};

/// Puts [`ForgetPropertiesExec`] where DataFusion's constants aren't to be believed.
pub(super) const FORGET_CONSTANTS: NodeRule = NodeRule {
    name: "forget_constants",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    if computes_and_has_constants(&node) {
        return Ok(Transformed::yes(ForgetPropertiesExec::over(node)));
    }
    let aggregate = node.downcast_ref::<AggregateExec>();
    match aggregate.filter(|aggregate| aggregate.group_expr().has_grouping_set()) {
        Some(aggregate) if has_constants(aggregate.input()) => {
            let input = ForgetPropertiesExec::over(Arc::clone(aggregate.input()));
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

#[cfg(test)]
mod tests {
    use crate::rules::forget_properties::forgets;
    use crate::testing::{batch, in_memory, numbers, physical, rows, session};

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
