"""DELETE and UPDATE by dfd-native: vectors and copies, changes for readers, conflicts, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import (
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    Outcome,
    Status,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_tables import (
    CHANGES,
    ROWS_PER_FILE,
    VECTORS,
    actions,
    changed_rows,
    left_over,
    numbered,
    root,
    rows_of,
)

dfd_native = pytest.importorskip("dfd_native")
datafusion = pytest.importorskip("datafusion")

Make = Callable[..., GuardedTable]


def test_rows_go_by_vectors_where_the_table_has_them_on(make_rows: Make) -> None:
    """Nothing is written but vectors: small ones in the log, the others in one file."""
    table = make_rows(VECTORS)
    before = rows_of(table)
    outcome = table.delete("id % 1000 = 999 or id between 5 and 1400 and id % 2 = 1")
    assert rows_of(table) == Counter(
        row for row in before if not (row[0] % 1000 == 999 or (5 <= row[0] <= 1400 and row[0] % 2))
    )
    assert outcome.metrics["num_deleted_rows"] == 9 + 698 - 1
    assert outcome.metrics["num_deletion_vectors_added"] == 3
    assert (outcome.metrics["num_added_files"], outcome.metrics["num_copied_rows"]) == (0, 0)
    adds = actions(table, "add", table.version())
    kinds = Counter(add["deletionVector"]["storageType"] for add in adds)
    assert kinds == {"i": 2, "u": 1}
    for add in adds:
        stats = json.loads(add["stats"])
        assert (stats["numRecords"], stats["tightBounds"]) == (ROWS_PER_FILE, False)
    assert not left_over(table)


def test_a_file_of_vectors_is_read_once(make_rows: Make, tmp_path: Path) -> None:
    """However many files it has vectors of: a table of a dozen is opened by as many reads as one of two."""

    def reads(files: int) -> int:
        table = make_rows(VECTORS, files=files)
        table.delete("id % 2 = 1")
        vectors = [add["deletionVector"] for add in actions(table, "add", table.version())]
        assert [one["storageType"] for one in vectors] == ["u"] * files
        assert len({one["pathOrInlineDv"] for one in vectors}) == 1
        table.create_checkpoint()
        copy = shutil.copytree(root(table), tmp_path / f"{files} files")
        before = dfd_native.request_counts()["get"]
        opened = dfd_native.delta_table(copy)
        made = dfd_native.request_counts()["get"] - before
        rows = datafusion.SessionContext()
        rows.register_table("t", opened)
        assert rows.table("t").count() == files * ROWS_PER_FILE / 2
        return made

    assert reads(2) == reads(12)


def test_vectors_of_a_file_are_merged_until_it_goes(make_rows: Make) -> None:
    table = make_rows(VECTORS, files=2)
    for step in range(4):
        outcome = table.delete(f"id % 4 = {step} and id < {ROWS_PER_FILE}")
        there = rows_of(table)
        assert sorted(row[0] for row in there) == [
            n for n in range(2 * ROWS_PER_FILE) if n >= ROWS_PER_FILE or n % 4 > step
        ]
        (removed,) = actions(table, "remove", table.version())
        assert ("deletionVector" in removed) == (step > 0)
    assert outcome.metrics["num_removed_files"] == 1
    assert outcome.metrics["num_deletion_vectors_removed"] == 1
    assert not actions(table, "add", table.version())
    # Every vector but the last is gone from the table; the files stay until a vacuum.
    assert not left_over(table)


def test_without_them_what_is_left_is_copied(make_rows: Make) -> None:
    table = make_rows(partition_by=["p"])
    before = rows_of(table)
    outcome = table.delete("id < 100 or p = 2")
    assert rows_of(table) == Counter(row for row in before if row[0] >= 100 and row[1] != 2)
    assert outcome.metrics["num_removed_files"] == 2 + 3
    assert outcome.metrics["num_added_files"] == 2
    assert outcome.metrics["num_copied_rows"] == 2 * ROWS_PER_FILE // 3 - 67
    assert not left_over(table)


@pytest.mark.parametrize("properties", [{}, VECTORS], ids=["copies", "vectors"])
def test_updated_rows_are_written_once(make_rows: Make, properties: dict[str, str]) -> None:
    table = make_rows(properties, partition_by=["p"])
    before = rows_of(table)
    outcome = table.update({"ID": "-Id", "p": "p + 1"}, "id % 500 = 3")
    moved = {row for row in before if row[0] % 500 == 3}
    wanted = (before - Counter(moved)) + Counter((-n, p + 1, s) for n, p, s in moved)
    assert rows_of(table) == wanted
    assert outcome.metrics["num_updated_rows"] == len(moved) == 18
    assert (outcome.metrics["num_copied_rows"] == 0) == bool(properties)
    assert not left_over(table)


@pytest.mark.parametrize("properties", [CHANGES, CHANGES | VECTORS], ids=["copies", "vectors"])
@pytest.mark.parametrize("partition_by", [None, ["p"]])
def test_changes_are_the_difference_of_the_versions(
    make_rows: Make, properties: dict[str, str], partition_by: list[str] | None
) -> None:
    table = make_rows(properties, partition_by=partition_by)
    for work, kinds in (
        (lambda: table.delete("id % 100 = 1"), {"delete"}),
        (
            lambda: table.update({"s": "'new'"}, "id % 70 = 0"),
            {"update_preimage", "update_postimage"},
        ),
        (lambda: table.update({"id": "id + 100000"}), {"update_preimage", "update_postimage"}),
    ):
        version = table.version()
        outcome = work()
        changes = changed_rows(table, version + 1)
        assert changes.keys() == kinds
        gone = changes.get("delete", Counter()) + changes.get("update_preimage", Counter())
        new = changes.get("update_postimage", Counter())
        assert rows_of(table) == rows_of(table, version) - gone + new
        assert gone.total() == outcome.metrics.get("num_deleted_rows", new.total())
        assert len(actions(table, "cdc", version + 1)) == outcome.metrics["num_added_change_files"]
    assert not left_over(table)


def test_whole_files_that_go_are_changes_by_themselves(make_rows: Make) -> None:
    table = make_rows(CHANGES)
    table.delete(f"id < {ROWS_PER_FILE}")
    assert not actions(table, "cdc", table.version())
    table.delete(f"id < {2 * ROWS_PER_FILE} or id = {2 * ROWS_PER_FILE}")
    changes = changed_rows(table, table.version())
    assert changes.keys() == {"delete"}
    assert changes["delete"].total() == ROWS_PER_FILE + 1


@pytest.mark.parametrize("properties", [{}, VECTORS, CHANGES | VECTORS])
def test_the_history_says_what_was_done(make_rows: Make, properties: dict[str, str]) -> None:
    table = make_rows(properties)
    table.delete("id = 1")
    (info,) = actions(table, "commitInfo", table.version())
    assert (info["operation"], info["operationParameters"]) == (
        "DELETE",
        {"predicate": '["id = 1"]'},
    )
    assert info["operationMetrics"]["numDeletedRows"] == "1"
    assert (info["isolationLevel"], info["isBlindAppend"]) == ("Serializable", False)
    table.update({"s": "'x'"})
    (info,) = actions(table, "commitInfo", table.version())
    assert (info["operation"], info["operationParameters"]) == ("UPDATE", {"predicate": "[]"})


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda t: t.delete("id = (select max(id) from t)"), "subquery"),
        (lambda t: t.delete("id in (select 1)"), "subquery"),
        (lambda t: t.delete("id > 0 id < 2"), "ends before id"),
        (lambda t: t.delete("id = 1) or (id = 2"), "ends before"),
        (lambda t: t.delete("id"), "no condition, but Int64"),
        (lambda t: t.delete("'yes'"), "no condition"),
        (lambda t: t.delete("nope = 1"), "nope"),
        (lambda t: t.delete("max(id) = 1"), "aggregate"),
        (lambda t: t.delete("row_number() over () = 1"), "window"),
        (lambda t: t.delete("id = $1"), "placeholder"),
        (lambda t: t.delete("_dfd_row = 1"), "_dfd_row"),
        (lambda t: t.delete(""), "Expected"),
        (lambda t: t.update({"id": "s"}), "column `id`"),
        (lambda t: t.update({"p": "id"}, "id = 1"), None),
        (lambda t: t.update({"p": "10000000000"}), "row 0"),
        (lambda t: t.update({"p": "1.5"}), "row 0"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    make_rows: Make, work: Callable[[GuardedTable], Outcome], said: str | None
) -> None:
    table = make_rows(files=1, rows=5)
    version, before = table.version(), rows_of(table)
    if said is None:
        assert work(table).version == version + 1
        return
    with pytest.raises((InvalidOperation, dfd_native.RuleViolation), match=said):
        work(table)
    assert (table.version(), rows_of(table)) == (version, before)
    assert not left_over(table)


def test_local_times_and_moments_are_not_taken_for_one_another(tmp_path: Path) -> None:
    """But for constants of the statement, which are those of UTC."""
    table = GuardedTable(tmp_path / "t")
    local, moment = pa.timestamp("us"), pa.timestamp("us", "UTC")
    day = datetime(2026, 1, 2, 3)
    schema = pa.schema([("id", pa.int64()), ("l", local), ("m", moment)])
    rows = pa.table([[1, 2], [day, day], [day, day]], schema=schema)
    table.append(rows)
    other = pa.schema([("id", pa.int64()), ("l", moment), ("m", local)])
    for name in ("l", "m"):
        given = rows.set_column(
            rows.column_names.index(name), name, rows[name].cast(other.field(name).type)
        )
        merge = table.merge(given, "s.id = t.id", "s", "t").when_matched_update_all()
        for write in (
            lambda given=given: table.append(given),
            lambda given=given: table.append(given, schema_mode="merge"),
            lambda given=given: table.overwrite(given, predicate="id > 0"),
            merge.execute,
        ):
            with pytest.raises(dfd_native.RuleViolation, match=rf"`{name}` is a (local|moment)"):
                write()
    for updates in ({"m": "l"}, {"l": "m"}):
        with pytest.raises(dfd_native.RuleViolation, match=r"is a (local|moment)"):
            table.update(updates)
    table.update({"m": "timestamp '2026-02-03 04:05:06'"}, "id = 1")
    source = pa.table({"id": [2]})
    setting = {"m": "timestamp '2026-03-04 05:06:07'"}
    table.merge(source, "s.id = t.id", "s", "t").when_matched_update(setting).execute()
    found = pa.table(DeltaTable(table.uri).scan()).sort_by("id")
    utc = timezone.utc
    assert found["m"].to_pylist() == [
        datetime(2026, 2, 3, 4, 5, 6, tzinfo=utc),
        datetime(2026, 3, 4, 5, 6, 7, tzinfo=utc),
    ]
    assert found["l"].to_pylist() == [day, day]
    assert not left_over(table)


def test_what_cannot_be_computed_of_a_row_leaves_nothing(make_rows: Make) -> None:
    table = make_rows(files=1, rows=5)
    version = table.version()
    with pytest.raises(
        dfd_native.StageError, match="rows to change can't be found: Divide by zero"
    ):
        table.delete("1 / (id - 3) = 1")
    assert table.version() == version
    assert not left_over(table)


def test_a_change_is_worked_out_under_new_rules(make_rows: Make, make_native: Any) -> None:
    """Where the policy says so: else it ends."""
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    native = make_native()
    table = make_rows(files=1, rows=10)
    for policy in (DeltaRetryPolicy(), DeltaRetryPolicy(on_metadata_change="replan")):
        changing = native.on(GuardedTable(table.uri, policy=policy))

        def move_on() -> None:
            native.meanwhile = None
            table.add_columns(pa.field(uuid.uuid4().hex, pa.string()))

        native.meanwhile, native.stages = move_on, 0
        if policy.on_metadata_change == "abort":
            with pytest.raises(ConflictError, match="schema"):
                changing.update({"s": "'new'"}, "id = 1")
        else:
            assert changing.update({"s": "'new'"}, "id = 1").status is Status.COMMITTED
        assert native.stages == 1 + (policy.on_metadata_change == "replan")
    assert (1, 1, "new") in rows_of(table)
    assert not left_over(table)


COLUMN = st.sampled_from(["id", "p", "s"])
CONDITIONS = st.sampled_from(
    [
        None,
        "id % 5 = 2",
        "p = 1",
        "p = 1 and id > 20",
        "s is null",
        "s > 'text 3' or id < 3",
        "id between 10 and 30",
        "p is null or id is null",
        "coalesce(p, 7) > 1",
        "length(s) = 7",
        "id in (1, 2, 40, null)",
        "not (id < 45)",
    ]
)
VALUES = {
    "id": ["id + 1", "-id", "null", "p"],
    "p": ["p + 1", "null", "2", "cast(id % 4 as int)"],
    "s": ["'x'", "null", "concat(s, '!')", "cast(id as varchar)"],
}
UPDATES = st.dictionaries(COLUMN, st.integers(0, 3), min_size=1).map(
    lambda found: {name: VALUES[name][n] for name, n in found.items()}
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 60), st.integers(1, 20)),
        st.tuples(st.just("delete"), CONDITIONS, st.none()),
        st.tuples(st.just("update"), CONDITIONS, UPDATES),
        st.tuples(st.just("optimize"), st.none(), st.none()),
    ),
    max_size=8,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=STEPS,
    properties=st.sampled_from([{}, VECTORS, CHANGES, VECTORS | CHANGES]),
    partition_by=st.sampled_from([None, ["p"]]),
)
def test_any_statements_do_what_they_do_in_duckdb(
    make_rows: Make,
    judge: duckdb.DuckDBPyConnection,
    steps: list[tuple[str, Any, Any]],
    properties: dict[str, str],
    partition_by: list[str] | None,
) -> None:
    table = make_rows(properties, files=2, rows=25, partition_by=partition_by)
    data = numbered(0, 50)
    judge.execute("create or replace table t as select * from data")
    for kind, first, second in steps:
        version = table.version()
        before = rows_of(table)
        where = "" if first is None else f" where {first}"
        if kind == "append":
            data = numbered(first, second)
            table.append(data)
            judge.execute("insert into t select * from data")
        elif kind == "delete":
            table.delete(first)
            judge.execute(f"delete from t{where}")
        elif kind == "update":
            table.update(second, first)
            judge.execute(
                f"update t set {', '.join(f'{a} = {b}' for a, b in second.items())}{where}"
            )
        else:
            table.optimize()
        now = rows_of(table)
        assert now == Counter(judge.execute("select id, p, s from t").fetchall())
        has_changed = kind in ("delete", "update") and table.version() > version
        if has_changed and actions(table, "cdc", table.version()):
            changes = changed_rows(table, table.version())
            gone = changes.get("delete", Counter()) + changes.get("update_preimage", Counter())
            assert now == before - gone + changes.get("update_postimage", Counter())
        assert table.version() <= version + 1
    assert not left_over(table)
