//! From the bytes of a plan to one that can run.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::logical_plan_from_bytes_with_extension_codec;
use dfd_runtime::{Caches, Location};

use crate::ambiguous_function::{ambiguous_function, without_aliases};
use crate::config::EngineConfig;
use crate::date_trunc::date_trunc;
use crate::foreign_plan_codec::ForeignPlanCodec;
use crate::memory_limit::within;
use crate::planned_query::PlannedQuery;
use crate::rules::{exact_comparisons, physical_rules, reapply_filters};
use crate::schema_mismatch::ensure_same_columns;
use crate::total_order::min_and_max;
use crate::unsupported_plan::{UnsupportedPlan, ensure_supported};

/// A DataFusion of our own: caches, memory, functions. It runs plans of any session.
pub struct Engine {
    base: SessionState,
    caches: Arc<Caches>,
}

impl Engine {
    /// An engine within the limits of `config`, with these caches.
    ///
    /// # Errors
    /// The directory for spilled data can't be used.
    pub fn try_new(config: EngineConfig, caches: Arc<Caches>) -> Result<Self> {
        let may_spill = config.memory_bytes.is_some();
        let mut base = SessionStateBuilder::new()
            .with_runtime_env(config.environment(&caches)?)
            .with_default_features()
            .with_physical_optimizer_rules(physical_rules(may_spill))
            .build();
        for function in dfd_udf::functions().into_iter().chain([date_trunc()]) {
            base.register_udf(function)?;
        }
        for function in min_and_max() {
            base.register_udaf(function)?;
        }
        Ok(Self { base, caches })
    }

    /// Read what a session's tables have under the scheme and host of `location` from its store.
    pub fn register_store(&self, location: &Location) {
        self.base
            .runtime_env()
            .register_object_store(location.url(), Arc::clone(location.store()));
    }

    /// Its caches.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Bytes that queries have reserved now.
    pub fn reserved_bytes(&self) -> usize {
        self.base.runtime_env().memory_pool.reserved()
    }

    fn within_memory(&self, config: SessionConfig) -> SessionConfig {
        match self.base.runtime_env().memory_pool.memory_limit() {
            MemoryLimit::Finite(limit) => within(limit, config),
            _ => config,
        }
    }

    /// A session for plans of dfd's own, in which names are what they are.
    pub fn session_state(&self) -> SessionState {
        let mut config = SessionConfig::new();
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(self.within_memory(without_wrong_settings(config)))
            .build();
        state.mark_start_execution();
        state
    }

    /// Decode and plan, with the settings of the foreign session; nothing runs yet.
    ///
    /// `codec` reads what only the foreign session knows. `expected` are the columns that it would give, `ambiguous` the
    /// names of functions that may be others there.
    ///
    /// # Errors
    /// The plan can't run here.
    pub async fn plan(
        &self,
        bytes: &[u8],
        codec: ForeignPlanCodec,
        config: SessionConfig,
        expected: Option<&Schema>,
        ambiguous: &HashSet<String>,
    ) -> Result<PlannedQuery, UnsupportedPlan> {
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(self.within_memory(without_wrong_settings(config)))
            .build();
        state.mark_start_execution();
        let context = without_aliases(&state);
        let decoded = logical_plan_from_bytes_with_extension_codec(bytes, &context, &codec)
            .map_err(UnsupportedPlan::Unreadable)?;
        ensure_supported(&decoded)?;
        let function = ambiguous_function(&decoded, ambiguous, &state);
        if let Some(name) = function.map_err(UnsupportedPlan::Unplannable)? {
            return Err(UnsupportedPlan::AmbiguousFunction(name));
        }
        if let Some(expected) = expected {
            ensure_same_columns(expected, decoded.schema().as_arrow())?;
        }
        let logical = reapply_filters(decoded)
            .and_then(|logical| exact_comparisons(logical, &state))
            .map_err(UnsupportedPlan::Unplannable)?;
        PlannedQuery::try_new(logical, state).await
    }
}

/// The settings, but for those that give wrong rows: the dynamic filter of an aggregate drops rows that another
/// aggregate beside it needs (apache/datafusion#24816), and a piecewise merge join takes the columns of a range for
/// equals, and loses rows with nulls (apache/datafusion#24360, #24335).
fn without_wrong_settings(mut config: SessionConfig) -> SessionConfig {
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    optimizer.enable_piecewise_merge_join = false;
    config
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::task::Poll;
    use std::time::{Duration, Instant};

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
    use datafusion::logical_expr::LogicalPlan;
    use datafusion::prelude::SessionContext;
    use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
    use dfd_delta::DeltaCodec;
    use dfd_runtime::CacheLimits;

    use super::*;
    use crate::running_query::RunningQuery;
    use crate::testing::{DeltaTable, batch, in_memory, numbers, optimized, shown, texts};

    const LONG: Duration = Duration::from_secs(60);

    fn codec() -> DeltaCodec {
        DeltaCodec::new(Arc::new(|_: &str, _: &str| Some(HashMap::new())))
    }

    fn engine() -> Engine {
        Engine::try_new(EngineConfig::default(), Caches::new(CacheLimits::default())).unwrap()
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
        dfd_runtime::block_on(engine.plan(bytes, codec, config, expected, &HashSet::new())).unwrap()
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
    fn settings_that_give_wrong_rows_stay_off() {
        let mut config = SessionConfig::new();
        let optimizer = &mut config.options_mut().optimizer;
        optimizer.enable_aggregate_dynamic_filter_pushdown = true;
        optimizer.enable_piecewise_merge_join = true;
        let config = without_wrong_settings(config);
        let optimizer = &config.options().optimizer;
        assert!(!optimizer.enable_aggregate_dynamic_filter_pushdown);
        assert!(!optimizer.enable_piecewise_merge_join);
    }

    #[test]
    fn a_query_beyond_the_memory_fails_and_gives_it_back() {
        let config = EngineConfig {
            memory_bytes: Some(1 << 20),
            ..EngineConfig::default()
        };
        let engine = Engine::try_new(config, Caches::new(CacheLimits::default())).unwrap();
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

    /// The texts of a run's column `plan`, by its column `plan_type`.
    fn explained(engine: &Engine, session: &SessionContext, sql: &str) -> Vec<(String, String)> {
        let query = planned(engine, &written(&optimized(session, sql)), None).unwrap();
        let rows = taken(query.start().unwrap(), &query.schema());
        let column = |n: usize| rows.column(n).as_string::<i32>().clone();
        let texts = |n: usize| {
            column(n)
                .iter()
                .map(|text| text.unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        texts(0).into_iter().zip(texts(1)).collect()
    }

    #[test]
    fn explain_gives_the_plan_that_would_run() {
        let (table, engine) = (table(), engine());
        let session = foreign(&table);
        let sql = "SELECT s FROM t WHERE n > 70 ORDER BY s";
        let query = planned(&engine, &written(&optimized(&session, sql)), None).unwrap();
        let found = explained(&engine, &session, &format!("EXPLAIN {sql}"));
        let kinds: Vec<_> = found.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["logical_plan", "physical_plan"]);
        assert_eq!(found[1].1.trim(), query.explain().trim());
        assert!(
            found[0].1.contains("Filter: t.n > Int64(70)"),
            "{}",
            found[0].1
        );
        let verbose = explained(&engine, &session, &format!("EXPLAIN VERBOSE {sql}"));
        assert_eq!(verbose.len(), 4);
        assert!(verbose[2].1.contains("statistics=["), "{}", verbose[2].1);
        assert!(verbose[3].1.contains("schema=["), "{}", verbose[3].1);
    }

    #[test]
    fn explain_has_every_format() {
        let (table, engine) = (table(), engine());
        let session = foreign(&table);
        for (format, kind, part) in [
            ("TREE", "physical_plan", "DataSourceExec"),
            ("PGJSON", "logical_plan", "\"Plan\""),
            ("GRAPHVIZ", "logical_plan", "digraph"),
        ] {
            let sql = format!("EXPLAIN FORMAT {format} SELECT s FROM t");
            let found = explained(&engine, &session, &sql);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].0, kind);
            assert!(found[0].1.contains(part), "{format}: {}", found[0].1);
        }
    }

    #[test]
    fn explain_analyze_runs_what_it_explains() {
        let (table, engine) = (table(), engine());
        let session = foreign(&table);
        let found = explained(
            &engine,
            &session,
            "EXPLAIN ANALYZE SELECT s FROM t WHERE n > 70",
        );
        assert_eq!(found[0].0, "Plan with Metrics");
        assert!(found[0].1.contains("output_rows=79"), "{}", found[0].1);
    }

    #[test]
    fn a_join_beyond_the_memory_begins_again_as_one_that_spills() {
        let rows = |from: i64| {
            let range = from..from + 100_000;
            let name = |n: i64| format!("a name that takes some room, and is number {n}");
            batch(vec![
                ("n", numbers(range.clone())),
                ("s", texts(range.map(name))),
            ])
        };
        let files = [rows(0), rows(100_000), rows(200_000), rows(300_000)];
        let (left, right) = (DeltaTable::new(&files), DeltaTable::new(&files));
        let session = SessionContext::new();
        session.register_table("l", left.opaque()).unwrap();
        session.register_table("r", right.opaque()).unwrap();
        let sql = "SELECT l.n, l.s AS a, r.s AS b FROM l JOIN r ON l.s = r.s";
        let bytes = written(&optimized(&session, sql));
        let config = EngineConfig {
            memory_bytes: Some(32 << 20),
            ..EngineConfig::default()
        };
        let limited = Engine::try_new(config, Caches::new(CacheLimits::default())).unwrap();
        let query = planned(&limited, &bytes, None).unwrap();
        assert!(
            query.explain().contains("HashJoinExec"),
            "{}",
            query.explain()
        );
        let found = taken(query.start().unwrap(), &query.schema());
        assert_eq!(found.num_rows(), 400_000);
        assert!(
            query.explain().contains("SortMergeJoinExec"),
            "{}",
            query.explain()
        );
        assert_eq!(found.column(1), found.column(2));
        let unlimited = planned(&engine(), &bytes, None).unwrap();
        let wanted = taken(unlimited.start().unwrap(), &unlimited.schema());
        let sum = |rows: &arrow::array::RecordBatch| {
            arrow::compute::sum(rows.column(0).as_primitive::<Int64Type>())
        };
        assert_eq!(sum(&found), sum(&wanted));
        assert!(unlimited.explain().contains("HashJoinExec"));
    }

    #[test]
    fn a_limit_that_is_too_small_is_named_with_what_helps() {
        let rows = batch(vec![("n", numbers(0..100_000))]);
        let table = DeltaTable::new(&[rows.clone(), rows]);
        let session = SessionContext::new();
        session.register_table("l", table.opaque()).unwrap();
        session.register_table("r", table.opaque()).unwrap();
        let config = EngineConfig {
            memory_bytes: Some(10_000),
            ..EngineConfig::default()
        };
        let limited = Engine::try_new(config, Caches::new(CacheLimits::default())).unwrap();
        for sql in [
            "SELECT n FROM l ORDER BY n",
            "SELECT l.n FROM l JOIN r ON l.n = r.n",
        ] {
            let query = planned(&limited, &written(&optimized(&session, sql)), None).unwrap();
            let Poll::Ready(Some(Err(error))) = query.start().unwrap().poll_next(LONG) else {
                panic!("it should fail: {sql}");
            };
            let text = error.to_string();
            assert!(text.contains("limit of 10000 bytes"), "{text}");
            assert!(text.contains("raise it"), "{text}");
        }
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
