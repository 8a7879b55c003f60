//! From the bytes of a plan to one that can run.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use dfd_runtime::Location;

use crate::config::EngineConfig;
use crate::foreign_plan_codec::ForeignPlanCodec;
use crate::planned_query::PlannedQuery;
use crate::rules::{physical_rules, reapply_filters};
use crate::schema_mismatch::ensure_same_columns;
use crate::unsupported_plan::{UnsupportedPlan, ensure_supported};

/// A DataFusion of our own: caches, memory, functions. It runs plans of any session.
#[derive(Debug)]
pub struct Engine {
    base: SessionState,
}

impl Engine {
    /// An engine within the limits of `config`.
    ///
    /// # Errors
    /// The directory for spilled data can't be used.
    pub fn try_new(config: EngineConfig) -> Result<Self> {
        let mut base = SessionStateBuilder::new()
            .with_runtime_env(config.environment()?)
            .with_default_features()
            .with_physical_optimizer_rules(physical_rules())
            .build();
        for function in dfd_udf::functions() {
            base.register_udf(function)?;
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

    /// Decode and plan, with the settings of the foreign session; nothing runs yet.
    ///
    /// `codec` reads what only the foreign session knows. `expected` are the columns that it would give.
    ///
    /// # Errors
    /// The plan can't run here.
    pub async fn plan(
        &self,
        bytes: &[u8],
        codec: ForeignPlanCodec,
        config: SessionConfig,
        expected: Option<&Schema>,
    ) -> Result<PlannedQuery, UnsupportedPlan> {
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(without_aggregate_filters(config))
            .build();
        let context = state.task_ctx();
        let decoded = logical_plan_from_bytes_with_extension_codec(bytes, &context, &codec)
            .map_err(UnsupportedPlan::Unreadable)?;
        ensure_supported(&decoded)?;
        if let Some(expected) = expected {
            ensure_same_columns(expected, decoded.schema().as_arrow())?;
        }
        let logical = reapply_filters(decoded).map_err(UnsupportedPlan::Unplannable)?;
        PlannedQuery::try_new(&logical, &state, context).await
    }
}

/// The settings, but for one that gives wrong rows: the dynamic filter of an aggregate drops rows that
/// another aggregate beside it needs (apache/datafusion#24816).
fn without_aggregate_filters(mut config: SessionConfig) -> SessionConfig {
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    config
}
