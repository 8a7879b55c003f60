//! Functions that a plan's bytes don't tell apart.
//!
//! A function without a payload travels as its name. Other libraries' have names of DataFusion's own too: `abs`,
//! `concat` and `round` of datafusion-spark give other results.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::{
    AggregateUDF, Expr, LogicalPlan, ScalarUDF, WindowFunctionDefinition,
};

/// The functions of `state` by their own names. DataFusion writes those: an alias in a plan's bytes is the name of
/// another function.
pub(crate) fn without_aliases(state: &SessionState) -> TaskContext {
    let context = state.task_ctx();
    TaskContext::new(
        None,
        context.session_id(),
        context.session_config().clone(),
        named(context.scalar_functions(), |function| function.name()),
        context.higher_order_functions().clone(),
        named(context.aggregate_functions(), |function| function.name()),
        named(context.window_functions(), |function| function.name()),
        context.runtime_env(),
    )
}

fn named<F>(
    functions: &HashMap<String, Arc<F>>,
    name: impl Fn(&F) -> &str,
) -> HashMap<String, Arc<F>> {
    let is_own = |(key, function): &(&String, &Arc<F>)| *key == name(function);
    functions
        .iter()
        .filter(is_own)
        .map(|(key, function)| (key.clone(), Arc::clone(function)))
        .collect()
}

/// The first function that `plan` calls, by its name alone, of those that have one of the `names`.
///
/// Functions that came with a payload are what they are; columns, aliases and literals call nothing.
pub(crate) fn ambiguous_function(
    plan: &LogicalPlan,
    names: &HashSet<String>,
    state: &SessionState,
) -> Result<Option<String>> {
    if names.is_empty() {
        return Ok(None);
    }
    let is_own_scalar = |function: &Arc<ScalarUDF>| {
        let own = state.udf(function.name());
        own.is_ok_and(|own| Arc::ptr_eq(&own, function))
    };
    let is_own_aggregate = |function: &Arc<AggregateUDF>| {
        let own = state.udaf(function.name());
        own.is_ok_and(|own| Arc::ptr_eq(&own, function))
    };
    let called = |expr: &Expr| -> Option<String> {
        let name = match expr {
            Expr::ScalarFunction(call) if is_own_scalar(&call.func) => call.func.name(),
            Expr::AggregateFunction(call) if is_own_aggregate(&call.func) => call.func.name(),
            Expr::WindowFunction(call) => match &call.fun {
                WindowFunctionDefinition::AggregateUDF(function) if is_own_aggregate(function) => {
                    function.name()
                }
                _ => return None,
            },
            _ => return None,
        };
        names.contains(name).then(|| name.to_owned())
    };
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                found = found.take().or_else(|| called(expr));
                Ok(match found {
                    None => TreeNodeRecursion::Continue,
                    Some(_) => TreeNodeRecursion::Stop,
                })
            })
        })
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::testing::{batch, in_memory, numbers, optimized, session};

    fn with_table() -> SessionContext {
        let session = session();
        let table = in_memory(&[batch(vec![("abs", numbers([1])), ("n", numbers([2]))])]);
        session.register_table("t", table).unwrap();
        session
    }

    fn found(session: &SessionContext, own: &SessionContext, sql: &str) -> Option<String> {
        let names = ["abs", "avg", "concat"].map(str::to_owned).into();
        ambiguous_function(&optimized(session, sql), &names, &own.state()).unwrap()
    }

    #[test]
    fn calls_are_found_wherever_they_are() {
        let session = with_table();
        for (sql, name) in [
            ("SELECT abs(n) FROM t", "abs"),
            ("SELECT n FROM t WHERE n + abs(n) > 2", "abs"),
            ("SELECT avg(n) FROM t", "avg"),
            ("SELECT avg(n) OVER (ORDER BY n) FROM t", "avg"),
            (
                "SELECT n FROM t ORDER BY concat('a', CAST(n AS VARCHAR))",
                "concat",
            ),
            (
                "SELECT n FROM t WHERE n = (SELECT max(abs(n)) FROM t)",
                "abs",
            ),
            ("SELECT a.n FROM t a JOIN t b ON abs(a.n) = b.n", "abs"),
        ] {
            assert_eq!(
                found(&session, &session, sql).as_deref(),
                Some(name),
                "{sql}"
            );
        }
    }

    #[test]
    fn names_that_call_nothing_are_none() {
        let session = with_table();
        for sql in [
            "SELECT abs FROM t WHERE abs > 1",
            "SELECT n AS concat, 'abs(n)' AS avg FROM t",
            "SELECT sum(abs) AS abs, max(n) FROM t abs GROUP BY n",
            "SELECT round(n) FROM t",
        ] {
            assert_eq!(found(&session, &session, sql), None, "{sql}");
        }
    }

    #[test]
    fn a_function_that_came_with_a_payload_is_what_it_is() {
        let own = with_table();
        let other = with_table();
        let number = DataType::Int64;
        other.register_udf(create_udf(
            "abs",
            vec![number.clone()],
            number,
            Volatility::Immutable,
            Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone())),
        ));
        assert_eq!(found(&other, &own, "SELECT abs(n) FROM t"), None);
        assert!(found(&own, &own, "SELECT abs(n) FROM t").is_some());
    }

    #[test]
    fn aliases_name_no_function() {
        let context = without_aliases(&session().state());
        assert!(context.udf("character_length").is_ok());
        assert!(context.udf("length").is_err());
        assert!(context.udaf("avg").is_ok());
        assert!(context.udaf("mean").is_err());
        assert!(context.udwf("row_number").is_ok());
    }
}
