//! Scans that drop rows while they decode.
//!
//! A filter inside the Parquet decoder pays where few rows pass and other columns are then not
//! decoded; elsewhere it costs more than it saves. DataFusion has one switch for all scans. Here a
//! scan gets one where a join tells it, while it runs, which few keys it needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::split_conjunction;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use dfd_delta::LocatedFiles;

/// The part of a table that is expected to be left, at most, for a filter by its keys to pay. Expected, TPC-H 9
/// keeps a fifth, and loses by it; 17 keeps a twenty-fifth, and takes less than half the time.
const MAX_SELECTIVITY: f64 = 0.05;
/// What DataFusion expects a filter to leave that it can't estimate, however many conditions it has; here
/// each of them counts.
const DEFAULT_SELECTIVITY: f64 = 0.2;

/// A rule that turns the decoder's filter on, scan by scan.
#[derive(Debug)]
pub(super) struct RowFilters;

impl PhysicalOptimizerRule for RowFilters {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if config.execution.parquet.pushdown_filters {
            return Ok(plan);
        }
        let selectivities = selectivity_by_filter(&plan)?;
        if selectivities.is_empty() {
            return Ok(plan);
        }
        plan.transform_down(|node| {
            Ok(match with_row_filter(&node, &selectivities)? {
                Some(scan) => Transformed::yes(scan),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "row_filters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Selectivities by the id of the filter that a join makes while it runs: the part that is left of the table
/// whose keys it has.
fn selectivity_by_filter(plan: &Arc<dyn ExecutionPlan>) -> Result<HashMap<u64, f64>> {
    let mut selectivities = HashMap::new();
    plan.apply(|node| {
        if let Some(join) = node.downcast_ref::<HashJoinExec>()
            && let Some(part) = key_selectivity(join)?
        {
            let filters = join.dynamic_expressions_produced().into_iter();
            selectivities
                .extend(filters.filter_map(|filter| Some((filter.expression_id()?, part))));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(selectivities)
}

/// The part of a table that a join builds its keys from; None where that isn't known. Keys that an inner
/// join below was made by are those of its own build side. Names may mislead: no result depends on it.
fn key_selectivity(join: &HashJoinExec) -> Result<Option<f64>> {
    let mut below = join.left();
    while let [only] = below.children()[..] {
        if below.downcast_ref::<FilterExec>().is_some() {
            break;
        }
        below = only;
    }
    let Some(inner) = below.downcast_ref::<HashJoinExec>() else {
        return table_selectivity(below);
    };
    let name = |key: &Arc<dyn PhysicalExpr>| {
        let column = key.downcast_ref::<Column>()?;
        Some(column.name().to_owned())
    };
    let keys: HashSet<_> = join
        .on()
        .iter()
        .filter_map(|(left, _)| name(left))
        .collect();
    let joined_by = |(left, right): &(_, _)| {
        [left, right]
            .into_iter()
            .any(|key| name(key).is_some_and(|key| keys.contains(&key)))
    };
    if *inner.join_type() == JoinType::Inner && inner.on().iter().any(joined_by) {
        key_selectivity(inner)
    } else {
        Ok(None)
    }
}

/// The part of one table that its filters leave; None where there is more than one.
fn table_selectivity(build: &Arc<dyn ExecutionPlan>) -> Result<Option<f64>> {
    let statistics = StatisticsContext::new();
    let rows = |node: &Arc<dyn ExecutionPlan>| {
        let found = statistics.compute(node.as_ref(), &StatisticsArgs::new());
        found.ok()?.num_rows.get_value().copied()
    };
    let (mut table, mut is_one, mut conditions) = (None, true, 0);
    build.apply(|below| {
        match below.children().len() {
            0 => table = rows(below),
            1 => {}
            _ => is_one = false,
        }
        if let Some(filter) = below.downcast_ref::<FilterExec>() {
            conditions += split_conjunction(filter.predicate()).len();
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let (Some(left), Some(table), true) = (rows(build), table, is_one) else {
        return Ok(None);
    };
    let estimated = left as f64 / table.max(1) as f64;
    let is_default = (estimated - DEFAULT_SELECTIVITY).abs() < 0.01;
    Ok(Some(if is_default {
        DEFAULT_SELECTIVITY.powi(i32::try_from(conditions).unwrap_or(i32::MAX))
    } else {
        estimated
    }))
}

/// The scan with a filter in its decoder, where that pays.
fn with_row_filter(
    node: &Arc<dyn ExecutionPlan>,
    selectivities: &HashMap<u64, f64>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = parquet_scan(node) else {
        return Ok(None);
    };
    let Some(predicate) = source.filter() else {
        return Ok(None);
    };
    let parts = split_conjunction(&predicate);
    // A filter that is there beforehand costs more than it saves (TPC-H 19).
    if parts.iter().any(|part| part.expression_id().is_none()) {
        return Ok(None);
    }
    let is_selective = |part: &&&Arc<dyn PhysicalExpr>| {
        let selectivity = part.expression_id().and_then(|id| selectivities.get(&id));
        selectivity.is_some_and(|part| *part <= MAX_SELECTIVITY)
    };
    let selective: Vec<_> = parts.iter().filter(is_selective).collect();
    // What a filter looks at is decoded anyway.
    let looked_at: HashSet<_> = selective
        .iter()
        .flat_map(|part| collect_columns(part))
        .collect();
    let read = source.projection().into_iter().flatten();
    let spares = read
        .flat_map(|column| collect_columns(&column.expr))
        .any(|column| !looked_at.contains(&column));
    if selective.is_empty() || !spares {
        return Ok(None);
    }
    let filtered: Arc<dyn FileSource> = Arc::new(source.clone().with_pushdown_filters(true));
    let filtered = match config.file_source().downcast_ref::<LocatedFiles>() {
        Some(located) => located.with_source(filtered),
        None => filtered,
    };
    let scan = FileScanConfigBuilder::from(config.clone()).with_source(filtered);
    Ok(Some(DataSourceExec::from_data_source(scan.build())))
}

fn parquet_scan(node: &Arc<dyn ExecutionPlan>) -> Option<(&FileScanConfig, &ParquetSource)> {
    let scan = node.downcast_ref::<DataSourceExec>()?;
    let config: &FileScanConfig = scan.data_source().downcast_ref()?;
    let source = config.file_source().as_ref();
    let located = source.downcast_ref::<LocatedFiles>();
    let source = located.map_or(source, LocatedFiles::source);
    Some((config, source.downcast_ref()?))
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::{
        DeltaTable, batch, nodes, numbers, physical, rows, session, session_with, shown, texts,
    };

    const FACTS: i64 = 20_000;
    const THINGS: i64 = 1_000;

    /// Facts with a key, a number and a payload; things with an id, and a rank that goes the other way.
    struct Tables([DeltaTable; 2]);

    impl Tables {
        fn new() -> Self {
            let facts = |from: i64, to: i64| {
                let payload = (from..to).map(|n| format!("payload {n}"));
                batch(vec![
                    ("thing", numbers((from..to).map(|n| n % THINGS))),
                    ("amount", numbers((from..to).map(|n| n * 7 % 1_000))),
                    ("payload", texts(payload)),
                ])
            };
            let things = batch(vec![
                ("id", numbers(0..THINGS)),
                ("rank", numbers((0..THINGS).map(|n| THINGS - 1 - n))),
                ("name", texts((0..THINGS).map(|n| format!("name {n}")))),
            ]);
            let half = FACTS / 2;
            let facts = [facts(0, half), facts(half, FACTS)];
            Self([DeltaTable::new(&facts), DeltaTable::new(&[things])])
        }

        fn register(&self, session: SessionContext) -> SessionContext {
            for (name, table) in ["facts", "things"].into_iter().zip(&self.0) {
                session.register_table(name, table.native()).unwrap();
            }
            session
        }
    }

    /// The scans that drop rows while they decode, by a column that they alone have.
    fn filtered(plan: &Arc<dyn ExecutionPlan>) -> Vec<&'static str> {
        let scans = nodes(plan).into_iter().filter_map(|node| {
            let (config, source) = parquet_scan(&node)?;
            let is_on = source.table_parquet_options().global.pushdown_filters;
            let schema = config.file_schema();
            let name = if schema.field_with_name("rank").is_ok() {
                "things"
            } else {
                "facts"
            };
            is_on.then_some(name)
        });
        scans.collect()
    }

    fn joined(condition: &str) -> String {
        format!(
            "SELECT f.payload, t.name FROM facts f JOIN things t ON f.thing = t.id WHERE {condition}"
        )
    }

    #[test]
    fn a_join_with_few_keys_filters_the_other_scan() {
        let tables = Tables::new();
        let session = tables.register(session());
        let plan = physical(&session, &joined("t.rank < 20"));
        assert_eq!(filtered(&plan), ["facts"]);
    }

    #[test]
    fn a_join_with_many_keys_does_not() {
        let tables = Tables::new();
        let session = tables.register(session());
        assert!(filtered(&physical(&session, &joined("t.rank < 500"))).is_empty());
        assert!(filtered(&physical(&session, &joined("true"))).is_empty());
    }

    #[test]
    fn conditions_that_nobody_can_estimate_count_each() {
        let tables = Tables::new();
        let session = tables.register(session());
        let one = "t.name LIKE '%7%'";
        assert!(filtered(&physical(&session, &joined(one))).is_empty());
        let three = format!("{one} AND t.name LIKE '%8%' AND t.name LIKE '%9%'");
        assert_eq!(filtered(&physical(&session, &joined(&three))), ["facts"]);
    }

    #[test]
    fn a_scan_with_a_filter_of_its_own_is_left_alone() {
        let tables = Tables::new();
        let session = tables.register(session());
        let plan = physical(&session, &joined("t.rank < 20 AND f.amount > 3"));
        assert!(filtered(&plan).is_empty());
    }

    #[test]
    fn a_scan_that_would_spare_no_column_is_left_alone() {
        let tables = Tables::new();
        let session = tables.register(session());
        let sql = "SELECT t.name FROM facts f JOIN things t ON f.thing = t.id WHERE t.rank < 20";
        assert!(filtered(&physical(&session, sql)).is_empty());
    }

    #[test]
    fn keys_of_a_join_below_count_where_it_was_made_by_them() {
        let tables = Tables::new();
        let session = tables.register(session());
        let plan = physical(
            &session,
            "SELECT f.payload, g.payload FROM facts f JOIN things t ON f.thing = t.id \
             JOIN facts g ON g.thing = t.id WHERE t.rank < 20",
        );
        assert_eq!(filtered(&plan), ["facts", "facts"]);
    }

    #[test]
    fn the_switch_of_all_scans_leaves_nothing_to_decide() {
        let tables = Tables::new();
        let key = "datafusion.execution.parquet.pushdown_filters";
        let session = tables.register(session_with(SessionConfig::new().set_bool(key, true)));
        let plan = physical(&session, &joined("t.rank < 500"));
        let again = RowFilters.optimize(Arc::clone(&plan), session.state().config_options());
        assert!(Arc::ptr_eq(&again.unwrap(), &plan));
    }

    #[test]
    fn rows_are_the_same() {
        let tables = Tables::new();
        let session = tables.register(session());
        let sql = format!("{} ORDER BY f.payload", joined("t.rank < 20"));
        let plan = physical(&session, &sql);
        assert_eq!(filtered(&plan), ["facts"]);
        let found = rows(plan, &session.state());
        let plain = SessionContext::new();
        for (name, table) in ["facts", "things"].into_iter().zip(&tables.0) {
            plain.register_table(name, table.opaque()).unwrap();
        }
        let wanted = rows(physical(&plain, &sql), &plain.state());
        assert_eq!(
            found.num_rows(),
            20 * usize::try_from(FACTS / THINGS).unwrap()
        );
        assert_eq!(shown(&found), shown(&wanted));
    }
}
