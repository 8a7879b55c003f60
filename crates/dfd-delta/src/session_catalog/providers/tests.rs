//! Tests of tables that are registered over a session's catalogs.

use super::*;
use crate::snapshot::FollowedTable;
use crate::test_tables::{TestTable, field, in_memory, longs, rows, run, sorted};
use datafusion::catalog::{MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::prelude::SessionContext;

fn name(table: &str) -> ResolvedTableReference {
    ResolvedTableReference {
        catalog: "datafusion".into(),
        schema: "public".into(),
        table: table.into(),
    }
}

/// A table of one column, which says which it is.
fn delta(column: &str) -> (TestTable, RegisteredTable) {
    let table = TestTable::new(&[field(column, "long")], &[]);
    let registered = RegisteredTable {
        label: column.to_owned(),
        uri: table.url().to_string(),
        followed: Arc::new(FollowedTable::new(table.open(), Arc::default())),
    };
    (table, registered)
}

fn session() -> (SessionContext, Arc<CatalogList>) {
    let list = Arc::new(CatalogList::default());
    let catalog = MemoryCatalogProvider::new();
    let schema = Arc::new(MemorySchemaProvider::new());
    catalog.register_schema("public", schema).unwrap();
    list.register_catalog("datafusion".to_owned(), Arc::new(catalog));
    let session = SessionContext::new();
    session.register_catalog_list(Arc::clone(&list) as _);
    (session, list)
}

fn done(session: &SessionContext, sql: &str) -> Vec<String> {
    let work = async { session.sql(sql).await?.collect().await };
    sorted(&run(work).unwrap())
}

fn columns(session: &SessionContext, sql: &str) -> Vec<String> {
    let planned = run(session.sql(sql));
    let schema = planned.unwrap().schema().as_arrow().clone();
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect()
}

#[test]
fn a_name_is_given_to_another_table_in_place_of_any() {
    let (session, list) = session();
    let plain = in_memory(&rows([("plain", longs([1]))]));
    session.register_table("t", plain).unwrap();
    let ((_a, a), (_b, b)) = (delta("a"), delta("b"));
    for (table, expected) in [(a, "a"), (b, "b")] {
        list.put(name("t"), table).unwrap();
        assert_eq!(columns(&session, "select * from t"), [expected]);
    }
    assert_eq!(
        session
            .catalog("datafusion")
            .unwrap()
            .schema("public")
            .unwrap()
            .table_names(),
        ["t"]
    );
    assert_eq!(list.remove(&name("t")).unwrap().label, "b");
    assert!(list.remove(&name("t")).is_none());
    assert!(run(session.sql("select * from t")).is_err());
}

#[test]
fn statements_of_the_session_take_tables_out() {
    let (session, list) = session();
    let (_table, registered) = delta("a");
    list.put(name("t"), registered.clone()).unwrap();
    let error = run(session.sql("create table t as select 1 as x")).unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    done(&session, "create or replace table t as select 1 as x");
    assert_eq!(done(&session, "select x from t"), ["1"]);
    assert!(list.tables().is_empty());
    list.put(name("t"), registered.clone()).unwrap();
    done(&session, "drop table t");
    assert!(list.tables().is_empty());
    assert!(!session.table_exist("t").unwrap());
    list.put(name("t"), registered).unwrap();
    let error = run(session.sql("drop schema public")).unwrap_err();
    assert!(error.to_string().contains("depend on it"), "{error}");
    done(&session, "drop schema public cascade");
    assert!(list.tables().is_empty());
}

#[test]
fn there_is_no_table_without_a_schema() {
    let (session, list) = session();
    let (_table, registered) = delta("a");
    let elsewhere = ResolvedTableReference {
        schema: "other".into(),
        ..name("t")
    };
    let error = list.put(elsewhere.clone(), registered.clone()).unwrap_err();
    assert!(error.to_string().contains("datafusion.other"), "{error}");
    assert!(list.tables().is_empty());
    done(&session, "create schema other");
    list.put(elsewhere, registered).unwrap();
    assert_eq!(columns(&session, "select * from other.t"), ["a"]);
}

#[test]
fn the_same_version_is_read_over_another_store() {
    let (_session, list) = session();
    let (table, registered) = delta("a");
    let before = registered.followed.current();
    list.put(name("t"), registered).unwrap();
    let location = dfd_runtime::Location::try_new(
        table.url().as_str(),
        &std::collections::HashMap::new(),
        Some("other"),
    );
    let opened = TableSnapshot::open(location.unwrap(), crate::snapshot::At::Newest);
    let after = run(opened).unwrap();
    assert!(list.exchange(&name("t"), &before, &after));
    assert!(!list.exchange(&name("t"), &before, &after));
    let now = list.tables()[0].1.followed.current();
    assert!(Arc::ptr_eq(&now, &after));
}

#[test]
fn without_tables_the_catalogs_are_the_sessions_own() {
    let (session, list) = session();
    let own = session.catalog("datafusion").unwrap();
    assert!(own.downcast_ref::<MemoryCatalogProvider>().is_some());
    let (_table, registered) = delta("a");
    list.put(name("t"), registered).unwrap();
    let over = session.catalog("datafusion").unwrap();
    assert!(over.downcast_ref::<MemoryCatalogProvider>().is_none());
    done(&session, "create table plain as select 1 as x");
    let mut names = over.schema("public").unwrap().table_names();
    names.sort();
    assert_eq!(names, ["plain", "t"]);
}
