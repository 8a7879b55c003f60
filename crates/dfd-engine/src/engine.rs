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
use crate::rules::{exact_comparisons, physical_rules, reapply_filters};
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

    /// List directories anew from now on: their files have changed.
    pub fn forget_listings(&self) {
        let caches = &self.base.runtime_env().cache_manager;
        if let Some(listings) = caches.get_list_files_cache() {
            listings.clear();
        }
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
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(without_aggregate_filters(config))
            .build();
        state.mark_start_execution();
        let context = state.task_ctx();
        let decoded = logical_plan_from_bytes_with_extension_codec(bytes, &context, &codec)
            .map_err(UnsupportedPlan::Unreadable)?;
        ensure_supported(&decoded)?;
        if let Some(expected) = expected {
            ensure_same_columns(expected, decoded.schema().as_arrow())?;
        }
        let logical = reapply_filters(decoded)
            .and_then(|logical| exact_comparisons(logical, &state))
            .map_err(UnsupportedPlan::Unplannable)?;
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::task::Poll;
    use std::time::{Duration, Instant};

    use arrow::datatypes::{DataType, Field, SchemaRef};
    use datafusion::logical_expr::LogicalPlan;
    use datafusion::prelude::SessionContext;
    use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
    use dfd_delta::DeltaCodec;

    use super::*;
    use crate::running_query::RunningQuery;
    use crate::testing::{DeltaTable, batch, in_memory, numbers, optimized, shown, texts};

    const LONG: Duration = Duration::from_secs(60);

    fn codec() -> DeltaCodec {
        DeltaCodec::new(Arc::new(|_: &str, _: &str| Some(HashMap::new())))
    }

    fn engine() -> Engine {
        Engine::try_new(EngineConfig::default()).unwrap()
    }

    fn written(plan: &LogicalPlan) -> Vec<u8> {
        logical_plan_to_bytes_with_extension_codec(plan, &codec())
            .unwrap()
            .to_vec()
    }

    fn planned(
        engine: &Engine,
        bytes: &[u8],
        expected: Option<&Schema>,
    ) -> Result<PlannedQuery, UnsupportedPlan> {
        let codec = ForeignPlanCodec::new(Arc::new(codec()), Arc::new(|_: &str, _: &[u8]| Ok(())));
        let config = SessionConfig::new().with_target_partitions(3);
        dfd_runtime::block_on(engine.plan(bytes, codec, config, expected)).unwrap()
    }

    fn taken(mut run: RunningQuery, schema: &SchemaRef) -> arrow::array::RecordBatch {
        let mut batches = Vec::new();
        while let Poll::Ready(Some(batch)) = run.poll_next(LONG) {
            batches.push(batch.unwrap());
        }
        arrow::compute::concat_batches(schema, &batches).unwrap()
    }

    /// A session of another library, whose tables are opaque.
    fn foreign(table: &DeltaTable) -> SessionContext {
        let session = SessionContext::new();
        session.register_table("t", table.opaque()).unwrap();
        let small = in_memory(&[batch(vec![
            ("n", numbers(0..4)),
            ("name", texts(["w", "x", "y", "z"])),
        ])]);
        session.register_table("m", small).unwrap();
        session
    }

    fn table() -> DeltaTable {
        let file = |from: i64| {
            let range = from..from + 50;
            batch(vec![
                ("n", numbers(range.clone())),
                ("s", texts(range.map(|n| format!("text {n}")))),
            ])
        };
        DeltaTable::new(&[file(0), file(50), file(100)])
    }

    #[test]
    fn a_plan_of_a_foreign_session_gives_the_rows_that_it_would_give_there() {
        let (table, engine) = (table(), engine());
        let session = foreign(&table);
        for sql in [
            "SELECT n, s FROM t WHERE n > 70 AND s <> 'text 99' ORDER BY n",
            "SELECT s FROM t WHERE n % 7 = 3 ORDER BY s DESC LIMIT 4",
            "SELECT count(*), min(s), max(n) FROM t WHERE s LIKE '%1%'",
            "SELECT m.name, t.s FROM t JOIN m ON t.n = m.n ORDER BY m.name",
            "SELECT n FROM t WHERE n IN (SELECT n FROM m WHERE name > 'x') ORDER BY n",
            "SELECT dfd_hhmm_minutes(n) FROM t WHERE n < 3 ORDER BY n",
        ] {
            if sql.contains("dfd_") {
                for function in dfd_udf::functions() {
                    session.register_udf(function.as_ref().clone());
                }
            }
            let plan = optimized(&session, sql);
            let expected = Arc::clone(plan.schema().inner());
            let query = planned(&engine, &written(&plan), Some(&expected)).unwrap();
            let found = taken(query.start().unwrap(), &query.schema());
            let batches = dfd_runtime::block_on(async { session.sql(sql).await?.collect().await });
            let wanted = arrow::compute::concat_batches(&expected, &batches.unwrap().unwrap());
            assert_eq!(shown(&found), shown(&wanted.unwrap()), "{sql}");
            assert!(found.num_rows() > 0, "{sql}");
        }
    }

    #[test]
    fn the_scan_is_a_plain_one_with_views_and_the_filter_a_node() {
        let (table, engine) = (table(), engine());
        let plan = optimized(&foreign(&table), "SELECT s FROM t WHERE n > 70");
        let text = planned(&engine, &written(&plan), None).unwrap().explain();
        for part in [
            "FilterExec: n@",
            "DataSourceExec: ",
            "file_type=parquet",
            "CAST(s@",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("DeltaScanExec"), "{text}");
    }

    #[test]
    fn other_columns_than_expected_are_refused() {
        let (table, engine) = (table(), engine());
        let bytes = written(&optimized(&foreign(&table), "SELECT n FROM t"));
        let other = Schema::new(vec![Field::new("n", DataType::Int32, true)]);
        let refusal = planned(&engine, &bytes, Some(&other)).unwrap_err();
        assert!(
            matches!(refusal, UnsupportedPlan::OtherSchema(_)),
            "{refusal}"
        );
        assert!(planned(&engine, &bytes, None).is_ok());
    }

    #[test]
    fn bytes_that_are_no_plan_and_tables_that_are_gone_are_unreadable() {
        let (table, engine) = (table(), engine());
        let refusal = planned(&engine, b"no plan", None).unwrap_err();
        assert!(
            matches!(refusal, UnsupportedPlan::Unreadable(_)),
            "{refusal}"
        );
        // A table in memory is read once.
        let bytes = written(&optimized(&foreign(&table), "SELECT n FROM m"));
        assert!(planned(&engine, &bytes, None).is_ok());
        let refusal = planned(&engine, &bytes, None).unwrap_err();
        assert!(
            matches!(refusal, UnsupportedPlan::Unreadable(_)),
            "{refusal}"
        );
    }

    #[test]
    fn aggregates_have_no_dynamic_filters() {
        let mut config = SessionConfig::new();
        config
            .options_mut()
            .optimizer
            .enable_aggregate_dynamic_filter_pushdown = true;
        let config = without_aggregate_filters(config);
        assert!(
            !config
                .options()
                .optimizer
                .enable_aggregate_dynamic_filter_pushdown
        );
    }

    #[test]
    fn a_query_beyond_the_memory_fails_and_gives_it_back() {
        let config = EngineConfig {
            memory_bytes: Some(1 << 20),
            ..EngineConfig::default()
        };
        let engine = Engine::try_new(config).unwrap();
        let session = SessionContext::new();
        let names = texts((0..50_000).map(|n| format!("a name that takes some room: {n}")));
        session
            .register_table("m", in_memory(&[batch(vec![("name", names)])]))
            .unwrap();
        let sql = "SELECT count(*) FROM m a JOIN m b ON a.name = b.name";
        let query = planned(&engine, &written(&optimized(&session, sql)), None).unwrap();
        let mut run = query.start().unwrap();
        let error = match run.poll_next(LONG) {
            Poll::Ready(Some(Err(error))) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(error.contains("HashJoin"), "{error}");
        drop((run, query));
        let began = Instant::now();
        while engine.reserved_bytes() > 0 && began.elapsed() < LONG {
            std::thread::yield_now();
        }
        assert_eq!(engine.reserved_bytes(), 0);
    }

    #[test]
    fn files_are_read_from_the_store_that_was_registered_for_their_url() {
        let table = table();
        let engine = engine();
        let uri = url::Url::from_directory_path(table.directory()).unwrap();
        let location = Location::try_new(uri.as_str(), &HashMap::new(), None).unwrap();
        engine.register_store(&location);
        let environment = engine.base.runtime_env();
        assert!(
            environment
                .object_store_registry
                .get_store(location.url())
                .is_ok()
        );
    }
}
