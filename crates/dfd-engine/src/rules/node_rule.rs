//! Rules that look at one node at a time.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

/// A node after a rule has looked at it, and whether it is another.
pub(super) type Rewritten = Result<Transformed<Arc<dyn ExecutionPlan>>>;

/// A rule that rewrites a plan node by node, from the leaves up; no node's schema becomes another.
pub(super) struct NodeRule {
    pub(super) name: &'static str,
    pub(super) rewrite: fn(Arc<dyn ExecutionPlan>) -> Rewritten,
}

impl fmt::Debug for NodeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PhysicalOptimizerRule for NodeRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(self.rewrite).data()
    }

    fn name(&self) -> &str {
        self.name
    }

    fn schema_check(&self) -> bool {
        true
    }
}
