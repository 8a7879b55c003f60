//! Tests of tables and scans that go through bytes.

use std::sync::Mutex;

use super::*;
use crate::test_tables::{
    TestTable, condition, field, in_memory, longs, metadata, mixed, protocol, queried, rows, run,
    sorted,
};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::physical_plan::DefaultPhysicalProtoConverter;
use serde_json::{Value, json};

/// A codec that knows no profile.
fn codec() -> DeltaCodec {
    DeltaCodec::new(Arc::new(|_, _| None))
}

fn written(table: Arc<dyn TableProvider>) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec()
        .try_encode_table_provider(&TableReference::bare("t"), table, &mut bytes)
        .unwrap();
    bytes
}

fn read_by(codec: &DeltaCodec, bytes: &[u8]) -> Result<Arc<dyn TableProvider>> {
    read_as(codec, bytes, &Arc::new(arrow::datatypes::Schema::empty()))
}

/// The table with the columns that a plan knows of it.
fn read_as(codec: &DeltaCodec, bytes: &[u8], schema: &SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let (name, schema) = (TableReference::bare("t"), Arc::clone(schema));
    codec.try_decode_table_provider(bytes, &name, schema, &TaskContext::default())
}

fn error(found: Result<Arc<dyn TableProvider>>) -> String {
    found.map(drop).unwrap_err().strip_backtrace()
}

/// The bytes with another value at a place.
fn with(bytes: &[u8], place: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut payload: Value = serde_json::from_slice(bytes).unwrap();
    let found = payload.pointer_mut(place).unwrap();
    *found = value.into();
    payload.to_string().into_bytes()
}

fn opaque(snapshot: &Arc<TableSnapshot>) -> Arc<dyn TableProvider> {
    Arc::new(DeltaTableProvider::opaque(Arc::clone(snapshot)))
}

fn snapshot_of(table: &Arc<dyn TableProvider>) -> Arc<TableSnapshot> {
    let table = table.downcast_ref::<DeltaTableProvider>().unwrap();
    Arc::clone(table.relation().snapshot().unwrap())
}

#[test]
fn a_table_is_the_same_snapshot_in_this_process() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let bytes = written(opaque(&snapshot));
    // However often it is read.
    for _ in 0..2 {
        let found = read_as(&codec(), &bytes, snapshot.schema()).unwrap();
        assert!(Arc::ptr_eq(&snapshot_of(&found), &snapshot));
        let rows = run(queried(found, "select * from t"));
        assert_eq!(sorted(&rows), sorted(std::slice::from_ref(&expected)));
    }
}

#[test]
fn a_table_is_opened_by_its_place_and_version_elsewhere() {
    let (table, expected) = mixed();
    let schema = Arc::clone(table.open().schema());
    let bytes = written(opaque(&table.open()));
    table.commit(2, &[crate::test_tables::remove("4.parquet")]);
    assert_eq!(table.open().version(), 2);
    let elsewhere = with(&bytes, "/Delta/process", 1);
    let gone = with(&bytes, "/Delta/instance", u64::MAX);
    for bytes in [elsewhere, gone] {
        let found = read_as(&codec(), &bytes, &schema).unwrap();
        assert_eq!(snapshot_of(&found).version(), 1);
        let rows = run(queried(found, "select * from t"));
        assert_eq!(sorted(&rows), sorted(std::slice::from_ref(&expected)));
    }
    let missing = with(&with(&bytes, "/Delta/process", 1), "/Delta/version", 9);
    assert!(error(read_by(&codec(), &missing)).contains(table.url().as_str()));
}

#[test]
fn a_plan_has_the_columns_that_it_was_made_with() {
    let table = TestTable::new(&[field("a", "long"), field("b", "long")], &[]);
    let planned = Arc::clone(table.open().schema());
    let fields = [field("new", "long"), field("b", "long"), field("a", "long")];
    let stored = rows([("new", longs([3])), ("b", longs([2])), ("a", longs([1]))]);
    let add = table.write("1.parquet", &stored).action();
    table.commit(1, &[metadata(&fields, &[], json!({})), add]);
    let bytes = written(opaque(&table.open()));
    let found = read_as(&codec(), &bytes, &planned).unwrap();
    assert_eq!(found.schema(), planned);
    for (sql, expected) in [
        ("select * from t", "1|2"),
        ("select b from t where a = 1", "2"),
    ] {
        let rows = run(queried(Arc::clone(&found), sql));
        assert_eq!(sorted(&rows), [expected]);
    }
    let native = found
        .downcast_ref::<DeltaTableProvider>()
        .unwrap()
        .to_native();
    let session = dfd_runtime::session(SessionConfig::new());
    session.register_table("t", Arc::new(native)).unwrap();
    let read = async {
        session
            .sql("select * from t where b = 2")
            .await?
            .collect()
            .await
    };
    assert_eq!(sorted(&run(read).unwrap()), ["1|2"]);
}

#[test]
fn a_profile_goes_by_its_name_and_no_option_with_it() {
    let table = TestTable::new(&[field("id", "long")], &[]);
    let secret = HashMap::from([("secret_access_key".to_owned(), "hush".to_owned())]);
    let location = Location::try_new(table.url().as_str(), &secret, Some("mine")).unwrap();
    let snapshot = run(TableSnapshot::open(location.clone(), At::Newest)).unwrap();
    let bytes = written(opaque(&snapshot));
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        !text.contains("hush") && !text.contains("secret_access_key"),
        "{text}"
    );
    let elsewhere = with(&bytes, "/Delta/process", 1);
    assert_eq!(
        error(read_by(&codec(), &elsewhere)),
        format!(
            "Error during planning: the plan reads {} with the storage profile \"mine\", which isn't known here: give it to DeltaExtension",
            table.url()
        )
    );
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let told = Arc::clone(&asked);
    let knowing = DeltaCodec::new(Arc::new(move |uri, profile| {
        let pair = (uri.to_owned(), profile.to_owned());
        told.lock().unwrap().push(pair);
        Some(secret.clone())
    }));
    let found = snapshot_of(&read_by(&knowing, &elsewhere).unwrap());
    assert!(found.location().is(&location));
    let expected = (table.url().to_string(), "mine".to_owned());
    assert_eq!(*asked.lock().unwrap(), [expected]);
    // Without options there is nothing to resolve.
    let plain = with(&written(opaque(&table.open())), "/Delta/process", 1);
    assert!(read_by(&knowing, &plain).is_ok());
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(format!("{knowing:?}"), "DeltaCodec");
}

#[test]
fn another_table_is_read_once_and_in_this_process() {
    let stored = rows([("id", longs([1, 2]))]);
    let table = in_memory(&stored);
    let bytes = written(Arc::clone(&table));
    let elsewhere = with(&bytes, "/Local/process", 1);
    assert_eq!(
        error(read_by(&codec(), &elsewhere)),
        "Error during planning: the plan refers to t, a table in the memory of another process"
    );
    let found = read_by(&codec(), &bytes).unwrap();
    assert!(Arc::ptr_eq(&found, &table));
    assert_eq!(
        error(read_by(&codec(), &bytes)),
        "Error during planning: the plan refers to t, a table in memory that is gone: such a plan is read once, and before many others are written"
    );
}

#[test]
fn a_table_that_nobody_read_ends_with_its_scope() {
    let table = in_memory(&rows([("id", longs([1]))]));
    let scope = registry::RegistrationScope::begin();
    let bytes = written(Arc::clone(&table));
    assert_eq!(Arc::strong_count(&table), 2);
    drop(scope);
    assert_eq!(Arc::strong_count(&table), 1);
    assert!(read_by(&codec(), &bytes).is_err());
}

#[test]
fn bytes_of_another_version_are_refused() {
    let known = written(opaque(&mixed().0.open()));
    let renamed = String::from_utf8(known.clone()).unwrap();
    let renamed = renamed.replace("\"version\"", "\"edition\"");
    for bytes in [
        &b""[..],
        b"{}",
        b"\x0a\x03abc",
        renamed.as_bytes(),
        br#"{"Later":{}}"#,
    ] {
        let text = error(read_by(&codec(), bytes));
        let expected = "the plan was written by another version of dfd: ";
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn nodes_of_a_logical_plan_are_not_written() {
    let context = TaskContext::default();
    let decoded = LogicalExtensionCodec::try_decode(&codec(), b"", &[], &context);
    let text = decoded.map(drop).unwrap_err().strip_backtrace();
    assert!(
        text.ends_with("dfd has no logical nodes of its own"),
        "{text}"
    );
}

/// A scan by a foreign session over two partitions.
fn scan_of(
    snapshot: &Arc<TableSnapshot>,
    projection: Option<&Vec<usize>>,
    filters: &[&str],
    limit: Option<usize>,
) -> Arc<dyn ExecutionPlan> {
    let config = SessionConfig::new().with_target_partitions(2);
    let session = SessionContext::new_with_config(config).state();
    let filters = filters.iter().map(|text| condition(snapshot, text));
    let filters: Vec<_> = filters.collect();
    let table = opaque(snapshot);
    run(table.scan(&session, projection, &filters, limit)).unwrap()
}

fn written_scan(plan: Arc<dyn ExecutionPlan>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let converter = DefaultPhysicalProtoConverter {};
    PhysicalExtensionCodec::try_encode(&codec(), plan, &mut bytes, &converter)?;
    Ok(bytes)
}

fn read_scan(bytes: &[u8]) -> Result<Arc<dyn ExecutionPlan>> {
    // Another number of partitions is the session's own.
    let config = SessionConfig::new().with_target_partitions(7);
    let context = SessionContext::new_with_config(config).task_ctx();
    let converter = DefaultPhysicalProtoConverter {};
    PhysicalExtensionCodec::try_decode(&codec(), bytes, &[], &context, &converter)
}

fn rows_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let context = SessionContext::new().task_ctx();
    let found = datafusion::physical_plan::collect(Arc::clone(plan), context);
    sorted(&run(found).unwrap())
}

#[test]
fn a_scan_is_planned_anew_with_the_same_rows_and_partitions() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let projection = vec![2, 0];
    let cases: [(&[&str], Vec<&str>); 4] = [
        (
            &[],
            vec![
                "ann|11", "a|b|42", "bea|14", "bob|12", "bob|32", "cid|22", "dan|24", "dee|25",
                "eve|41", "|13", "|31",
            ],
        ),
        (
            &["id > 24"],
            vec!["a|b|42", "bob|32", "dee|25", "eve|41", "|31"],
        ),
        (&["p = 'a'", "name like 'b%'"], vec!["bea|14", "bob|12"]),
        (&["p = 'none'"], vec![]),
    ];
    for (filters, expected) in cases {
        let plan = scan_of(&snapshot, Some(&projection), filters, None);
        assert_eq!(rows_of(&plan), expected);
        let bytes = written_scan(Arc::clone(&plan)).unwrap();
        let elsewhere = with(&bytes, "/Scan/table/process", 1);
        for bytes in [bytes, elsewhere] {
            let found = read_scan(&bytes).unwrap();
            assert_eq!(found.name(), plan.name());
            assert_eq!(found.schema(), plan.schema());
            let count =
                |plan: &Arc<dyn ExecutionPlan>| plan.properties().partitioning.partition_count();
            assert_eq!(count(&found), count(&plan));
            assert_eq!(rows_of(&found), expected);
            // And again.
            assert!(written_scan(found).is_ok());
        }
    }
}

#[test]
fn a_scan_keeps_its_limit_and_what_the_session_filters() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let filters = ["upper(name) = 'BOB'", "id > 11"];
    let plan = scan_of(&snapshot, None, &filters, Some(3));
    let found = read_scan(&written_scan(plan).unwrap()).unwrap();
    let found = found.downcast_ref::<DeltaScanExec>().unwrap();
    let (request, partitions) = found.request().unwrap();
    assert_eq!((request.limit, partitions), (Some(3), 2));
    assert_eq!(request.projection, None);
    let texts: Vec<_> = request.filters.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["upper(name) = Utf8(\"BOB\")", "id > Int64(11)"]);
}

#[test]
fn a_change_feed_is_read_here_and_elsewhere() {
    let kept = json!({"delta.enableChangeDataFeed": "true"});
    let fields = [field("id", "long")];
    let actions = [protocol(&[]), metadata(&fields, &[], kept)];
    let table = TestTable::of(&actions);
    for version in 1..=4_i64 {
        let add = table.write(&version.to_string(), &rows([("id", longs([version]))]));
        table.commit(version.unsigned_abs(), &[add.action()]);
    }
    let feed = run(table.open().changes(2, Some(3))).unwrap();
    let provider = Arc::new(DeltaTableProvider::opaque(Arc::clone(&feed)));
    let bytes = written(Arc::clone(&provider) as _);
    let found = read_by(&codec(), &bytes).unwrap();
    let found = found.downcast_ref::<DeltaTableProvider>().unwrap();
    assert!(matches!(found.relation(), Relation::Changes(found) if Arc::ptr_eq(found, &feed)));
    let query = "select id, _change_type, _commit_version from t";
    let expected = ["2|insert|2", "3|insert|3"];
    let elsewhere = with(&bytes, "/Delta/process", 1);
    let elsewhere = read_as(&codec(), &elsewhere, &provider.schema()).unwrap();
    assert_eq!(sorted(&run(queried(elsewhere, query))), expected);
    let session = SessionContext::new().state();
    let plan = run(provider.scan(&session, Some(&vec![0, 1, 2]), &[], None)).unwrap();
    let bytes = written_scan(plan).unwrap();
    for bytes in [with(&bytes, "/Scan/table/process", 1), bytes] {
        assert_eq!(rows_of(&read_scan(&bytes).unwrap()), expected);
    }
}

#[test]
fn a_scan_of_other_partitions_is_refused() {
    let (table, _) = mixed();
    let bytes = written_scan(scan_of(&table.open(), None, &[], None)).unwrap();
    let changed = with(&bytes, "/Scan/partitions", 3);
    let text = read_scan(&changed).map(drop).unwrap_err().strip_backtrace();
    let expected = format!(
        "Error during planning: the scan of {} falls into other partitions here than where it was planned",
        table.url()
    );
    assert_eq!(text, expected);
}

#[test]
fn tables_and_scans_are_not_taken_for_each_other() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let scan = written_scan(scan_of(&snapshot, None, &[], None)).unwrap();
    let text = error(read_by(&codec(), &scan));
    assert_eq!(text, "Error during planning: t is a scan, and no table");
    let text = read_scan(&written(opaque(&snapshot)))
        .map(drop)
        .unwrap_err();
    let expected = "Error during planning: the plan has a table where a scan is needed";
    assert_eq!(text.strip_backtrace(), expected);
}

#[test]
fn nodes_of_others_are_not_written() {
    let empty = Arc::new(EmptyExec::new(Arc::new(arrow::datatypes::Schema::empty())));
    let of_another = DeltaScanExec::of_table(empty.clone(), "DeltaHistory: t".to_owned());
    let refused = |plan| written_scan(plan).unwrap_err().strip_backtrace();
    let text = refused(empty);
    assert!(
        text.ends_with("dfd can't write the node EmptyExec"),
        "{text}"
    );
    let text = refused(Arc::new(of_another));
    assert!(
        text.ends_with("dfd can't write the node DeltaHistory: t"),
        "{text}"
    );
}

#[test]
fn bytes_are_json_with_these_names() {
    let (table, _) = mixed();
    let snapshot = table.open();
    let bytes = written(opaque(&snapshot));
    let payload: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        payload,
        json!({"Delta": {
            "uri": table.url().as_str(),
            "version": 1,
            "profile": "",
            "process": registry::process_token(),
            "instance": snapshot.instance(),
        }})
    );
}
