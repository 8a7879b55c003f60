//! What the operators of a stage may hold.

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

/// What all pools of a stage hold together.
#[derive(Debug, Default)]
pub struct Held {
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Held {
    /// The most that was ever held.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
    }

    /// A context whose operators hold at most `limit_bytes`.
    pub fn context(
        self: &Arc<Self>,
        config: SessionConfig,
        limit_bytes: usize,
    ) -> Result<Arc<TaskContext>> {
        let pool = WatchedPool {
            inner: FairSpillPool::new(limit_bytes),
            held: Arc::clone(self),
        };
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()?;
        Ok(SessionContext::new_with_config_rt(config, environment).task_ctx())
    }
}

/// A pool that those who can spill share fairly.
#[derive(Debug)]
struct WatchedPool {
    inner: FairSpillPool,
    held: Arc<Held>,
}

impl fmt::Display for WatchedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl MemoryPool for WatchedPool {
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
        self.held.add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
        self.held.bytes.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.inner.try_grow(reservation, additional)?;
        self.held.add(additional);
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
/// Of one pool for all sorts, those that merge already take what those that still read will need, and
/// these fail.
#[derive(Debug)]
pub struct OwnMemory {
    inner: Arc<dyn ExecutionPlan>,
    contexts: Vec<Arc<TaskContext>>,
}

impl OwnMemory {
    /// `inner`, each partition in the context of its number, or all in the one there is.
    pub fn new(inner: Arc<dyn ExecutionPlan>, contexts: Vec<Arc<TaskContext>>) -> Self {
        Self { inner, contexts }
    }
}

impl DisplayAs for OwnMemory {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for OwnMemory {
    fn name(&self) -> &str {
        "OwnMemory"
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
