//! A physical plan and its metrics, as datafusion-python shows its own.

use std::sync::Arc;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use pyo3::prelude::*;

/// One operator, with those it reads from.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct PlanNode(Arc<dyn ExecutionPlan>);

impl PlanNode {
    /// The root of a plan.
    pub(crate) fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        Self(plan)
    }
}

#[pymethods]
impl PlanNode {
    /// The operators it reads from.
    fn children(&self) -> Vec<Self> {
        let children = self.0.children().into_iter();
        children.map(|child| Self(Arc::clone(child))).collect()
    }

    /// Its own line.
    fn display(&self) -> String {
        displayable(self.0.as_ref()).one_line().to_string()
    }

    /// The whole plan as text.
    fn display_indent(&self) -> String {
        displayable(self.0.as_ref()).indent(false).to_string()
    }

    /// Its metrics, summed over its partitions and files, or None.
    fn metrics(&self) -> Option<Metrics> {
        let metrics = self.0.metrics()?;
        Some(Metrics(metrics.aggregate_by_name()))
    }
}

/// The metrics of one operator.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct Metrics(MetricsSet);

#[pymethods]
impl Metrics {
    /// Each by name and value; what is no number is left out.
    fn metrics(&self) -> Vec<Metric> {
        let values = self.0.iter().map(|metric| metric.value());
        values.flat_map(numbers).collect()
    }
}

/// One number of an operator: rows and bytes as counts, times in nanoseconds.
#[pyclass(module = "dfd_native", frozen, get_all)]
pub(crate) struct Metric {
    name: String,
    value: usize,
}

fn numbers(metric: &MetricValue) -> Vec<Metric> {
    let named = |name: String, value| Metric { name, value };
    let name = metric.name();
    match metric {
        MetricValue::StartTimestamp(_) | MetricValue::EndTimestamp(_) => Vec::new(),
        MetricValue::PruningMetrics {
            pruning_metrics, ..
        } => vec![
            named(format!("{name}_pruned"), pruning_metrics.pruned()),
            named(format!("{name}_matched"), pruning_metrics.matched()),
        ],
        MetricValue::Ratio { ratio_metrics, .. } => vec![
            named(format!("{name}_part"), ratio_metrics.part()),
            named(format!("{name}_total"), ratio_metrics.total()),
        ],
        other => vec![named(name.to_owned(), other.as_usize())],
    }
}
