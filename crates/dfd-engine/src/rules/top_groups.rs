//! The first groups of an order, kept while rows are read: not by keys of floating-point numbers.
//!
//! What keeps them finds a group again by `==`, which no NaN is to itself, and panics when it has to drop that
//! group. Over such keys all groups are kept, and sorted afterwards.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use crate::rules::node_rule::{NodeRule, Rewritten};

/// Takes the limit from aggregates whose keys are floating-point numbers.
pub(super) const TOP_GROUPS: NodeRule = NodeRule {
    name: "top_groups",
    rewrite,
};

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Rewritten {
    let aggregate = node.downcast_ref::<AggregateExec>();
    Ok(match aggregate.filter(|found| keeps_first_floats(found)) {
        Some(found) => Transformed::yes(Arc::new(found.with_new_limit_options(None))),
        None => Transformed::no(node),
    })
}

fn keeps_first_floats(aggregate: &AggregateExec) -> bool {
    let limit = aggregate.limit_options();
    let input = aggregate.input().schema();
    let mut keys = aggregate.group_expr().expr().iter();
    limit.is_some_and(|limit| limit.descending.is_some())
        && keys.any(|(key, _)| {
            let data_type = key.data_type(&input);
            data_type.is_ok_and(|data_type| data_type.is_floating())
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Float64Array};
    use datafusion::physical_plan::aggregates::AggregateExec;

    use crate::testing::{batch, in_memory, nodes, numbers, physical, rows, session, shown};

    #[test]
    fn groups_of_nan_are_among_the_first() {
        let session = session();
        let values = [f32::NAN, 1.5, f32::INFINITY, -0.5, 0.0, f32::NAN];
        let part = |of: usize| {
            let turned = || (0..60).map(|n| values[(n * 7 + of) % values.len()]);
            let e: ArrayRef = Arc::new(Float32Array::from_iter_values(turned()));
            let f: ArrayRef = Arc::new(Float64Array::from_iter_values(turned().map(f64::from)));
            batch(vec![("e", e), ("f", f), ("id", numbers(0..60))])
        };
        let table = in_memory(&[part(0), part(1), part(2)]);
        session.register_table("t", table).unwrap();
        for column in ["e", "f"] {
            for (order, wanted) in [("asc", ["-0.5", "0.0"]), ("desc", ["NaN", "inf"])] {
                let sql =
                    format!("SELECT DISTINCT {column} FROM t ORDER BY {column} {order} LIMIT 2");
                let found = shown(&rows(physical(&session, &sql), &session.state()));
                assert!(wanted.iter().all(|value| found.contains(value)), "{found}");
            }
            let sql = format!(
                "SELECT {column}, max(id) m FROM t GROUP BY {column} ORDER BY m DESC LIMIT 1"
            );
            assert_eq!(
                rows(physical(&session, &sql), &session.state()).num_rows(),
                1
            );
        }
        // Of other keys the first are kept while rows are read.
        let plan = physical(&session, "SELECT DISTINCT id FROM t ORDER BY id LIMIT 2");
        let keeps = nodes(&plan).into_iter().any(|node| {
            let aggregate = node.downcast_ref::<AggregateExec>();
            aggregate.is_some_and(|found| found.limit_options().is_some())
        });
        assert!(keeps);
    }
}
