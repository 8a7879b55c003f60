//! EXPLAIN and EXPLAIN ANALYZE of a plan that is planned here.

use std::sync::Arc;

use datafusion::common::config::ExplainOptions;
use datafusion::common::display::{PlanType, StringifiedPlan, ToStringifiedPlan};
use datafusion::common::format::{ExplainAnalyzeCategories, ExplainFormat};
use datafusion::logical_expr::{Analyze, Explain};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

/// The rows of an EXPLAIN of `plan`, in its format; what it explains doesn't run.
///
/// VERBOSE adds statistics and schemas. The stages of planning, which it shows in a session, aren't kept here.
pub(crate) fn explained(
    explain: &Explain,
    plan: &dyn ExecutionPlan,
    options: &ExplainOptions,
) -> Arc<dyn ExecutionPlan> {
    let logical = |text: String| vec![StringifiedPlan::new(PlanType::FinalLogicalPlan, text)];
    let plans = match explain.explain_format {
        ExplainFormat::Indent => indented(explain, plan, options),
        ExplainFormat::Tree => {
            let tree = displayable(plan)
                .set_tree_maximum_render_width(options.tree_maximum_render_width)
                .tree_render()
                .to_string();
            vec![StringifiedPlan::new(PlanType::FinalPhysicalPlan, tree)]
        }
        ExplainFormat::PostgresJSON => logical(explain.plan.display_pg_json().to_string()),
        ExplainFormat::Graphviz => logical(explain.plan.display_graphviz().to_string()),
    };
    let schema = Arc::clone(explain.schema.inner());
    Arc::new(ExplainExec::new(schema, plans, explain.verbose))
}

fn indented(
    explain: &Explain,
    plan: &dyn ExecutionPlan,
    options: &ExplainOptions,
) -> Vec<StringifiedPlan> {
    let statistics = explain.show_statistics.unwrap_or(options.show_statistics);
    let mut plans = Vec::new();
    if !options.physical_plan_only {
        plans.push(explain.plan.to_stringified(PlanType::FinalLogicalPlan));
    }
    if options.logical_plan_only {
        return plans;
    }
    let shown = || {
        displayable(plan)
            .set_show_statistics(statistics)
            .set_show_schema(options.show_schema)
    };
    let mut push = |plan_type, shown: DisplayableExecutionPlan<'_>| {
        let text = shown.indent(explain.verbose).to_string();
        plans.push(StringifiedPlan::new(plan_type, text));
    };
    push(PlanType::FinalPhysicalPlan, shown());
    if explain.verbose {
        push(
            PlanType::FinalPhysicalPlanWithStats,
            shown().set_show_statistics(true),
        );
        push(
            PlanType::FinalPhysicalPlanWithSchema,
            shown().set_show_schema(true),
        );
    }
    plans
}

/// A plan that runs `plan` for its metrics, and gives the rows of an EXPLAIN ANALYZE.
pub(crate) fn analyzed(
    analyze: &Analyze,
    plan: Arc<dyn ExecutionPlan>,
    options: &ExplainOptions,
) -> Arc<dyn ExecutionPlan> {
    let level = analyze.analyze_level.unwrap_or(options.analyze_level);
    let categories = analyze.analyze_categories.as_ref();
    let categories = match categories.unwrap_or(&options.analyze_categories) {
        ExplainAnalyzeCategories::All => None,
        ExplainAnalyzeCategories::Only(categories) => Some(categories.clone()),
    };
    let schema = Arc::clone(analyze.schema.inner());
    let plan = AnalyzeExec::builder(analyze.verbose, options.show_statistics, plan, schema)
        .with_metric_types(level.included_types())
        .with_metric_categories(categories)
        .with_format(analyze.format.clone())
        .build();
    Arc::new(plan)
}
