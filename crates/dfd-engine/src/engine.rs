//! From the bytes of a plan to one that can run.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use dfd_delta::{Location, with_types};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::applied::with_filters;
use crate::codec::HostCodec;
use crate::cooperative::CooperativeJoins;
use crate::row_filters::RowFilters;
use crate::run::Run;
use crate::stores::EngineStores;
use crate::views::over_views;

/// Why the engine doesn't take a plan. Nothing has run.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bytes hold what only the host knows.
    #[error("the plan can't be read: {0}")]
    Unreadable(#[source] DataFusionError),
    /// Statements belong to the session.
    #[error("{0} runs in the session")]
    Statement(&'static str),
    /// Its literals of 16 bits can't be told from those of 32.
    #[error("a Float16 literal loses its type on the way")]
    HalfLiteral,
    /// Planning failed.
    #[error("the plan can't be planned: {0}")]
    Unplannable(#[source] DataFusionError),
    /// The plan would give something else than the host's would.
    #[error("the plan comes back with another schema: {0}")]
    OtherSchema(String),
}

/// What the engine may use.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Memory of all queries together; operators that can, spill. None: no limit.
    pub memory_bytes: Option<usize>,
    /// Where spilled data goes; a directory of the system by default.
    pub spill_directory: Option<PathBuf>,
    /// Footers of Parquet files that are kept.
    pub footer_cache_bytes: Option<usize>,
}

/// A DataFusion of our own: caches, memory, functions. It runs plans of any session.
#[derive(Debug)]
pub struct Engine {
    base: SessionState,
}

/// Consumers that an error about memory names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

fn environment(limits: Limits) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    // The host knows when a directory changes, and we don't.
    let mut caches = CacheManagerConfig::default()
        .with_list_files_cache_limit(0)
        .with_file_metadata_cache(Some(dfd_delta::parquet_metadata_cache()));
    if let Some(bytes) = limits.footer_cache_bytes {
        caches = caches.with_metadata_cache_limit(bytes);
    }
    let mut builder = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(EngineStores::default()))
        .with_cache_manager(caches);
    if let Some(bytes) = limits.memory_bytes {
        let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), NAMED_CONSUMERS);
        builder = builder.with_memory_pool(Arc::new(pool));
    }
    if let Some(directory) = limits.spill_directory {
        builder = builder.with_temp_file_path(directory);
    }
    builder.build_arc()
}

/// DataFusion's own, then ours.
fn optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.push(Arc::new(RowFilters));
    rules.push(Arc::new(CooperativeJoins));
    rules
}

impl Engine {
    /// An engine within `limits`.
    ///
    /// # Errors
    /// The directory for spilled data can't be used.
    pub fn try_new(limits: Limits) -> Result<Self, DataFusionError> {
        let mut base = SessionStateBuilder::new()
            .with_runtime_env(environment(limits)?)
            .with_default_features()
            .with_physical_optimizer_rules(optimizer_rules())
            .build();
        for function in dfd_udf::functions() {
            datafusion::execution::FunctionRegistry::register_udf(&mut base, function)?;
        }
        Ok(Self { base })
    }

    /// Read what a session's tables have under the scheme and host of `location` from its store.
    pub fn register_store(&self, location: &Location) {
        self.base
            .runtime_env()
            .register_object_store(location.url(), Arc::clone(location.store()));
    }

    /// Bytes that queries have reserved now.
    pub fn reserved_bytes(&self) -> usize {
        self.base.runtime_env().memory_pool.reserved()
    }

    /// Decode and plan, with the settings of the host's session; nothing runs yet.
    ///
    /// `codec` reads what only the host's session knows. `expected` are the columns that the host's session would give.
    ///
    /// # Errors
    /// The plan can't run here.
    pub async fn prepare(
        &self,
        bytes: &[u8],
        codec: HostCodec,
        config: SessionConfig,
        expected: Option<&Schema>,
    ) -> Result<Prepared, Refusal> {
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(without_aggregate_filters(config))
            .build();
        let context = state.task_ctx();
        let logical = logical_plan_from_bytes_with_extension_codec(bytes, &context, &codec)
            .map_err(Refusal::Unreadable)?;
        refuse_statements(&logical)?;
        refuse_half_literals(&logical)?;
        if let Some(expected) = expected {
            same_columns(expected, logical.schema().as_arrow())?;
        }
        let logical = with_filters(logical).map_err(Refusal::Unplannable)?;
        let wanted = logical.schema().inner();
        // A plan that can't have views runs without them.
        if let Ok(Some(viewed)) = over_views(&logical, &state)
            && let Ok(plan) = physical(&viewed, &state).await
            && let Ok(plan) = with_types(plan, wanted)
            && same_columns(wanted, &plan.schema()).is_ok()
        {
            return Ok(Prepared { plan, context });
        }
        let plan = physical(&logical, &state).await?;
        same_columns(wanted, &plan.schema())?;
        Ok(Prepared { plan, context })
    }
}

/// The settings, but for one that gives wrong rows: the dynamic filter of an aggregate drops rows that
/// another aggregate beside it needs (apache/datafusion#24816).
fn without_aggregate_filters(mut config: SessionConfig) -> SessionConfig {
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    config
}

/// The host's session has optimized the plan; only what comes after that is ours.
async fn physical(
    logical: &LogicalPlan,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>, Refusal> {
    let plan = state.query_planner().create_physical_plan(logical, state);
    plan.await.map_err(Refusal::Unplannable)
}

fn refuse_statements(plan: &LogicalPlan) -> Result<(), Refusal> {
    Err(Refusal::Statement(match plan {
        LogicalPlan::Ddl(_) => "DDL",
        LogicalPlan::Dml(_) => "DML",
        LogicalPlan::Copy(_) => "COPY",
        LogicalPlan::Statement(_) => "a statement",
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => "EXPLAIN",
        LogicalPlan::DescribeTable(_) => "DESCRIBE",
        _ => return Ok(()),
    }))
}

/// A literal of 16 bits comes back from a plan's bytes with 32: where there are both, it may be one.
fn refuse_half_literals(plan: &LogicalPlan) -> Result<(), Refusal> {
    let (mut has_half, mut has_literal) = (false, false);
    let looked = plan.apply_with_subqueries(|node| {
        let fields = node.schema().fields().iter();
        has_half |= fields.into_iter().any(|field| is_half(field.data_type()));
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Cast(cast) => has_half |= is_half(cast.field.data_type()),
                    Expr::TryCast(cast) => has_half |= is_half(cast.field.data_type()),
                    Expr::Literal(value, _) => {
                        has_literal |= value.data_type() == DataType::Float32
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    looked.map_err(Refusal::Unplannable)?;
    if has_half && has_literal {
        return Err(Refusal::HalfLiteral);
    }
    Ok(())
}

fn is_half(data_type: &DataType) -> bool {
    *data_type == DataType::Float16
}

/// Whether names and types agree; what may be null and metadata may differ.
fn same_columns(expected: &Schema, found: &Schema) -> Result<(), Refusal> {
    let told = |schema: &Schema| {
        let columns = schema.fields().iter();
        let columns = columns.map(|field| format!("{} {}", field.name(), field.data_type()));
        columns.collect::<Vec<_>>().join(", ")
    };
    let agree = expected.fields().len() == found.fields().len()
        && expected
            .fields()
            .iter()
            .zip(found.fields())
            .all(|(a, b)| a.name() == b.name() && same_type(a.data_type(), b.data_type()));
    if agree {
        return Ok(());
    }
    Err(Refusal::OtherSchema(format!(
        "({}) in the session, ({}) in the engine",
        told(expected),
        told(found)
    )))
}

fn same_type(a: &DataType, b: &DataType) -> bool {
    let same_fields = |a: &[FieldRef], b: &[FieldRef]| {
        a.len() == b.len()
            && a.iter()
                .zip(b)
                .all(|(a, b)| a.name() == b.name() && same_type(a.data_type(), b.data_type()))
    };
    match (a, b) {
        (DataType::Struct(a), DataType::Struct(b)) => same_fields(a, b),
        (DataType::List(a), DataType::List(b))
        | (DataType::LargeList(a), DataType::LargeList(b))
        | (DataType::ListView(a), DataType::ListView(b))
        | (DataType::LargeListView(a), DataType::LargeListView(b)) => {
            same_type(a.data_type(), b.data_type())
        }
        (DataType::FixedSizeList(a, m), DataType::FixedSizeList(b, n)) => {
            m == n && same_type(a.data_type(), b.data_type())
        }
        // The names inside a map mean nothing.
        (DataType::Map(a, m), DataType::Map(b, n)) => {
            m == n
                && match (a.data_type(), b.data_type()) {
                    (DataType::Struct(a), DataType::Struct(b)) => a
                        .iter()
                        .zip(b)
                        .all(|(a, b)| same_type(a.data_type(), b.data_type())),
                    _ => false,
                }
        }
        _ => a == b,
    }
}

/// A plan that is ready to run, once.
#[derive(Debug, Clone)]
pub struct Prepared {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl Prepared {
    /// The columns that leave.
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }

    /// The physical plan; its metrics are those of the run.
    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// The physical plan as text.
    pub fn explain(&self) -> String {
        displayable(self.plan.as_ref()).indent(false).to_string()
    }

    /// Begin to run for whoever consumes it on our threads.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn stream(&self) -> Result<SendableRecordBatchStream, DataFusionError> {
        let threads = dfd_delta::runtime_handle()?;
        let _ours = threads.enter();
        execute_stream(Arc::clone(&self.plan), Arc::clone(&self.context))
    }

    /// Begin to run, on our threads.
    ///
    /// # Errors
    /// The first steps fail.
    pub fn start(&self) -> Result<Run, DataFusionError> {
        Run::start(Arc::clone(&self.plan), Arc::clone(&self.context))
    }
}
