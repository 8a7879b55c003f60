//! Rewrites of the engine's own, of logical and of physical plans.

mod compact_views;
mod cooperative_joins;
mod exact_comparisons;
mod float_bounds;
mod forget_constants;
mod forget_properties;
mod join_orders;
mod node_rule;
mod reapply_filters;
mod row_filters;
mod single_writers;
mod string_views;
mod top_groups;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

pub(crate) use exact_comparisons::exact_comparisons;
pub(crate) use reapply_filters::reapply_filters;
pub(crate) use string_views::with_string_views;

/// What mends the planner's assumptions, DataFusion's own physical rules, and then the engine's; `may_spill`
/// where memory has a limit.
pub(crate) fn physical_rules(may_spill: bool) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![
        Arc::new(float_bounds::FLOAT_BOUNDS),
        Arc::new(forget_constants::FORGET_CONSTANTS),
        Arc::new(join_orders::JOIN_ORDERS),
    ];
    rules.extend(PhysicalOptimizer::new().rules);
    rules.push(Arc::new(row_filters::RowFilters));
    rules.push(Arc::new(top_groups::TOP_GROUPS));
    rules.push(Arc::new(compact_views::COMPACT_VIEWS));
    rules.push(Arc::new(cooperative_joins::COOPERATIVE_JOINS));
    if may_spill {
        rules.push(Arc::new(single_writers::SINGLE_WRITERS));
    }
    rules
}
