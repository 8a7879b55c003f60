//! Comparisons of a whole plan as SQL means them.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;

/// The plan with comparisons of times in microseconds, and of both zeros in lists
/// ([`dfd_delta::exact_comparisons`]); its rows and schema stay.
///
/// A session that can't compute a literal of the year 9999 leaves all constants as they are: those of
/// a plan that changes here are computed.
///
/// # Errors
/// A constant can't be computed.
pub(crate) fn exact_comparisons(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let found = plan.transform_up_with_subqueries(in_node)?;
    if !found.transformed {
        return Ok(found.data);
    }
    let simplify = Optimizer::with_rules(vec![Arc::new(SimplifyExpressions::new())]);
    simplify.optimize(found.data, state, |_, _| {})
}

fn in_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = match &node {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() => {
            return Ok(Transformed::no(node));
        }
        LogicalPlan::TableScan(TableScan {
            table_name, source, ..
        }) => DFSchema::try_from_qualified_schema(table_name.clone(), &source.schema())?,
        other => merge_schema(&other.inputs()),
    };
    let names = NamePreserver::new(&node);
    let found = node.map_expressions(|expr| {
        let name = names.save(&expr);
        let exact = dfd_delta::exact_comparisons(expr, &schema)?;
        Ok(exact.update_data(|expr| name.restore(expr)))
    })?;
    if found.transformed {
        return found.map_data(LogicalPlan::recompute_schema);
    }
    Ok(found)
}
