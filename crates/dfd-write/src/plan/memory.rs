//! Memory that the operators of a stage may hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
};
use datafusion::prelude::{SessionConfig, SessionContext};

/// The memory that all pools of a stage have given out together.
#[derive(Debug, Default)]
pub(crate) struct PoolUsage {
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl PoolUsage {
    /// Gives the most that was ever given out at once.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
    }

    /// Makes a context whose operators hold at most `limit_bytes`.
    pub(crate) fn context(
        self: &Arc<Self>,
        config: SessionConfig,
        limit_bytes: usize,
    ) -> Result<Arc<TaskContext>> {
        let pool = MeteredPool {
            inner: FairSpillPool::new(limit_bytes),
            usage: Arc::clone(self),
        };
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()?;
        Ok(SessionContext::new_with_config_rt(config, environment).task_ctx())
    }
}

/// A pool that operators which can spill share fairly, and whose use is counted.
#[derive(Debug)]
struct MeteredPool {
    inner: FairSpillPool,
    usage: Arc<PoolUsage>,
}

impl fmt::Display for MeteredPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl MemoryPool for MeteredPool {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
        self.usage.add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
        self.usage.bytes.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.inner.try_grow(reservation, additional)?;
        self.usage.add(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

/// Gives the partitions of a plan memory of their own.
///
/// With one pool for all sorts, those that merge already take what those that still read will need, and
/// these fail.
#[derive(Debug)]
pub(crate) struct PartitionMemoryExec {
    inner: Arc<dyn ExecutionPlan>,
    contexts: Vec<Arc<TaskContext>>,
}

impl PartitionMemoryExec {
    /// Runs each partition of `inner` in the context of its number, or all in the one there is.
    pub(crate) fn new(inner: Arc<dyn ExecutionPlan>, contexts: Vec<Arc<TaskContext>>) -> Self {
        Self { inner, contexts }
    }
}

impl DisplayAs for PartitionMemoryExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for PartitionMemoryExec {
    fn name(&self) -> &str {
        "PartitionMemoryExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.inner]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let inner = children.pop().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self::new(inner, self.contexts.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        given: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let own = self.contexts.get(partition).or(self.contexts.first());
        self.inner.execute(partition, own.map_or(given, Arc::clone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve(context: &TaskContext, bytes: usize) -> Result<MemoryReservation> {
        let consumer = MemoryConsumer::new("test").with_can_spill(true);
        let reservation = consumer.register(context.memory_pool());
        reservation.try_grow(bytes)?;
        Ok(reservation)
    }

    #[test]
    fn the_peak_is_of_all_pools_together() {
        let usage = Arc::new(PoolUsage::default());
        let context = || usage.context(SessionConfig::new(), 1_000).unwrap();
        let (one, other) = (context(), context());
        let first = reserve(&one, 600).unwrap();
        let second = reserve(&other, 700).unwrap();
        drop(first);
        let third = reserve(&one, 100).unwrap();
        assert_eq!(usage.peak_bytes(), 1_300);
        drop((second, third));
        assert_eq!(usage.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_pool_gives_no_more_than_its_own_limit() {
        let usage = Arc::new(PoolUsage::default());
        let context = usage.context(SessionConfig::new(), 1_000).unwrap();
        assert!(reserve(&context, 1_001).is_err());
        assert_eq!(usage.peak_bytes(), 0);
    }
}
