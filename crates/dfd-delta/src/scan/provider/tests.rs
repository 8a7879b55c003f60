//! Tests of the rows that tables give, beside the same rows in memory.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::logical_expr::TableProviderFilterPushDown;
use datafusion::prelude::{SessionConfig, SessionContext};
use serde_json::json;

use crate::scan::provider::DeltaTableProvider;
use crate::snapshot::TableSnapshot;
use crate::test_tables::{
    TestTable, condition, field, in_memory, lines, longs, mapped, metadata, mixed, protocol,
    queried, queried_in, rows, run, sorted, texts,
};

/// What a query gives on every way: a foreign session, sessions of dfd's own, views.
fn everywhere(snapshot: &Arc<TableSnapshot>, query: &str) -> Vec<(String, Vec<RecordBatch>)> {
    let mut found = Vec::new();
    for partitions in [1, 4] {
        let config = SessionConfig::new().with_target_partitions(partitions);
        let (own, foreign) = (
            dfd_runtime::session(config.clone()),
            SessionContext::new_with_config(config),
        );
        let native = DeltaTableProvider::native(Arc::clone(snapshot));
        let viewed = native.with_views();
        let opaque = DeltaTableProvider::opaque(Arc::clone(snapshot));
        let ways: [(&str, &SessionContext, Option<DeltaTableProvider>); 3] = [
            ("opaque", &foreign, Some(opaque)),
            ("native", &own, Some(native)),
            ("views", &own, viewed),
        ];
        for (way, session, table) in ways {
            if let Some(table) = table {
                let batches = run(queried_in(session, Arc::new(table), query));
                found.push((format!("{way} over {partitions}: {query}"), batches));
            }
        }
    }
    found
}

#[test]
fn the_rows_of_every_filter_are_those_of_a_table_in_memory() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let judge = in_memory(&expected);
    for filter in [
        "true",
        "false",
        "id > 20",
        "id in (11, 23, 42)",
        "id between 12 and 32",
        "not (id between 12 and 32)",
        "id = 11 or id = 42",
        "-id < -30",
        "id % 2 = 0",
        "cast(id as string) like '%1'",
        "name is null",
        "name is not null",
        "name like 'b%'",
        "name ilike 'B%' and id > 12",
        "name > 'bob'",
        "name in ('bob', 'gone', 'eve')",
        "name is distinct from 'bob'",
        "upper(name) = 'BOB'",
        "character_length(name) = 3 and id < 40",
        "case when id % 2 = 0 then name = 'bob' else price > 3 end",
        "(name = 'bob') is not true",
        "(name = 'bob') is unknown",
        "price > 2.5",
        "price is null",
        "price <> price",
        "price = 'NaN'::double",
        "price < 0",
        "price = 0",
        "price >= 0",
        "isnan(price)",
        "p = 'a'",
        "p <> 'a'",
        "p is null",
        "p in ('b', 'c')",
        "p = 'a' and id >= 12 and name is not null",
        "p = 'b' or id = 12",
        "p = name or name > 'd'",
        "upper(p) = 'A' and price < 8",
        "coalesce(p, 'none') = 'none'",
        "random() < 2 and id > 30",
    ] {
        let query = format!("select * from t where {filter}");
        let wanted = run(queried(Arc::clone(&judge), &query));
        for (way, found) in everywhere(&snapshot, &query) {
            assert_eq!(sorted(&found), sorted(&wanted), "{way}");
        }
    }
}

#[test]
fn the_answers_of_whole_queries_are_those_of_a_table_in_memory() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let judge = in_memory(&expected);
    for query in [
        "select count(*) from t",
        "select count(*), count(name), min(id), max(id), sum(price) from t where p = 'a'",
        "select p, count(*), max(name) from t group by p",
        "select name, id from t where price > 1 order by id desc",
        "select p, id from t order by id limit 3",
        "select p from t order by p nulls first, id limit 2 offset 1",
        "select a.id, b.id from t a join t b on a.name = b.name where a.id < b.id",
        "select max(price) from t where id < 40",
        "select distinct p from t where name is not null",
        "select 1 from t where id < 13",
    ] {
        let wanted = run(queried(Arc::clone(&judge), query));
        for (way, found) in everywhere(&snapshot, query) {
            if query.contains("order by") {
                assert_eq!(lines(&found), lines(&wanted), "{way}");
            } else {
                assert_eq!(sorted(&found), sorted(&wanted), "{way}");
            }
        }
    }
}

#[test]
fn a_limit_gives_so_many_of_the_rows() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let all = sorted(&[expected]);
    for (query, count) in [
        ("select * from t limit 3", 3),
        ("select * from t limit 100", all.len()),
        ("select * from t where id > 20 limit 4", 4),
        ("select * from t where p = 'a' and id > 13 limit 2", 2),
        ("select * from t where name = 'bob' limit 9", 2),
    ] {
        for (way, found) in everywhere(&snapshot, query) {
            let found = sorted(&found);
            assert_eq!(found.len(), count, "{way}");
            assert!(found.iter().all(|row| all.contains(row)), "{way}");
        }
    }
}

#[test]
fn columns_come_in_the_order_that_is_asked_for_with_the_tables_types() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    for (projection, names) in [
        (None, "id p name price"),
        (Some(vec![1]), "p"),
        (Some(vec![3, 1, 0]), "price p id"),
        (Some(vec![2]), "name"),
    ] {
        let own = dfd_runtime::session(SessionConfig::new());
        let wanted = match &projection {
            Some(places) => expected.project(places).unwrap(),
            None => expected.clone(),
        };
        // With and without a filter on a column that isn't asked for.
        for filters in [
            vec![],
            vec![condition(&snapshot, "id > 0 and name is distinct from 'x'")],
        ] {
            for table in [
                DeltaTableProvider::opaque(Arc::clone(&snapshot)),
                DeltaTableProvider::native(Arc::clone(&snapshot)),
            ] {
                let state = own.state();
                let plan = table.scan(&state, projection.as_ref(), &filters, None);
                let plan = run(plan).unwrap();
                let schema = plan.schema();
                let found: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                assert_eq!(found.join(" "), names);
                let batches = run(datafusion::physical_plan::collect(plan, own.task_ctx()));
                let batches = batches.unwrap();
                assert_eq!(
                    sorted(&batches),
                    sorted(std::slice::from_ref(&wanted)),
                    "{names}"
                );
                for (found, wanted) in schema.fields().iter().zip(wanted.schema().fields()) {
                    assert_eq!(found.data_type(), wanted.data_type());
                }
            }
        }
    }
}

#[test]
fn no_columns_are_rows_all_the_same() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let own = dfd_runtime::session(SessionConfig::new());
    for table in [
        DeltaTableProvider::opaque(Arc::clone(&snapshot)),
        DeltaTableProvider::native(Arc::clone(&snapshot)),
    ] {
        let state = own.state();
        let plan = run(table.scan(&state, Some(&vec![]), &[], None)).unwrap();
        assert!(plan.schema().fields().is_empty());
        let batches = run(datafusion::physical_plan::collect(plan, own.task_ctx())).unwrap();
        let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(count, expected.num_rows());
    }
}

#[test]
fn views_are_given_where_there_are_texts_in_files() {
    let (table, expected) = mixed();
    let snapshot = table.open();
    let native = DeltaTableProvider::native(Arc::clone(&snapshot));
    let kinds = |schema: arrow::datatypes::SchemaRef| -> Vec<DataType> {
        schema
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect()
    };
    assert_eq!(kinds(native.schema()), kinds(expected.schema()));
    let viewed = native.with_views().unwrap();
    let mut with_view = kinds(expected.schema());
    with_view[2] = DataType::Utf8View;
    assert_eq!(kinds(viewed.schema()), with_view);
    let found = run(queried_in(
        &dfd_runtime::session(SessionConfig::new()),
        Arc::new(viewed),
        "select * from t",
    ));
    assert_eq!(kinds(found[0].schema()), with_view);
    let opaque = DeltaTableProvider::opaque(Arc::clone(&snapshot));
    assert!(opaque.with_views().is_none());
    let numbers = TestTable::new(&[field("id", "long"), field("p", "string")], &["p"]);
    assert!(
        DeltaTableProvider::native(numbers.open())
            .with_views()
            .is_none()
    );
}

#[test]
fn filters_are_exact_where_the_scan_applies_them() {
    use TableProviderFilterPushDown::{Exact, Inexact, Unsupported};
    let (table, _) = mixed();
    let snapshot = table.open();
    let opaque = DeltaTableProvider::opaque(Arc::clone(&snapshot));
    let native = DeltaTableProvider::native(Arc::clone(&snapshot));
    let cases = [
        ("p = 'a'", Exact, Exact),
        ("upper(p) = 'A'", Inexact, Inexact),
        ("id > 1", Exact, Inexact),
        ("upper(name) = 'A'", Inexact, Inexact),
        ("random() < 0.5", Unsupported, Unsupported),
        ("p = 'a' and random() < 0.5", Unsupported, Unsupported),
    ];
    for (text, foreign, own) in cases {
        let filter = condition(&snapshot, text);
        let support = |table: &DeltaTableProvider| {
            table
                .supports_filters_pushdown(&[&filter])
                .unwrap()
                .remove(0)
        };
        assert_eq!(
            (support(&opaque), support(&native)),
            (foreign, own),
            "{text}"
        );
        assert_eq!(opaque.filters_exactly(&filter), text == "id > 1", "{text}");
    }
}

#[test]
fn statistics_are_by_the_tables_columns() {
    let (table, _) = mixed();
    let native = DeltaTableProvider::native(table.open());
    let whole = native.statistics().unwrap();
    // One file has no statistics.
    assert_eq!(whole.num_rows, Precision::Absent);
    assert_eq!(whole.column_statistics.len(), 4);
    let fields = [
        field("p", "string"),
        field("id", "long"),
        field("name", "string"),
    ];
    let table = TestTable::new(&fields, &["p"]);
    let stats = json!({
        "numRecords": 3,
        "minValues": {"id": 4, "name": "a"},
        "maxValues": {"id": 6, "name": "b"},
        "nullCount": {"id": 0, "name": 1},
    });
    let add = crate::test_tables::Add::new("f", 9).partition("p", Some("x"));
    table.commit(1, &[add.stats(stats).action()]);
    let native = DeltaTableProvider::native(table.open());
    let bounds = |table: &DeltaTableProvider| {
        let whole = table.statistics().unwrap();
        assert_eq!(whole.num_rows, Precision::Exact(3));
        let columns = whole.column_statistics.into_iter();
        columns.map(|column| column.min_value).collect::<Vec<_>>()
    };
    let text = |text: &str| ScalarValue::Utf8(Some(text.to_owned()));
    let view = ScalarValue::Utf8View(Some("a".to_owned()));
    let id = Precision::Exact(ScalarValue::Int64(Some(4)));
    let p = Precision::Exact(text("x"));
    assert_eq!(
        bounds(&native),
        [p.clone(), id.clone(), Precision::Inexact(text("a"))]
    );
    let viewed = native.with_views().unwrap();
    assert_eq!(bounds(&viewed), [p, id, Precision::Inexact(view)]);
}

#[test]
fn columns_that_a_file_lacks_are_null_and_others_are_fitted() {
    let fields = [
        field("id", "long"),
        field("later", "string"),
        field("Name", "string"),
    ];
    let table = TestTable::new(&fields, &[]);
    let narrow = arrow::compute::cast(&longs([1, 2]), &DataType::Int32).unwrap();
    let older = rows([("ID", narrow), ("name", texts([Some("a"), None]))]);
    let newer = rows([
        ("later", texts([Some("x")])),
        ("extra", longs([9])),
        ("Name", texts([Some("b")])),
        ("id", longs([1 << 40])),
    ]);
    table.commit(
        1,
        &[
            table.write("1", &older).action(),
            table.write("2", &newer).action(),
        ],
    );
    let snapshot = table.open();
    for (query, expected) in [
        ("select * from t", vec!["1099511627776|x|b", "1||a", "2||"]),
        ("select * from t where later is null", vec!["1||a", "2||"]),
        ("select \"Name\" from t where id > 1", vec!["", "b"]),
    ] {
        for (way, found) in everywhere(&snapshot, query) {
            assert_eq!(sorted(&found), expected, "{way}");
        }
    }
}

#[test]
fn columns_are_found_by_their_physical_names_and_by_their_ids() {
    let fields = [
        mapped("id", "long", 1, "c1"),
        mapped("new name", "string", 2, "c2"),
        mapped("p", "long", 3, "c3"),
    ];
    let stored = |ids: [Option<i32>; 2], names: [&str; 2]| {
        use datafusion::parquet::arrow::PARQUET_FIELD_ID_META_KEY as KEY;
        let plain = rows([
            (names[0], longs([1, 2])),
            (names[1], texts([Some("a"), None])),
        ]);
        let schema = plain.schema();
        let fields = schema.fields().iter().zip(ids).map(|(field, id)| {
            let id = id.map(|id| (KEY.to_owned(), id.to_string()));
            field
                .as_ref()
                .clone()
                .with_metadata(id.into_iter().collect())
        });
        let schema = arrow::datatypes::Schema::new(fields.collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), plain.columns().to_vec()).unwrap()
    };
    for (mode, ids, names) in [
        ("name", [None, None], ["c1", "c2"]),
        ("name", [Some(2), Some(1)], ["c1", "c2"]),
        ("id", [Some(1), Some(2)], ["x", "y"]),
        ("id", [Some(1), Some(2)], ["c2", "c1"]),
        ("id", [None, None], ["c1", "c2"]),
    ] {
        let mode = json!({"delta.columnMapping.mode": mode});
        let table = TestTable::of(&[
            protocol(&["columnMapping"]),
            metadata(&fields, &["p"], mode.clone()),
        ]);
        let add = table.write("f", &stored(ids, names));
        table.commit(1, &[add.partition("c3", Some("7")).action()]);
        for query in ["select * from t", "select * from t where id > 0 and p = 7"] {
            for (way, found) in everywhere(&table.open(), query) {
                assert_eq!(sorted(&found), ["1|a|7", "2||7"], "{mode} {way}");
            }
        }
    }
}

#[test]
fn times_of_int96_reach_beyond_nanoseconds() {
    use datafusion::parquet::data_type::{Int64Type as Whole, Int96, Int96Type};
    use datafusion::parquet::file::writer::SerializedFileWriter;
    use datafusion::parquet::schema::parser::parse_message_type;

    let table = TestTable::new(&[field("id", "long"), field("at", "timestamp")], &[]);
    let message = "message m { optional int64 id; optional int96 at; }";
    let schema = Arc::new(parse_message_type(message).unwrap());
    let file = std::fs::File::create(table.path("f")).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids = column.typed::<Whole>();
    ids.write_batch(&[1, 2], Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    // 9999-12-31 and 1970-01-01, each 1 microsecond after midnight, as days of Julius Caesar's calendar.
    let times = [2_440_588 + 2_932_896, 2_440_588].map(|day| {
        let mut time = Int96::new();
        time.set_data(1000, 0, day);
        time
    });
    let written = column.typed::<Int96Type>();
    written.write_batch(&times, Some(&[1, 1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    table.commit(1, &[table.added("f").action()]);
    for (way, found) in everywhere(&table.open(), "select id, at from t order by id") {
        let times = found[0].column(1);
        let times = times.as_any().downcast_ref::<TimestampMicrosecondArray>();
        let times: Vec<_> = times.unwrap().values().to_vec();
        assert_eq!(times, [2_932_896 * 86_400_000_000 + 1, 1], "{way}");
        let ids = found[0].column(0).as_primitive::<Int64Type>();
        assert_eq!((ids.len(), ids.value(0)), (2, 1));
    }
}

#[test]
fn an_empty_table_has_its_columns() {
    let table = TestTable::new(&[field("id", "long"), field("p", "string")], &["p"]);
    let snapshot = table.open();
    for (way, found) in everywhere(&snapshot, "select * from t where id > 1") {
        assert_eq!(sorted(&found), [""; 0], "{way}");
    }
    let counted = everywhere(&snapshot, "select count(*), max(id) from t");
    for (way, found) in counted {
        assert_eq!(sorted(&found), ["0|"], "{way}");
    }
}
