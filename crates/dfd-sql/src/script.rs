//! A text of statements, each with what it does.

use std::collections::HashMap;

use datafusion::sql::sqlparser::tokenizer::Token;
use serde::Serialize;

use crate::changes::{delete, insert, merge, table_of, truncate, update};
use crate::cursor::Cursor;
use crate::definitions::{alter, create, table_head};
use crate::error::SyntaxError;
use crate::statement::Statement;
use crate::text::{Tokens, with_literals};
use crate::upkeep::{detail, history, optimize, restore, vacuum};

/// One statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parsed {
    /// The whole of it, as it is written.
    pub text: String,
    /// The line that it begins in, from 1.
    pub line: u64,
    /// Whether it is to be shown what it would do.
    pub explain: bool,
    /// Why it can't be read.
    pub error: Option<String>,
    /// Everything in it that has dots between words, which may be the name of a table in a schema.
    pub dotted: Vec<String>,
    /// Whether it asks which tables there are: SHOW TABLES, `information_schema`.
    pub lists_tables: bool,
    /// What it does.
    pub statement: Statement,
}

type Reader = fn(&mut Cursor<'_>) -> Result<Statement, SyntaxError>;

/// What statements of Delta tables begin with, and who reads the rest.
const READERS: [(&str, Reader); 11] = [
    ("INSERT", insert),
    ("DELETE", delete),
    ("TRUNCATE", truncate),
    ("UPDATE", update),
    ("MERGE", merge),
    ("ALTER", alter),
    ("OPTIMIZE", optimize),
    ("VACUUM", vacuum),
    ("RESTORE", restore),
    ("DESCRIBE HISTORY", history),
    ("DESCRIBE DETAIL", detail),
];

/// Of these DataFusion has its own, for tables of its own.
const SHARED: [&str; 5] = ["INSERT", "DELETE", "TRUNCATE", "UPDATE", "MERGE"];

/// Takes a text apart; `literals` are the values of placeholders in statements of Delta tables, as SQL writes them.
///
/// # Errors
/// A statement that only Delta has can't be read, or the text has no tokens of SQL.
pub fn script(text: &str, literals: &HashMap<String, String>) -> Result<Vec<Parsed>, SyntaxError> {
    let tokens = Tokens::of(text)?;
    let places = tokens.tokens.iter().enumerate();
    let ends = places.filter(|(_, token)| token.token == Token::SemiColon);
    let mut ends: Vec<usize> = ends.map(|(place, _)| place).collect();
    ends.push(tokens.tokens.len());
    let mut found = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        if start < end {
            let text = &tokens.text[tokens.range(start..end)];
            let line = tokens.tokens[start].span.start.line;
            let statement = statement(text, literals).map_err(|error| SyntaxError {
                line: error.line + line - 1,
                ..error
            })?;
            found.push(Parsed { line, ..statement });
        }
        start = end + 1;
    }
    Ok(found)
}

fn statement(text: &str, literals: &HashMap<String, String>) -> Result<Parsed, SyntaxError> {
    let tokens = Tokens::of(text)?;
    let parsed = |explain, statement, error: Option<String>| Parsed {
        text: text.to_owned(),
        line: 1,
        explain,
        error,
        dotted: tokens.dotted(),
        lists_tables: lists_tables(&tokens),
        statement,
    };
    let explain = tokens.has(0, "EXPLAIN");
    let first = usize::from(explain);
    let Some((words, read)) = reader(&tokens, first) else {
        return Ok(parsed(false, Statement::Other, None));
    };
    let own = &text[tokens.range(first..tokens.tokens.len())];
    let is_shared = SHARED.contains(&words);
    let statement = with_literals(own, literals).and_then(|own| {
        let mut cursor = Cursor::at_start(&own)?;
        cursor.expect(words)?;
        read(&mut cursor)
    });
    match statement {
        Ok(statement) => Ok(parsed(explain, statement, None)),
        Err(error) if is_shared => {
            let table = table_of(own);
            Ok(parsed(
                explain,
                Statement::Unread { table },
                Some(error.to_string()),
            ))
        }
        Err(error) => Err(error),
    }
}

fn lists_tables(tokens: &Tokens<'_>) -> bool {
    let mut places = 0..tokens.tokens.len();
    tokens.has(0, "SHOW TABLES") || places.any(|place| tokens.has(place, "information_schema"))
}

fn reader(tokens: &Tokens<'_>, first: usize) -> Option<(&'static str, Reader)> {
    if tokens.has(first, "CREATE") {
        return makes_delta(tokens, first).then_some(("CREATE", create as Reader));
    }
    if tokens.has(first, "DESC HISTORY") {
        return Some(("DESC HISTORY", history));
    }
    if tokens.has(first, "DESC DETAIL") {
        return Some(("DESC DETAIL", detail));
    }
    READERS
        .into_iter()
        .find(|(words, _)| tokens.has(first, words))
}

/// Whether a CREATE TABLE makes a Delta table: it says so, or names a URI.
fn makes_delta(tokens: &Tokens<'_>, create: usize) -> bool {
    let count = tokens.tokens.len();
    let statement = &tokens.text[tokens.range(create..count)];
    let named = Cursor::at_start(statement).and_then(|mut cursor| {
        cursor.expect("CREATE")?;
        table_head(&mut cursor)
    });
    named.is_ok_and(|head| {
        head.table.uri.is_some() || (create..count).any(|place| tokens.has(place, "USING DELTA"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A statement as whoever runs it is told of it, without what is empty.
    fn told(text: &str) -> Value {
        let found = script(text, &HashMap::new()).unwrap();
        assert_eq!(found.len(), 1, "{text}");
        let mut told = serde_json::to_value(&found[0].statement).unwrap();
        let table = told["table"].take();
        told["table"] = table["uri"]
            .as_str()
            .map_or(table["text"].clone(), Into::into);
        told
    }

    fn kinds(text: &str) -> Vec<String> {
        let found = script(text, &HashMap::new()).unwrap();
        let kind = |one: &Parsed| serde_json::to_value(&one.statement).unwrap()["kind"].to_string();
        found.iter().map(kind).collect()
    }

    #[test]
    fn a_text_is_split_where_statements_end() {
        let text = "select ';' -- ;\n; ;delete from t;\n\nselect 2;";
        let found = script(text, &HashMap::new()).unwrap();
        let texts = found.iter().map(|one| (one.text.as_str(), one.line));
        let texts: Vec<_> = texts.collect();
        assert_eq!(
            texts,
            [("select ';'", 1), ("delete from t", 2), ("select 2", 4)]
        );
        assert_eq!(kinds(text), [r#""other""#, r#""delete""#, r#""other""#]);
        assert!(
            script(" -- nothing\n;", &HashMap::new())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn who_asks_for_tables_is_known() {
        let asks = |text: &str| script(text, &HashMap::new()).unwrap()[0].lists_tables;
        for text in [
            "show tables",
            "select * from Information_Schema.tables",
            "select 1 from datafusion.information_schema.columns",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "select 'information_schema'",
            "show all",
            "select tables from t",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn what_datafusion_knows_is_left_to_it() {
        for text in [
            "with a as (select 1) select * from a",
            "create table t (a int)",
            "create table if not exists delta (a int)",
            "create view delta.`x` as select 1",
            "create external table t stored as parquet location 'x'",
            "describe t",
            "set a = 3",
            "explain analyze select 1",
            "explain select 1",
            "drop table t",
            "copy t to 'x'",
        ] {
            assert_eq!(kinds(text), [r#""other""#], "{text}");
        }
    }

    #[test]
    fn an_insert_says_columns_partitions_and_rows() {
        let plain = json!({
            "kind": "insert", "table": "a.b", "columns": [], "by_name": false, "overwrite": false,
            "partition": [], "replace_where": null, "query": "values (1, 'x;')",
        });
        assert_eq!(told("INSERT INTO TABLE a.b values (1, 'x;')"), plain);
        let with = |changes: Value| {
            let mut made = plain.clone();
            made["table"] = json!("t");
            for (key, value) in changes.as_object().unwrap() {
                made[key] = value.clone();
            }
            made
        };
        for (text, changes) in [
            (
                "insert overwrite t partition (p = 'x', q) (a, \"B c\") select 1, 2",
                json!({"overwrite": true, "partition": [["p", "'x'"], ["q", null]],
                    "columns": ["a", "B c"], "query": "select 1 AS dfd_item_0, 2 AS dfd_item_1"}),
            ),
            (
                "insert into t (select 1) union all select null, a, b as c, t.d, null from t",
                json!({"query": "(select 1) union all select null AS dfd_item_0, a, b as c, \
                    t.d, null AS dfd_item_1 from t"}),
            ),
            (
                "insert into t by name select 1 as a",
                json!({"by_name": true, "query": "select 1 as a"}),
            ),
            (
                "insert into t replace where t.p = 3 table s",
                json!({"overwrite": true, "replace_where": "p = 3", "query": "SELECT * FROM s"}),
            ),
            (
                "insert into delta.`/x y` with a as (select 1) select * from a",
                json!({"table": "/x y", "query": "with a as (select 1) select * from a"}),
            ),
            (
                "insert into t with a as (select 1) select distinct 1 + 1 from a",
                json!({"query": "with a as (select 1) select distinct 1 + 1 AS dfd_item_0 from a"}),
            ),
        ] {
            assert_eq!(told(text), with(changes), "{text}");
        }
    }

    #[test]
    fn deletes_and_updates_have_plain_columns() {
        assert_eq!(
            told("delete from s.t as x where x.a > 1 and \"X\".b in (select 1)"),
            json!({"kind": "delete", "table": "s.t", "predicate": "a > 1 and b in (select 1)"})
        );
        assert_eq!(
            told("TRUNCATE TABLE t"),
            json!({"kind": "delete", "table": "t", "predicate": null})
        );
        assert_eq!(
            told("update t set t.a = t.b + 1, `c d` = 'x' where t.e is null"),
            json!({"kind": "update", "table": "t", "alias": "t", "source": null,
                "assignments": [["a", "b + 1"], ["`c d`", "'x'"]], "predicate": "e is null"})
        );
        assert_eq!(
            told("update t x set a = s.b from (select * from u) s where x.id = s.id"),
            json!({"kind": "update", "table": "t", "alias": "x",
                "source": ["select * from u", "s"], "assignments": [["a", "s.b"]],
                "predicate": "x.id = s.id"})
        );
    }

    #[test]
    fn a_merge_has_all_its_clauses() {
        let found = told(
            "merge with schema evolution into a.t using u version as of 3 as s on t.id = s.id
             when matched and s.gone then delete
             when matched then update set *
             when not matched by target and s.x > 1 then insert (id, t.x) values (s.id, s.x + 1)
             when not matched then insert * except (y)
             when not matched by source and t.x < 3 then update set t.x = t.x + 1",
        );
        let clause = |rows: &str, predicate: Value, action: Value| json!({"rows": rows, "predicate": predicate, "action": action});
        let wanted = json!({
            "kind": "merge", "table": "a.t", "alias": "t", "source": "SELECT * FROM u version as of 3",
            "source_alias": "s", "condition": "t.id = s.id", "merge_schema": true,
            "clauses": [
                clause("matched", json!("s.gone"), json!("delete")),
                clause("matched", Value::Null, json!({"set_all": {"except": []}})),
                clause("not_matched", json!("s.x > 1"),
                    json!({"set": [["id", "s.id"], ["t.x", "s.x + 1"]]})),
                clause("not_matched", Value::Null, json!({"set_all": {"except": ["y"]}})),
                clause("not_matched_by_source", json!("t.x < 3"), json!({"set": [["x", "t.x + 1"]]})),
            ],
        });
        assert_eq!(found, wanted);
    }

    #[test]
    fn tables_are_made_and_altered() {
        let column = |name: &str, kind: &str, nullable: bool| json!({"name": name, "type": kind, "nullable": nullable, "metadata": {}});
        let found = told(
            "create or replace table if not exists t (id bigint not null, p string) using delta location 's3://x/y' partitioned by (p)
             tblproperties ('delta.appendOnly' = 'true', owner = me, n 3) comment 'it''s'",
        );
        let wanted = json!({
            "kind": "create_table", "table": "t", "if_not_exists": true, "or_replace": true, "new": {
                "columns": [column("id", "long", false), column("p", "string", true)],
                "location": "s3://x/y", "partition_by": ["p"],
                "comment": "it's", "query": null,
                "properties": [["delta.appendOnly", "true"], ["owner", "me"], ["n", "3"]],
            },
        });
        assert_eq!(found, wanted);
        for text in [
            "create table delta.`/t` as select 1 as a",
            "create or replace table if not exists DELTA.`/t` as select 1 as a",
        ] {
            let made = told(text);
            assert_eq!(made["table"], "/t");
            assert_eq!(made["new"]["query"], "select 1 as a");
        }
        let made = told("create table t using delta as select 1 as a");
        assert_eq!(made["new"]["query"], "select 1 as a");
        for (text, change) in [
            (
                "add columns (a int, b date)",
                json!({"add_columns": [column("a", "integer", true), column("b", "date", true)]}),
            ),
            (
                "add column a int",
                json!({"add_columns": [column("a", "integer", true)]}),
            ),
            (
                "add constraint c check (a > (1))",
                json!({"add_constraint": ["c", "a > (1)"]}),
            ),
            (
                "drop constraint if exists c",
                json!({"drop_constraint": {"name": "c", "if_exists": true}}),
            ),
            (
                "set tblproperties (delta.appendOnly = true)",
                json!({"set_properties": [["delta.appendOnly", "true"]]}),
            ),
            (
                "unset tblproperties ('a', b.c)",
                json!({"unset_properties": {"names": ["a", "b.c"], "if_exists": false}}),
            ),
        ] {
            let found = told(&format!("alter table t {text}"));
            assert_eq!(found["change"], change, "{text}");
        }
    }

    #[test]
    fn upkeep_is_read() {
        for (text, wanted) in [
            (
                "optimize t where p = 'x' and (q in (1, -2)) zorder by (a, b)",
                json!({"kind": "optimize", "table": "t", "z_order": ["a", "b"],
                    "filters": [["p", "=", ["'x'"]], ["q", "in", ["1", "-2"]]]}),
            ),
            (
                "vacuum t retain 0.5 hours dry run",
                json!({
                    "kind": "vacuum", "table": "t", "retain_hours": 0.5, "dry_run": true, "full": false,
                }),
            ),
            (
                "vacuum t full",
                json!({
                    "kind": "vacuum", "table": "t", "retain_hours": null, "dry_run": false, "full": true,
                }),
            ),
            (
                "restore table t to version as of 3",
                json!({"kind": "restore", "table": "t", "at": {"version": "3"}}),
            ),
            (
                "restore t to for system_version as of '3'",
                json!({"kind": "restore", "table": "t", "at": {"version": "3"}}),
            ),
            (
                "restore t to timestamp as of '2024-01-01'",
                json!({"kind": "restore", "table": "t", "at": {"timestamp": "'2024-01-01'"}}),
            ),
            (
                "desc history t limit 3",
                json!({"kind": "history", "table": "t", "limit": 3}),
            ),
            (
                "describe detail delta.'/t'",
                json!({"kind": "detail", "table": "delta.'/t'"}),
            ),
        ] {
            if text.contains("'/t'") {
                assert!(script(text, &HashMap::new()).is_err());
                continue;
            }
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, line, why) in [
            (
                "select 1;\nvacuum t retain x",
                2,
                "a number is expected, and not x (line 2, column 17)",
            ),
            ("optimize t where a + 1 = 2", 1, "by columns and literals"),
            ("restore t to 3", 1, "TO VERSION AS OF"),
            ("alter table t rename column a to b", 1, "ADD COLUMNS"),
            ("alter table t add constraint c check (a >", 1, ""),
            ("create table t using delta", 1, "AS SELECT"),
            (
                "create table t (a int, constraint c check (a > 0)) using delta",
                1,
                "afterwards",
            ),
            ("vacuum t 'x'; 'open", 1, ""),
        ] {
            let error = script(text, &HashMap::new()).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
        for (text, table, why) in [
            ("delete t", None, "FROM is expected"),
            ("update a.t set s.x = 1", Some("a.t"), "named_struct"),
            (
                "merge into t using (select 1) on true when matched then delete",
                Some("t"),
                "AS s",
            ),
            (
                "insert into t values (1) where $x",
                Some("t"),
                "no value for $x",
            ),
            ("insert into t", Some("t"), "a query is expected"),
            (
                "merge into t using s on a = b when not matched then insert (a) values (1, 2)",
                Some("t"),
                "1 columns and 2 values",
            ),
        ] {
            let found = script(text, &HashMap::new()).unwrap();
            let error = found[0].error.as_ref().unwrap();
            assert!(error.contains(why), "{error}");
            let told = serde_json::to_value(&found[0].statement).unwrap();
            assert_eq!(told["kind"], "unread");
            assert_eq!(told["table"]["text"].as_str(), table);
        }
    }

    #[test]
    fn names_with_dots_are_told() {
        let text = "select a.b, 'c.d' from lake.\"O r\" x join m.lake.t on x.c = 1";
        let found = script(text, &HashMap::new()).unwrap();
        assert_eq!(found[0].dotted, ["a.b", "lake.\"O r\"", "m.lake.t", "x.c"]);
    }

    #[test]
    fn a_statement_may_be_explained() {
        let found = script("EXPLAIN delete from t", &HashMap::new()).unwrap();
        assert!(found[0].explain && matches!(found[0].statement, Statement::Delete { .. }));
    }
}
