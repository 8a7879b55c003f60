use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionConfig;
use serde_json::json;

use super::*;
use crate::testing::{
    Table, batch, column, commit, files_below, input, int64s, location, read_staged, stage_into,
};

const ROWS: i64 = 400;

fn table(directory: &Path, properties: &[(&str, &str)]) {
    let columns = [column("a", "long", true), column("p", "long", true)];
    let features = ["deletionVectors", "changeDataFeed"];
    let mut table = Table::new(&columns).protocol(json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["deletionVectors"], "writerFeatures": features,
    }));
    for (key, value) in properties {
        table = table.property(key, value);
    }
    table.partition_by(&["p"]).create(directory);
    for version in 1..=2 {
        let from = ROWS * (i64::try_from(version).unwrap() - 1);
        let a = int64s((from..from + ROWS).map(Some));
        let p = int64s((from..from + ROWS).map(|row| Some(row % 2)));
        let rows = batch(vec![("a", a), ("p", p)]);
        let staged = stage_into(directory, vec![rows], Settings::default()).unwrap();
        commit(directory, version, &staged);
    }
}

fn state() -> SessionState {
    let mut config = SessionConfig::new().with_target_partitions(3);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let mut state = dfd_runtime::session(config).state();
    state.mark_start_execution();
    state
}

pub(super) fn changed(
    directory: &Path,
    version: u64,
    statement: Statement,
) -> Result<RowChange, Error> {
    changed_by(directory, version, statement, None)
}

fn changed_by(
    directory: &Path,
    version: u64,
    statement: Statement,
    source: Option<Input>,
) -> Result<RowChange, Error> {
    let request = ChangeRequest {
        version,
        statement,
        source,
        inserted: Vec::new(),
        definition: DefinitionChange::default(),
        settings: Settings::default(),
    };
    let token = CancellationToken::new();
    let work = change_rows(location(directory), request, state(), token);
    dfd_runtime::block_on(work).unwrap()
}

fn delete(condition: &str) -> Statement {
    Statement::Delete {
        condition: Some(condition.to_owned()),
    }
}

pub(super) fn update(column: &str, value: &str, condition: &str) -> Statement {
    Statement::Update {
        values: vec![(column.to_owned(), value.to_owned())],
        condition: Some(condition.to_owned()),
    }
}

fn values(files: &[RecordBatch]) -> Vec<i64> {
    let column = |batch: &RecordBatch| {
        batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    };
    let mut found: Vec<_> = files.iter().flat_map(column).collect();
    found.sort_unstable();
    found
}

pub(super) fn metrics(change: &RowChange, names: [&str; 4]) -> [u64; 4] {
    names.map(|name| change.metrics()[format!("num_{name}").as_str()])
}

#[test]
fn what_is_left_of_a_file_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let change = changed(
        directory.path(),
        2,
        delete("A % 100 = 7 OR p = 0 AND a < 400"),
    )
    .unwrap();
    assert!(change.existing().is_empty());
    assert_eq!(change.removes().files.len(), 3);
    let names = [
        "deleted_rows",
        "added_files",
        "removed_files",
        "copied_rows",
    ];
    // What is left of both is of one partition, and one file.
    assert_eq!(metrics(&change, names), [200 + 8, 1, 3, 400 - 8]);
    let staged = change.staged.as_ref().unwrap();
    let wanted: Vec<_> = (0..800)
        .filter(|row| row % 2 == 1 && row % 100 != 7)
        .collect();
    assert_eq!(values(&read_staged(directory.path(), staged)), wanted);
}

#[test]
fn with_deletion_vectors_nothing_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[("delta.enableDeletionVectors", "true")]);
    let before = files_below(directory.path());
    let change = changed(
        directory.path(),
        2,
        delete("a % 100 = 7 OR a = 400 OR p = 0 AND a < 400"),
    );
    let change = change.unwrap();
    let names = [
        "deleted_rows",
        "added_files",
        "removed_files",
        "deletion_vectors_added",
    ];
    assert_eq!(metrics(&change, names), [200 + 8 + 1, 0, 1, 3]);
    assert_eq!(cardinalities(&change), [1, 4, 4]);
    drop(change);
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn files_of_which_checkpoints_say_nothing_get_no_deletion_vector() {
    let directory = tempfile::tempdir().unwrap();
    table(
        directory.path(),
        &[
            ("delta.enableDeletionVectors", "true"),
            ("delta.checkpoint.writeStatsAsJson", "false"),
        ],
    );
    let change = changed(directory.path(), 2, delete("a = 400")).unwrap();
    let names = [
        "deleted_rows",
        "removed_files",
        "copied_rows",
        "deletion_vectors_added",
    ];
    assert_eq!(metrics(&change, names), [1, 1, 199, 0]);
}

#[test]
fn updated_rows_are_new_ones_and_changes_tell_of_both() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[("delta.enableChangeDataFeed", "true")]);
    let before = files_below(directory.path());
    let change = changed(directory.path(), 2, update("a", "a + 1000", "a < 4")).unwrap();
    let names = [
        "updated_rows",
        "added_files",
        "copied_rows",
        "added_change_files",
    ];
    assert_eq!(metrics(&change, names), [4, 4, 396, 4]);
    let staged = change.staged.as_ref().unwrap();
    let written = values(&read_staged(directory.path(), staged));
    let wanted: Vec<_> = (4..400).chain(1000..1004).collect();
    assert_eq!(written, wanted);
    let in_feed = |file: &AddFile| file.path.starts_with("_change_data/p=");
    assert!(staged.changes().iter().all(in_feed));
    let rows: u64 = staged.changes().iter().map(|file| file.rows).sum();
    assert_eq!(rows, 8);
    drop(change);
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn where_no_row_changes_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    for statement in [
        delete("a < 0"),
        delete("null"),
        update("a", "1", "a IS NULL"),
    ] {
        let change = changed(directory.path(), 2, statement).unwrap();
        assert!(change.staged.is_none() && change.removes().files.is_empty());
    }
}

fn rebased(change: &RowChange, version: u64) -> Option<RowChange> {
    let token = CancellationToken::new();
    let rebased = change.rebased_on(version, state(), &token);
    dfd_runtime::block_on(rebased).unwrap().unwrap()
}

/// Commits a change as the version after that which it was worked out on.
fn put(directory: &Path, change: &RowChange) {
    let removes = change.removes();
    let staged = change.staged.as_ref();
    let added = staged.map_or(&[][..], StagedFiles::added);
    let commit = dfd_delta::Commit {
        removes: Some(&removes),
        adds: added.iter().map(AddFile::action).collect(),
        existing: change.existing(),
        ..dfd_delta::Commit::default()
    };
    let location = location(directory);
    let work = dfd_delta::commit(&location, Some(removes.version), &commit);
    let version = dfd_runtime::block_on(work).unwrap().unwrap();
    assert_eq!(version, Some(removes.version + 1));
    if let Some(staged) = staged {
        dfd_runtime::block_on(staged.release()).unwrap().unwrap();
    }
}

fn cardinalities(change: &RowChange) -> Vec<i64> {
    let vectors = change.existing().iter();
    let vectors = vectors.filter_map(|file| file.file.deletion_vector.as_ref());
    let mut found: Vec<_> = vectors.map(|vector| vector.cardinality).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_change_holds_where_its_files_and_no_others_have_such_rows() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let change = changed(directory.path(), 1, delete("a < 3")).unwrap();
    // Version 2 added rows from 400 on.
    let removes = rebased(&change, 2).map(|change| change.removes());
    assert_eq!(
        removes.map(|removes| (removes.version, removes.files.len())),
        Some((2, 2))
    );
    let other = changed(directory.path(), 1, delete("a < 3 OR a > 500")).unwrap();
    assert!(rebased(&other, 2).is_none());
}

#[test]
fn deletion_vectors_of_disjoint_rows_are_merged() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[("delta.enableDeletionVectors", "true")]);
    // Of files of two hundred rows, these vectors are too large for the log.
    let change = changed(directory.path(), 2, delete("a % 8 < 6")).unwrap();
    assert_eq!(cardinalities(&change), [150; 4]);
    let before = files_below(directory.path());
    put(
        directory.path(),
        &changed(directory.path(), 2, delete("a = 6")).unwrap(),
    );
    let once = rebased(&change, 3).unwrap();
    assert_eq!(
        (once.removes().version, cardinalities(&once)),
        (3, vec![150, 150, 150, 151])
    );
    // One file of vectors took the place of the other, beside the commit.
    assert_eq!(files_below(directory.path()).len(), before.len() + 1);

    put(
        directory.path(),
        &changed(directory.path(), 3, update("a", "1007", "a = 7")).unwrap(),
    );
    let twice = rebased(&once, 4).unwrap();
    assert_eq!(cardinalities(&twice), [150, 150, 151, 151]);
    assert_eq!(twice.metrics()["num_deletion_vectors_updated"], 2);
    put(
        directory.path(),
        &changed(directory.path(), 4, delete("a = 8")).unwrap(),
    );
    assert!(rebased(&twice, 5).is_none());
    drop(change);
    let left = files_below(directory.path());
    assert!(
        left.iter().all(|path| !path.contains("deletion_vector")),
        "{left:?}"
    );
}

#[test]
fn a_file_that_can_have_no_vector_any_more_is_worked_out_again() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[("delta.enableDeletionVectors", "true")]);
    let change = changed(directory.path(), 2, delete("a = 2")).unwrap();
    let removes = change.removes();
    // Another writer's, which knows no statistics of it.
    let again = removes.files.iter().map(|file| ExistingFile {
        file: file.clone(),
        stats: None,
    });
    let again: Vec<_> = again.collect();
    let commit = dfd_delta::Commit {
        removes: Some(&removes),
        existing: &again,
        ..dfd_delta::Commit::default()
    };
    let location = location(directory.path());
    let work = dfd_delta::commit(&location, Some(2), &commit);
    assert_eq!(dfd_runtime::block_on(work).unwrap().unwrap(), Some(3));
    assert!(rebased(&change, 3).is_none());
}

#[test]
fn copies_hold_as_long_as_their_files_stand() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let change = changed(directory.path(), 2, delete("a = 2")).unwrap();
    put(
        directory.path(),
        &changed(directory.path(), 2, delete("a = 3")).unwrap(),
    );
    assert!(rebased(&change, 3).is_some());
    put(
        directory.path(),
        &changed(directory.path(), 3, delete("a = 4")).unwrap(),
    );
    assert!(rebased(&change, 4).is_none());
}

#[test]
fn texts_that_are_no_single_expression_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let before = files_below(directory.path());
    for (statement, said) in [
        (
            delete("a > 0 a < 2"),
            "it ends before a at Line: 1, Column: 7",
        ),
        (delete("a > 0; DROP"), "it ends before ;"),
        (delete("a IN (SELECT 1)"), "subquery"),
        (delete("EXISTS (SELECT 1)"), "subquery"),
        (delete("sum(a) > 1"), "aggregate"),
        (delete("rank() OVER () > 1"), "window"),
        (delete("a"), "It is no condition, but Int64"),
        (delete("b = 1"), "b"),
        (delete("a = ?"), "placeholder"),
        (update("b", "1", "true"), "there is no column `b`"),
        (
            update("a", "b", "true"),
            "The value of column a isn't one expression",
        ),
    ] {
        let refused = changed(directory.path(), 2, statement).unwrap_err();
        assert!(refused.is_of_statement(), "{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn a_new_row_that_breaks_a_rule_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[("delta.constraints.small", "a < 1000")]);
    let before = files_below(directory.path());
    let broken = changed(directory.path(), 2, update("a", "a * 10", "p = 1")).unwrap_err();
    assert!(
        broken.is_rule_violation() && !broken.is_of_statement(),
        "{broken}"
    );
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn generated_columns_are_computed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut generated = column("g", "long", true);
    generated["metadata"] = json!({"delta.generationExpression": "a * 2"});
    Table::new(&[column("a", "long", true), generated]).create(directory.path());
    let rows = batch(vec![("a", int64s([Some(1), Some(2)]))]);
    let staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
    commit(directory.path(), 1, &staged);
    let change = changed(directory.path(), 1, update("a", "a + 5", "a = 2")).unwrap();
    let files = read_staged(directory.path(), change.staged.as_ref().unwrap());
    let row = |file: &RecordBatch| {
        let value = |place: usize| file.column(place).as_primitive::<Int64Type>().value(0);
        (value(0), value(1))
    };
    let mut found: Vec<_> = files.iter().map(row).collect();
    found.sort_unstable();
    assert_eq!(found, [(1, 2), (7, 14)]);
}

/// Rows of `a` and `p`, merged on `a`.
fn merged(directory: &Path, rows: &[(i64, i64)], clauses: Vec<Clause>) -> Result<RowChange, Error> {
    let (a, p): (Vec<_>, Vec<_>) = rows.iter().map(|(a, p)| (Some(*a), Some(*p))).unzip();
    let source = input(vec![Ok(batch(vec![("a", int64s(a)), ("p", int64s(p))]))]);
    let merge = Statement::Merge(Merge {
        condition: "S.a = t.A".to_owned(),
        source: "s".to_owned(),
        target: "t".to_owned(),
        clauses,
    });
    changed_by(directory, 2, merge, Some(source))
}

fn clause(rows: ClauseRows, condition: Option<&str>, values: Option<&[(&str, &str)]>) -> Clause {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Clause {
        rows,
        condition: condition.map(str::to_owned),
        values: values.map(|values| values.iter().map(owned).collect()),
    }
}

#[test]
fn the_first_clause_that_applies_says_what_becomes_of_a_row() {
    use ClauseRows::{Matched, NotMatched, NotMatchedBySource};
    for properties in [&[][..], &[("delta.enableChangeDataFeed", "true")]] {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path(), properties);
        let clauses = vec![
            clause(Matched, Some("t.a = 3"), None),
            clause(Matched, Some("s.p > 1"), Some(&[("a", "t.a + s.p * 1000")])),
            clause(NotMatched, None, Some(&[("a", "a"), ("p", "p + 10")])),
            clause(NotMatchedBySource, Some("a > 797"), None),
        ];
        let rows = [(3, 9), (4, 9), (5, 1), (-7, 0), (-8, 1)];
        let change = merged(directory.path(), &rows, clauses).unwrap();
        let counts = ["inserted", "updated", "deleted", "copied"];
        let counts =
            counts.map(|kind| change.metrics()[format!("num_target_rows_{kind}").as_str()]);
        assert_eq!(
            (counts, change.metrics()["num_source_rows"]),
            ([2, 1, 4 - 1, 796], 5)
        );
        let staged = change.staged.as_ref().unwrap();
        let gone = [3, 4, 798, 799];
        let kept = (0..800).filter(|row| !gone.contains(row));
        let mut wanted: Vec<_> = kept.chain([9004, -7, -8]).collect();
        wanted.sort_unstable();
        assert_eq!(values(&read_staged(directory.path(), staged)), wanted);
        let changes: u64 = staged.changes().iter().map(|file| file.rows).sum();
        assert_eq!(changes, if properties.is_empty() { 0 } else { 3 + 2 + 2 });
    }
}

#[test]
fn a_row_changes_by_one_row_of_the_source() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let before = files_below(directory.path());
    let set = || clause(ClauseRows::Matched, None, Some(&[("p", "s.p")]));
    let twice = merged(directory.path(), &[(5, 0), (6, 1), (5, 1)], vec![set()]).unwrap_err();
    assert!(
        twice.is_of_statement() && twice.to_string().contains("a is 5"),
        "{twice}"
    );
    let all = clause(ClauseRows::Matched, None, None);
    let gone = merged(directory.path(), &[(5, 0), (6, 1), (5, 1)], vec![all]).unwrap();
    assert_eq!(gone.metrics()["num_target_rows_deleted"], 2);
    drop(gone);
    assert_eq!(files_below(directory.path()), before);
}

#[test]
fn a_value_that_is_none_of_the_column_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    table(directory.path(), &[]);
    let set = clause(ClauseRows::Matched, None, Some(&[("p", "s.p + 0.5")]));
    let inexact = merged(directory.path(), &[(5, 0)], vec![set]).unwrap_err();
    assert!(inexact.is_rule_violation(), "{inexact}");
    assert!(inexact.to_string().contains("column `p`: 0.5"), "{inexact}");
}

#[test]
fn constants_are_what_they_are_in_sql() {
    let directory = tempfile::tempdir().unwrap();
    let columns = [
        column("d", "decimal(38,10)", true),
        column("t", "timestamp", true),
        column("day", "date", true),
        column("x", "double", true),
    ];
    Table::new(&columns).create(directory.path());
    let far: i64 = 253_402_214_400_000_000;
    let times =
        [Some(far), Some(0)].map(|at| ScalarValue::TimestampMicrosecond(at, Some("UTC".into())));
    let days = [Some(0), Some(2_932_896)].map(ScalarValue::Date32);
    let decimals = [
        12_345_678_901_234_567_895_000_000_000,
        12_345_678_901_234_567_885_000_000_000,
    ];
    let decimals = decimals.map(|value| ScalarValue::Decimal128(Some(value), 38, 10));
    let doubles = [0.300_000_000_000_000_04, 0.3].map(|value| ScalarValue::Float64(Some(value)));
    let array = |values: [ScalarValue; 2]| ScalarValue::iter_to_array(values).unwrap();
    let rows = batch(vec![
        ("d", array(decimals)),
        ("t", array(times)),
        ("day", array(days)),
        ("x", array(doubles)),
    ]);
    let staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
    commit(directory.path(), 1, &staged);
    for condition in [
        "d = 1234567890123456789.5",
        "d in (1, 1234567890123456789.5)",
        "-d = -1234567890123456789.5",
        "d between 1234567890123456789.4 and 1234567890123456789.6",
        "t = '9999-12-31T00:00:00Z'",
        "t >= timestamp '9999-12-31'",
        "day < current_date()",
        "x = 0.30000000000000004",
    ] {
        let change = changed(directory.path(), 1, delete(condition));
        let rows = change.map(|change| change.metrics()["num_deleted_rows"]);
        assert_eq!(
            rows.map_err(|error| error.to_string()),
            Ok(1),
            "{condition}"
        );
    }
}

#[test]
fn a_merge_stands_where_no_new_row_is_within_its_keys() {
    use ClauseRows::{Matched, NotMatched, NotMatchedBySource};
    let upsert = || {
        vec![
            clause(Matched, None, Some(&[("p", "s.p")])),
            clause(NotMatched, None, Some(&[("a", "a"), ("p", "p")])),
        ]
    };
    let also = |other| [upsert(), vec![other]].concat();
    let (near, far) = ([(3, 9), (1000, 9)], [(900, 9), (i64::MIN, 9)]);
    for (clauses, rows, stands) in [
        (upsert(), &near[..], [true, false]),
        (upsert(), &far[..], [true, false]),
        (upsert(), &near[..1], [true, true]),
        (upsert(), &[][..], [true, true]),
        (
            also(clause(NotMatchedBySource, Some("a = 7"), None)),
            &near[..1],
            [false, false],
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        table(directory.path(), &[]);
        let change = merged(directory.path(), rows, clauses).unwrap();
        // Rows beyond all keys, and then one among those of some sources.
        for (version, (a, stands)) in (3..).zip([2000, 500 + ROWS].into_iter().zip(stands)) {
            let rows = batch(vec![("a", int64s([Some(a)])), ("p", int64s([Some(1)]))]);
            let staged = stage_into(directory.path(), vec![rows], Settings::default()).unwrap();
            commit(directory.path(), version, &staged);
            assert_eq!(rebased(&change, version).is_some(), stands, "{a}");
        }
    }
}
