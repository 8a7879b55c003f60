//! Texts and binaries of Delta tables as views, inside a plan alone.
//!
//! DataFusion reads plain Parquet so, which spares a copy of each value and compares short texts in
//! place. To the session a Delta table has the types of its log. So the plan is given views here, in its
//! scans; DataFusion's own coercion does the rest. Whoever plans it casts what leaves to the types that the
//! session expects. What could tell the difference keeps a plan as it is.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TableScan};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use dfd_delta::DeltaTableProvider;

/// Functions whose values tell the type of an argument.
const TELL_TYPES: [&str; 2] = ["arrow_typeof", "arrow_field"];

/// A plan for the same rows under the same names, from scans of views; None where nothing is gained, or
/// where something could tell the difference.
///
/// Casts to the types of `plan` belong above the physical plan, once it is optimized: a projection of
/// casts above a Sort is spread over partitions again, and the order is lost.
pub(crate) fn with_string_views(
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<Option<LogicalPlan>> {
    let options = state.config_options();
    if !options.execution.parquet.schema_force_view_types || !is_type_agnostic(plan, state)? {
        return Ok(None);
    }
    let viewed = plan.clone().transform_up(|node| match node {
        LogicalPlan::TableScan(scan) => scan_of_views(scan),
        other => Ok(Transformed::no(other)),
    })?;
    if !viewed.transformed {
        return Ok(None);
    }
    let retyped = viewed.data.transform_up(|node| {
        Ok(Transformed::yes(if node.inputs().is_empty() {
            node
        } else {
            node.recompute_schema()?
        }))
    })?;
    let coerced = TypeCoercion::new().analyze(retyped.data, options)?;
    Ok(Some(coerced.transform_up(fold_literals)?.data))
}

/// Whether no part of the plan can tell a view from a text: nothing is in it that isn't DataFusion's.
fn is_type_agnostic(plan: &LogicalPlan, state: &SessionState) -> Result<bool> {
    let mut is_agnostic = true;
    plan.apply_with_subqueries(|node| {
        is_agnostic &= !matches!(
            node,
            LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_) | LogicalPlan::Unnest(_)
        );
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                is_agnostic &= match expr {
                    Expr::ScalarFunction(call) => {
                        let name = call.func.name();
                        let ours = state.udf(name);
                        ours.is_ok_and(|ours| Arc::ptr_eq(&ours, &call.func))
                            && !TELL_TYPES.contains(&name)
                    }
                    Expr::AggregateFunction(call) => {
                        let ours = state.udaf(call.func.name());
                        ours.is_ok_and(|ours| Arc::ptr_eq(&ours, &call.func))
                    }
                    Expr::WindowFunction(_) => false,
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(is_agnostic)
}

/// The scan with texts and binaries as views, where the table has any.
fn scan_of_views(scan: TableScan) -> Result<Transformed<LogicalPlan>> {
    let provider = source_as_provider(&scan.source)?;
    let delta = provider.downcast_ref::<DeltaTableProvider>();
    let Some(table) = delta.and_then(DeltaTableProvider::with_views) else {
        return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
    };
    let viewed = TableScanBuilder::new(scan.table_name, provider_as_source(Arc::new(table)))
        .with_projection(scan.projection)
        .with_filters(scan.filters)
        .with_fetch(scan.fetch)
        .with_statistics_requests(scan.statistics_requests)
        .build()?;
    Ok(Transformed::yes(LogicalPlan::TableScan(viewed)))
}

/// Literals that coercion has cast become literals of that type, which filters on files can use.
fn fold_literals(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let folded = expr.transform_up(|expr| match expr {
            Expr::Cast(Cast { expr, field }) => match *expr {
                Expr::Literal(value, metadata) => {
                    let value = value.cast_to(field.data_type())?;
                    Ok(Transformed::yes(Expr::Literal(value, metadata)))
                }
                other => Ok(Transformed::no(Expr::Cast(Cast::new_from_field(
                    Box::new(other),
                    field,
                )))),
            },
            other => Ok(Transformed::no(other)),
        })?;
        Ok(folded.update_data(|expr| name.restore(expr)))
    })
}
