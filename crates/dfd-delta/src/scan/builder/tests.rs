//! Tests of the plans that scans are made of.

use super::*;
use crate::snapshot::TableSnapshot;
use crate::test_tables::{column, condition, longs, mixed, rows, run, sorted, texts};
use arrow::datatypes::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::physical_plan::filter::FilterExec;

fn request(snapshot: &Arc<TableSnapshot>, filters: &[&str]) -> Request {
    let filters = filters.iter().map(|text| condition(snapshot, text));
    Request {
        relation: Arc::clone(snapshot).into(),
        projection: None,
        filters: filters.collect(),
        limit: None,
        views: Views::None,
    }
}

fn session(partitions: usize) -> SessionContext {
    dfd_runtime::session(SessionConfig::new().with_target_partitions(partitions))
}

/// The leaf of a plan of one line.
fn leaf(plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    match plan.children().first() {
        Some(child) => leaf(child),
        None => plan,
    }
}

fn config(plan: &Arc<dyn ExecutionPlan>) -> &FileScanConfig {
    let source = leaf(plan).downcast_ref::<DataSourceExec>().unwrap();
    source.data_source().downcast_ref().unwrap()
}

fn predicate_of(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let source = config(plan).file_source.filter();
    source.map(|predicate| predicate.to_string())
}

fn kinds(schema: &Schema) -> Vec<String> {
    let fields = schema.fields().iter();
    let shown = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
    shown.collect()
}

#[test]
fn a_filter_reads_what_it_alone_looks_at_as_views_and_gives_the_tables_types() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let session = session(2);
    let state = session.state();
    let wanted = Request {
        projection: Some(vec![2, 1]),
        ..request(&snapshot, &["name > 'bob'", "id > 11"])
    };
    let planned = run(wanted.plan_for_foreign_session(&state)).unwrap();
    let views = ["name Utf8View", "p Utf8", "id Int64"];
    assert_eq!(kinds(&leaf(&planned.plan).schema()), views);
    assert_eq!(kinds(&planned.plan.schema()), ["name Utf8", "p Utf8"]);
    let found = datafusion::physical_plan::collect(planned.plan, session.task_ctx());
    assert_eq!(
        sorted(&run(found).unwrap()),
        ["cid|a", "dan|a", "dee|a", "eve|"]
    );
    // A filter of the foreign session looks at it too, and has no way for views.
    let both = request(&snapshot, &["name > 'bob'", "upper(name) = 'EVE'"]);
    let planned = run(both.plan_for_foreign_session(&state)).unwrap();
    assert_eq!(kinds(&leaf(&planned.plan).schema())[2], "name Utf8");
    // Without a filter nothing is read as a view.
    let plain = run(request(&snapshot, &[]).plan_for_foreign_session(&state)).unwrap();
    assert_eq!(kinds(&plain.plan.schema()), kinds(&expected.schema()));
    assert!(Arc::ptr_eq(leaf(&plain.plan), &plain.plan));
}

#[test]
fn a_limit_goes_with_the_scan_only_where_no_filter_is_over_it() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let state = session(1).state();
    let limited = |filters: &[&str]| {
        let request = Request {
            limit: Some(3),
            ..request(&snapshot, filters)
        };
        let planned = run(request.plan_for_foreign_session(&state)).unwrap();
        (config(&planned.plan).limit, planned.scanned)
    };
    assert_eq!(limited(&[]), (Some(3), 1));
    assert_eq!(limited(&["p = 'a'"]), (Some(3), 1));
    assert_eq!(limited(&["id > 0"]), (None, 4));
}

#[test]
fn rows_are_skipped_in_the_scan_where_no_optimizer_sees_it() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let state = session(1).state();
    let request = request(&snapshot, &["id > 13", "p = 'a'", "upper(name) = 'A'"]);
    let hidden = run(request.plan(&state, true)).unwrap();
    let predicate = predicate_of(&hidden.plan).unwrap();
    assert!(predicate.starts_with("id@0 > 13 AND upper("), "{predicate}");
    let seen = run(request.plan(&state, false)).unwrap();
    assert_eq!(predicate_of(&seen.plan), None);
    assert_eq!((hidden.scanned, seen.scanned), (2, 2));
}

#[test]
fn files_are_shared_over_the_partitions() {
    let (table, _) = mixed();
    let snapshot = table.open();
    for (partitions, groups) in [
        (1, vec![4]),
        (2, vec![2, 2]),
        (3, vec![2, 2]),
        (8, vec![1; 4]),
    ] {
        let state = session(partitions).state();
        let planned = run(request(&snapshot, &[]).plan(&state, false)).unwrap();
        let found = config(&planned.plan).file_groups.iter().map(FileGroup::len);
        assert_eq!(found.collect::<Vec<_>>(), groups, "over {partitions}");
    }
}

#[test]
fn a_filter_is_over_the_scan_with_the_columns_that_are_wanted() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let state = session(1).state();
    let wanted = Request {
        projection: Some(vec![3]),
        ..request(&snapshot, &["id > 13"])
    };
    let planned = run(wanted.plan_for_foreign_session(&state)).unwrap();
    let filter = planned.plan.downcast_ref::<FilterExec>().unwrap();
    assert_eq!(filter.predicate().to_string(), "id@1 > 13");
    assert_eq!(
        kinds(&filter.input().schema()),
        ["price Float64", "id Int64"]
    );
    assert_eq!(kinds(&planned.plan.schema()), ["price Float64"]);
}

#[test]
fn a_plan_gets_the_types_that_are_wanted() {
    let stored = rows([("id", longs([1])), ("name", texts([Some("a")]))]);
    let table = MemTable::try_new(stored.schema(), vec![vec![stored.clone()]]).unwrap();
    let session = session(1);
    let scan = run(table.scan(&session.state(), None, &[], None)).unwrap();
    let same = with_types(Arc::clone(&scan), &stored.schema()).unwrap();
    assert!(Arc::ptr_eq(&same, &scan));
    let fields = [
        column("x", DataType::Int32),
        column("name", DataType::Utf8View),
    ];
    let wanted = Arc::new(Schema::new(fields.to_vec()));
    let typed = with_types(scan, &wanted).unwrap();
    assert_eq!(kinds(&typed.schema()), ["x Int32", "name Utf8View"]);
    let found = datafusion::physical_plan::collect(typed, session.task_ctx());
    assert_eq!(sorted(&run(found).unwrap()), ["1|a"]);
}

#[test]
fn partitions_come_in_one_stream() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    for partitions in [1, 4] {
        let session = session(partitions);
        let planned = run(request(&snapshot, &[]).plan(&session.state(), false)).unwrap();
        let batches = run(async {
            let stream = in_one_stream(planned.plan, &session).unwrap();
            futures::TryStreamExt::try_collect::<Vec<_>>(stream).await
        });
        assert_eq!(
            sorted(&batches.unwrap()),
            sorted(std::slice::from_ref(&expected))
        );
    }
}
