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

    /// Its metrics, or None: rows and compute time of each partition, all else summed over partitions and files.
    fn metrics(&self) -> Option<Metrics> {
        self.0.metrics().map(Metrics)
    }

    /// When its first partition began and its last one ended, in microseconds since 1970; None where it doesn't say.
    fn times(&self) -> Option<(i64, i64)> {
        let metrics = self.0.metrics()?;
        let values = || metrics.iter().map(|metric| metric.value());
        let starts = values().filter_map(|value| match value {
            MetricValue::StartTimestamp(start) => start.value(),
            _ => None,
        });
        let ends = values().filter_map(|value| match value {
            MetricValue::EndTimestamp(end) => end.value(),
            _ => None,
        });
        let (start, end) = (starts.min()?, ends.max()?);
        Some((start.timestamp_micros(), end.timestamp_micros()))
    }
}

/// The metrics of one operator.
#[pyclass(module = "dfd_native", frozen)]
pub(crate) struct Metrics(MetricsSet);

#[pymethods]
impl Metrics {
    /// Each by name and value; what is no number is left out.
    fn metrics(&self) -> Vec<Metric> {
        let (apart, others): (Vec<_>, Vec<_>) = (self.0.iter().cloned())
            .partition(|metric| metric.partition().is_some() && is_told_apart(metric.value()));
        let apart = apart.iter().map(|metric| Metric {
            name: metric.value().name().to_owned(),
            value: metric.value().as_usize(),
            partition: metric.partition(),
        });
        let mut summed = MetricsSet::new();
        for metric in others {
            summed.push(metric);
        }
        let summed = summed.aggregate_by_name();
        let summed = summed.iter().flat_map(|metric| numbers(metric.value()));
        apart.chain(summed).collect()
    }
}

/// One number of an operator: rows and bytes as counts, times in nanoseconds.
#[pyclass(module = "dfd_native", frozen, get_all)]
pub(crate) struct Metric {
    name: String,
    value: usize,
    /// The partition whose it is; None of all together.
    partition: Option<usize>,
}

/// Whether partitions are compared by it.
fn is_told_apart(metric: &MetricValue) -> bool {
    matches!(
        metric,
        MetricValue::OutputRows(_) | MetricValue::ElapsedCompute(_)
    )
}

fn numbers(metric: &MetricValue) -> Vec<Metric> {
    let named = |name: String, value| Metric {
        name,
        value,
        partition: None,
    };
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
