"""MERGE by dfd-native, beside duckdb's: every kind of clause, changes for readers, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import (
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    MergeBuilder,
    Status,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_tables import (
    CHANGES,
    VECTORS,
    actions,
    changed_rows,
    left_over,
    numbered,
    rows_of,
)

dfd_native = pytest.importorskip("dfd_native")

Make = Callable[..., GuardedTable]
WAYS = pytest.mark.parametrize(
    "properties",
    [{}, VECTORS, CHANGES, VECTORS | CHANGES],
    ids=["copies", "vectors", "feed", "both"],
)


def source(*ids: int | None, p: int = 7, s: str | None = "new") -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "p": pa.array([p] * len(ids), pa.int64()),
            "s": pa.array([s] * len(ids), pa.string()),
        }
    )


def on_ids(table: GuardedTable, data: Any) -> MergeBuilder:
    return table.merge(data, "s.id = t.id", "s", "t")


@WAYS
@pytest.mark.parametrize("partition_by", [None, ["p"]])
def test_every_kind_of_row(
    make_rows: Make, properties: dict[str, str], partition_by: list[str] | None
) -> None:
    table = make_rows(properties, partition_by=partition_by)
    before = rows_of(table)
    outcome = (
        on_ids(table, source(3, 4, 5, 6, 100_000, 100_001, 100_002, None))
        .when_matched_delete("t.id = 3")
        .when_matched_update({"s": "concat(t.s, '/', s.s)"}, "t.id in (4, 5)")
        .when_not_matched_insert_all("s.id > 100000")
        .when_not_matched_insert({"id": "-1", "s": "s.s"}, "s.id is null")
        .when_not_matched_by_source_update({"p": "t.p + 10"}, "t.id = 8000")
        .when_not_matched_by_source_delete("t.id > 8990")
        .execute()
    )
    wanted = Counter(
        {
            (n, 12 if n == 8000 else p, f"text {n}/new" if n in (4, 5) else s): 1
            for n, p, s in before
            if n != 3 and n <= 8990
        }
    )
    wanted += Counter([(100_001, 7, "new"), (100_002, 7, "new"), (-1, None, "new")])
    assert rows_of(table) == wanted
    counted = {
        "num_source_rows": 8,
        "num_target_rows_inserted": 3,
        "num_target_rows_updated": 3,
        "num_target_rows_deleted": 1 + 9,
    }
    assert counted.items() <= outcome.metrics.items()
    assert (outcome.metrics["num_target_rows_copied"] == 0) == ("Vectors" in str(properties))
    if CHANGES.items() <= properties.items():
        changes = changed_rows(table, table.version())
        assert {kind: rows.total() for kind, rows in changes.items()} == {
            "insert": 3,
            "update_preimage": 3,
            "update_postimage": 3,
            "delete": 10,
        }
        gone = changes["delete"] + changes["update_preimage"]
        new = changes["insert"] + changes["update_postimage"]
        assert wanted == before - gone + new
    assert not left_over(table)


def test_the_history_says_what_was_merged(make_rows: Make) -> None:
    table = make_rows()
    (
        on_ids(table, source(1, 100_000))
        .when_matched_update_all("s.p > 1")
        .when_not_matched_insert_all()
        .when_not_matched_by_source_delete("t.id > 8000")
        .execute()
    )
    (info,) = actions(table, "commitInfo", table.version())
    assert (info["operation"], info["isBlindAppend"]) == ("MERGE", False)
    found = {name: json.loads(value) for name, value in info["operationParameters"].items()}
    assert found == {
        "predicate": ["s.id = t.id"],
        "matchedPredicates": [{"predicate": "s.p > 1", "actionType": "update"}],
        "notMatchedPredicates": [{"actionType": "insert"}],
        "notMatchedBySourcePredicates": [{"predicate": "t.id > 8000", "actionType": "delete"}],
    }
    assert info["operationMetrics"]["numTargetRowsInserted"] == "1"


@WAYS
def test_several_source_rows_for_one_of_the_table(
    make_rows: Make, properties: dict[str, str]
) -> None:
    table = make_rows(properties)
    version, before = table.version(), rows_of(table)
    repeated = source(17, 18, 17)
    for merge in (
        on_ids(table, repeated).when_matched_update_all(),
        on_ids(table, repeated).when_matched_delete("t.id > 0"),
        on_ids(table, repeated).when_matched_delete("t.id = 18").when_matched_update({"s": "'x'"}),
    ):
        with pytest.raises(
            InvalidOperation,
            match=r"several rows of the source .* id is 17.*source\. Nothing was changed\.$",
        ):
            merge.execute()
    assert (table.version(), rows_of(table)) == (version, before)
    assert not left_over(table)
    # One of them applies, or it is all the same which.
    on_ids(table, repeated).when_matched_update({"s": "'x'"}, "t.id = 18").execute()
    outcome = on_ids(table, repeated).when_matched_delete().execute()
    assert outcome.metrics["num_target_rows_deleted"] == 2
    assert {row[0] for row in before} - {row[0] for row in rows_of(table)} == {17, 18}


def test_rows_that_only_are_inserted_leave_files_as_they_are(make_rows: Make) -> None:
    table = make_rows()
    before = rows_of(table)
    outcome = on_ids(table, source(1, 2, 100_000)).when_not_matched_insert_all().execute()
    assert rows_of(table) == before + Counter([(100_000, 7, "new")])
    assert not actions(table, "remove", outcome.version)
    same = on_ids(table, source(1, 2)).when_not_matched_insert_all().execute()
    assert (same.status, table.version()) == (Status.NOTHING_TO_DO, outcome.version)


@pytest.mark.parametrize(
    ("updates", "said"),
    [
        ({"p": "s.id * 10000000000"}, "column `p`"),
        ({"p": "1.5"}, "column `p`.*1.5"),
        ({"id": "s.s"}, "column `id`"),
        ({"id": "cast(9007199254740993 as decimal(20, 1))"}, None),
    ],
)
def test_values_become_no_others_on_their_way(
    make_rows: Make, updates: dict[str, str], said: str | None
) -> None:
    """A column has the values of all clauses: no type of one is that of another."""
    table = make_rows(rows=5)
    before = rows_of(table)
    merge = (
        on_ids(table, source(1, 9_007_199_254_740_993))
        .when_matched_update(updates)
        .when_not_matched_insert_all()
    )
    if said is None:
        merge.execute()
        ids = [row[0] for row in rows_of(table)]
        assert ids.count(9_007_199_254_740_993) == 2
        return
    with pytest.raises(dfd_native.RuleViolation, match=said):
        merge.execute()
    assert rows_of(table) == before
    assert not left_over(table)


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        (lambda t, s: t.merge(s, "s.id = t.id id", "s", "t").when_matched_delete(), "ends before"),
        (lambda t, s: t.merge(s, "s.id", "s", "t").when_matched_delete(), "no condition"),
        (lambda t, s: t.merge(s, "id = id", "s", "t").when_matched_delete(), "ambiguous|Ambiguous"),
        (lambda t, s: t.merge(s, "t.id = t.id", "t", "t").when_matched_delete(), "both named `t`"),
        (lambda t, s: on_ids(t, s).when_matched_delete("s.nope = 1"), "nope"),
        (lambda t, s: on_ids(t, s).when_matched_update({"s": "(select 1)"}), "subquery"),
        (lambda t, s: on_ids(t, s).when_matched_update({"s": "max(s.p)"}), "aggregate"),
        (lambda t, s: on_ids(t, s).when_not_matched_insert({"id": "t.id"}), r"t\.id|t.id"),
        (lambda t, s: on_ids(t, s).when_not_matched_by_source_delete("s.id = 1"), "s.id"),
        (lambda t, s: on_ids(t, s).when_matched_update({"nope": "1"}), "no column of the table"),
        (
            lambda t, s: on_ids(t, s).when_matched_delete().when_matched_update_all("s.p = 1"),
            "clause 2 .*never reached",
        ),
        (
            lambda t, s: on_ids(t, s.rename_columns(["id", "p", "p"])).when_matched_delete(),
            "two columns",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    make_rows: Make, merge: Callable[[GuardedTable, pa.Table], MergeBuilder], said: str
) -> None:
    table = make_rows(rows=5)
    version = table.version()
    with pytest.raises((InvalidOperation, dfd_native.RuleViolation), match=said):
        merge(table, source(1, 2)).execute()
    assert table.version() == version
    assert not left_over(table)


def test_a_source_that_fails_leaves_nothing(make_rows: Make) -> None:
    table = make_rows(rows=5)
    version = table.version()
    data = source(1, 2)

    def batches() -> Any:
        yield from data.to_batches()
        raise RuntimeError("the wire is cut")

    def stream() -> Any:
        return pa.RecordBatchReader.from_batches(data.schema, batches())

    with pytest.raises(dfd_native.SourceError, match="wire is cut"):
        on_ids(table, stream).when_matched_update_all().execute()
    assert table.version() == version
    assert not left_over(table)


@WAYS
def test_rows_that_match_a_predicate_are_replaced(
    make_rows: Make, properties: dict[str, str]
) -> None:
    table = make_rows(properties)
    before = rows_of(table)
    outcome = table.overwrite(source(5, 6, 5, p=0), predicate="ID < 100 and p = 0")
    left = Counter(row for row in before if not (row[0] < 100 and row[1] == 0))
    new = Counter({(5, 0, "new"): 2, (6, 0, "new"): 1})
    assert rows_of(table) == left + new
    assert outcome.metrics["num_deleted_rows"] == 34
    (info,) = actions(table, "commitInfo", table.version())
    assert info["operationParameters"]["predicate"] == "ID < 100 and p = 0"
    if CHANGES.items() <= properties.items():
        assert changed_rows(table, table.version()) == {"delete": before - left, "insert": new}
    version, now = table.version(), rows_of(table)
    for data, predicate, said in (
        (source(5, 200, p=0), "id < 100", "row 1 .* the predicate of the write .*id is 200"),
        (source(None), "id < 100", "id is null"),
        (source(1), "nope = 1", "nope"),
        (source(1), "id = 1 id", "ends before"),
    ):
        with pytest.raises((InvalidOperation, dfd_native.RuleViolation), match=said):
            table.overwrite(data, predicate=predicate)
    assert (table.version(), rows_of(table)) == (version, now)
    # Of rows that aren't there, only those come.
    table.overwrite(source(-1), predicate="id < 0")
    assert rows_of(table) == now + Counter([(-1, 7, "new")])
    assert not left_over(table)


@pytest.mark.parametrize("properties", [{}, VECTORS], ids=["copies", "vectors"])
@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda t: t.append(numbered(10, 3)),
        lambda t: t.append(numbered(50_000, 3)),
        lambda t: t.delete("id = 11"),
    ],
    ids=["such rows", "other rows", "the same file"],
)
def test_an_overwrite_replaces_what_came_meanwhile(
    make_rows: Make,
    make_native: Any,
    properties: dict[str, str],
    meanwhile: Callable[[GuardedTable], object],
) -> None:
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    table, native = make_rows(properties), make_native()
    other = GuardedTable(table.uri)

    def move_on() -> None:
        native.meanwhile = None
        meanwhile(other)

    overwriting = native.on(table)
    native.meanwhile = move_on
    overwriting.overwrite(source(10), predicate="id between 10 and 12")
    there = rows_of(table)
    assert [row for row in there if row[0] in (10, 11, 12)] == [(10, 7, "new")]
    assert set(there) >= set(rows_of(table, table.version() - 1)) - {
        row for row in there if row[0] in (10, 11, 12)
    } - {row for row in rows_of(table, table.version() - 1) if row[0] in (10, 11, 12)}
    assert not left_over(table)


def test_a_stream_is_there_again_within_one_attempt(make_rows: Make, make_native: Any) -> None:
    """The change is worked out before the attempt too: read again, a stream would be empty."""
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    native, table = make_native(), make_rows(rows=10)
    other = GuardedTable(table.uri)

    def move_on() -> None:
        native.meanwhile = None
        other.append(numbered(100_000, 1))

    native.meanwhile = move_on
    merging = native.on(GuardedTable(table.uri, policy=DeltaRetryPolicy(attempts=1)))
    (
        on_ids(merging, source(4, 100_000).to_reader())
        .when_matched_update_all()
        .when_not_matched_by_source_delete()
        .execute()
    )
    assert native.stages == 2
    assert rows_of(table) == Counter([(4, 7, "new"), (100_000, 7, "new")])


@pytest.mark.parametrize("properties", [{}, VECTORS], ids=["copies", "vectors"])
@pytest.mark.parametrize(("came", "stages"), [(100_000, 1), (50, 2), (77, 2)])
def test_a_merge_is_worked_out_again_where_new_rows_are_within_its_keys(
    make_rows: Make, make_native: Any, properties: dict[str, str], came: int, stages: int
) -> None:
    """One that matches none of the source is found out by working out again, and no error."""
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    native, table = make_native(), make_rows(properties, rows=10)
    before, other = rows_of(table), GuardedTable(table.uri)

    def move_on() -> None:
        native.meanwhile = None
        other.append(numbered(came, 1))

    native.meanwhile = move_on
    merging = native.on(GuardedTable(table.uri))
    on_ids(merging, source(4, 77)).when_matched_update_all().when_not_matched_insert_all().execute()
    assert native.stages == stages
    new = rows_of(table) - before
    assert new[(4, 7, "new")] == new[(77, 7, "new")] == 1
    assert [row[0] for row in new].count(came) == 1
    assert sum(new.values()) == 2 + (came != 77)
    assert not left_over(table)


@pytest.mark.parametrize(
    ("on", "sources", "came", "matches", "stages"),
    [
        # In either order of sides, of another integer type, and of text.
        ("t.id = cast(s.id as int)", [source(4)], 50, lambda id, s: id == 4, 1),
        ("t.s = s.s", [source(4, s="text 4")], 50, lambda id, s: s == "text 4", 1),
        (
            "t.s = s.s",
            [source(4, s="text 4"), source(5, s="text 50")],
            50,
            lambda id, s: s in ("text 4", "text 50"),
            2,
        ),
        # A later batch widens the range; nulls don't.
        ("s.id = t.id", [source(4), source(None), source(50)], 50, lambda id, s: id in (4, 50), 2),
        ("s.id = t.id", [source(4), source(None)], 50, lambda id, s: id == 4, 1),
        # Equal, and not ordered alike: no range tells.
        (
            "cast(s.id as boolean) = cast(t.id as boolean)",
            [source(4)],
            50,
            lambda id, s: id != 0,
            2,
        ),
        ("s.id + 46 = t.id", [source(4, -42)], 50, lambda id, s: id in (4, 50), 2),
        ("s.id = t.id or t.id = 50", [source(4)], 50, lambda id, s: id in (4, 50), 2),
    ],
)
def test_a_range_of_keys_leaves_no_match_out(
    make_rows: Make,
    make_native: Any,
    on: str,
    sources: list[pa.Table],
    came: int,
    matches: Callable[[int, str | None], bool],
    stages: int,
) -> None:
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    native, table = make_native(), make_rows(rows=10)
    rows = rows_of(table) + Counter([(came, came % 3, f"text {came}")])
    other = GuardedTable(table.uri)

    def move_on() -> None:
        native.meanwhile = None
        other.append(numbered(came, 1))

    native.meanwhile = move_on
    merging = native.on(GuardedTable(table.uri)).merge(pa.concat_tables(sources), on, "s", "t")
    merging.when_matched_update({"p": "99"}).execute()
    assert native.stages == stages
    wanted = Counter((id, 99 if matches(id, s) else p, s) for id, p, s in rows.elements())
    assert rows_of(table) == wanted


FIRST_DAY = datetime(1970, 1, 1)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (pa.date32(), lambda n: (FIRST_DAY + timedelta(days=n)).date()),
        (pa.timestamp("us"), lambda n: FIRST_DAY + timedelta(days=n * 36_500 // 50)),
        (pa.timestamp("us", "UTC"), lambda n: FIRST_DAY + timedelta(microseconds=n)),
        (pa.decimal128(38, 3), lambda n: Decimal(f"{n}{30 * '0'}.125")),
        (pa.decimal128(4, 2), lambda n: Decimal(n).scaleb(-2)),
        (pa.binary(), lambda n: (n + 128).to_bytes(1, "big")),
    ],
    ids=["date", "local time", "moment", "large decimal", "small decimal", "binary"],
)
@pytest.mark.parametrize(("sources", "stages"), [([-4], 1), ([None, -4, 4], 1), ([-4, 50], 2)])
def test_ranges_of_keys_of_all_kinds(
    tmp_path: Path,
    make_native: Any,
    kind: pa.DataType,
    key: Callable[[int], Any],
    sources: list[int | None],
    stages: int,
) -> None:
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")

    def rows(numbers: list[int | None]) -> pa.Table:
        keys = [None if n is None else key(n) for n in numbers]
        return pa.table({"n": pa.array(numbers, pa.int64()), "k": pa.array(keys, kind)})

    native, table = make_native(), GuardedTable(tmp_path / "t")
    there: list[int | None] = [*range(-5, 10), None]
    table.append(rows(there))

    def move_on() -> None:
        native.meanwhile = None
        table.append(rows([50]))

    native.meanwhile = move_on
    merging = native.on(GuardedTable(table.uri)).merge(rows(sources), "t.k = s.k", "s", "t")
    merging.when_matched_update({"n": "t.n + 1000"}).execute()
    # Without an order of their own they are joined anew.
    assert native.stages == (2 if kind == pa.binary() else stages)
    found = pa.table(DeltaTable(table.uri).scan())["n"].to_pylist()
    matched = {n for n in sources if n is not None}
    wanted = [n + 1000 if n in matched else n for n in [*there, 50]]
    assert Counter(found) == Counter(wanted)


def test_a_stream_is_read_once_and_a_change_of_rules_is_told(
    make_rows: Make, make_native: Any
) -> None:
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    native, table = make_native(), make_rows(rows=10)
    policy = DeltaRetryPolicy(on_metadata_change="abort")

    def move_on() -> None:
        native.meanwhile = None
        table.add_columns(pa.field("more", pa.string()))

    native.meanwhile = move_on
    merging = native.on(GuardedTable(table.uri, policy=policy))
    with pytest.raises(ConflictError, match="schema"):
        on_ids(merging, source(1).to_reader()).when_matched_update_all().execute()
    assert not left_over(table)
    on_ids(table, source(1).to_reader()).when_matched_update_all(except_cols=["more"]).execute()
    assert pa.table(DeltaTable(table.uri).scan()).num_rows == 30


def without_unreached(clauses: list[Any]) -> list[Any]:
    """Clauses of which each has rows that may come to it."""
    ended: set[str] = set()
    left = []
    for rows, condition, values in clauses:
        if rows not in ended:
            left.append((rows, condition, values))
        if condition is None:
            ended.add(rows)
    return left


@pytest.mark.parametrize("properties", [{}, VECTORS], ids=["copies", "vectors"])
def test_each_lands_once(make_rows: Make, properties: dict[str, str]) -> None:
    """Whether it changes a row or not."""
    table = make_rows(properties)

    def merge(**once: Any) -> Any:
        merging = table.merge(source(3, 99), "s.id = t.id", "s", "t", **once)
        return merging.when_matched_delete().execute()

    for number, change in enumerate(
        [
            lambda **once: table.delete("id = 1", **once),
            lambda **once: table.delete("id = -1", **once),
            lambda **once: table.update({"id": "id + 1"}, "id > 8000", **once),
            lambda **once: table.update({"id": "id + 1"}, "id = -1", **once),
            merge,
            lambda **once: table.overwrite(source(5), "id < 10", **once),
        ]
    ):
        once = {"app_id": "job", "app_version": number}
        assert change(**once).status is Status.COMMITTED
        now = rows_of(table)
        assert change(**once).status is Status.ALREADY_COMMITTED
        assert rows_of(table) == now
    for wrong in ({"app_id": "a"}, {"app_version": 1}, {"app_id": "", "app_version": 1}):
        with pytest.raises(InvalidOperation, match="app_id"):
            table.delete("id = 2", **wrong)


CONDITIONS = st.sampled_from(
    [None, "t.p = 1", "t.id > 20", "t.s is null", "t.id % 2 = 0 or t.p is null"]
)
SOURCE_CONDITIONS = st.sampled_from([None, "s.p = 1", "s.id % 2 = 0", "s.s is not null"])
BOTH = st.sampled_from([None, "s.p > t.p", "t.id > 20 and s.p = 1", "s.s = t.s or t.s is null"])
TARGET_VALUES = st.sampled_from(
    [{"p": "t.p + 1"}, {"s": "null"}, {"id": "t.id + 1000", "s": "'x'"}]
)
BOTH_VALUES = st.sampled_from(
    [{"p": "s.p"}, {"s": "concat(s.s, t.s)"}, {"id": "s.id + 500", "p": "t.p + s.p"}, None]
)
CLAUSES = st.lists(
    st.one_of(
        st.tuples(st.just("matched"), BOTH, BOTH_VALUES),
        st.tuples(
            st.just("not_matched"),
            SOURCE_CONDITIONS,
            st.sampled_from([{"id": "s.id", "p": "s.p", "s": "s.s"}, {"id": "s.id * 2"}]),
        ),
        st.tuples(st.just("not_matched_by_source"), CONDITIONS, TARGET_VALUES | st.none()),
    ),
    min_size=1,
    max_size=4,
).map(without_unreached)
SOURCES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.none() | st.integers(0, 3),
        st.none() | st.sampled_from(["a", "text 3"]),
    ),
    unique_by=lambda row: row[0],
    max_size=30,
)


def in_sql(clause: tuple[str, str | None, dict[str, str] | None]) -> str:
    """The clause as duckdb has it."""
    rows, condition, values = clause
    named = {"matched": "matched", "not_matched": "not matched by target"}
    text = f"when {named.get(rows, 'not matched by source')}"
    if condition is not None:
        text += f" and ({condition})"
    if values is None:
        return f"{text} then delete"
    if rows == "not_matched":
        return f"{text} then insert ({', '.join(values)}) values ({', '.join(values.values())})"
    return f"{text} then update set {', '.join(f'{a} = {b}' for a, b in values.items())}"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    clauses=CLAUSES,
    given_rows=SOURCES,
    properties=st.sampled_from([{}, VECTORS, CHANGES, VECTORS | CHANGES]),
    partition_by=st.sampled_from([None, ["p"]]),
)
def test_any_merge_does_what_it_does_in_duckdb(
    make_rows: Make,
    judge: Any,
    clauses: list[tuple[str, str | None, dict[str, str] | None]],
    given_rows: list[tuple[int, int | None, str | None]],
    properties: dict[str, str],
    partition_by: list[str] | None,
) -> None:
    table = make_rows(properties, files=2, rows=25, partition_by=partition_by)
    columns = list(zip(*given_rows, strict=True)) or [(), (), ()]
    data = pa.table(
        {
            "id": pa.array(columns[0], pa.int64()),
            "p": pa.array(columns[1], pa.int32()),
            "s": pa.array(columns[2], pa.string()),
        }
    )
    there = numbered(0, 50)
    judge.register("there", there)
    judge.register("data", data)
    judge.execute("create or replace table t as select * from there")
    statement = "merge into t using data as s on s.id = t.id "
    judge.execute(statement + " ".join(map(in_sql, clauses)))
    merge = on_ids(table, data)
    for rows, condition, values in clauses:
        verb = "delete" if values is None else "insert" if rows == "not_matched" else "update"
        add = getattr(merge, f"when_{rows}_{verb}")
        merge = add(condition) if values is None else add(values, condition)
    before, version = rows_of(table), table.version()
    merge.execute()
    now = rows_of(table)
    assert now == Counter(judge.execute("select id, p, s from t").fetchall())
    if table.version() > version and actions(table, "cdc", table.version()):
        changes = changed_rows(table, table.version())
        gone = changes.get("delete", Counter()) + changes.get("update_preimage", Counter())
        new = changes.get("insert", Counter()) + changes.get("update_postimage", Counter())
        assert now == before - gone + new
    assert not left_over(table)
