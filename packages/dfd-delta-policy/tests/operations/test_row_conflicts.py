"""A change of rows that lost the race: committed again as it is, with merged deletion vectors, or worked out anew.

Judge: the same statements one after the other, in the order of their commits: of 20 races, of 200 with DFD_LONG
in the environment.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dfd_delta_policy import GuardedTable, MergeBuilder, Outcome, Status
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from row_tables import (
    CHANGES,
    MAPPED,
    ROWS_PER_FILE,
    VECTORS,
    actions,
    changed_rows,
    left_over,
    numbered,
    rows_of,
)

dfd_native = pytest.importorskip("dfd_native")

Make = Callable[..., GuardedTable]
Change = Callable[[GuardedTable], object]
COPIES_AND_VECTORS = pytest.mark.parametrize("properties", [{}, VECTORS], ids=["copies", "vectors"])
RACES = 200 if os.environ.get("DFD_LONG") else 20
WAYS = [{}, VECTORS, CHANGES, VECTORS | CHANGES]
MAPPED_WAYS = [MAPPED, MAPPED | VECTORS, MAPPED | VECTORS | CHANGES]


@pytest.fixture
def watched(make_native: Any) -> Any:
    """dfd-native, which counts how often a statement was worked out."""
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    return make_native()


def raced(table: GuardedTable, native: Any, change: Change, *others: Change) -> Any:
    """`change`, and the others: one right before each of its attempts to commit."""
    waiting = list(others)

    def attempt(make: Callable[[], None]) -> None:
        if waiting:
            waiting.pop(0)(GuardedTable(table.uri))
        make()

    native.broken = attempt
    return change(native.on(GuardedTable(table.uri)))


def source(*ids: int) -> pa.Table:
    ones = [7] * len(ids)
    return pa.table({"id": pa.array(ids, pa.int64()), "p": ones, "s": ["new"] * len(ids)})


def on_ids(table: GuardedTable, data: Any) -> MergeBuilder:
    return table.merge(data, "s.id = t.id", "s", "t")


@COPIES_AND_VECTORS
@pytest.mark.parametrize(
    ("meanwhile", "by_copies", "by_vectors"),
    [
        (lambda t: t.append(numbered(50_000, 10)), 1, 1),
        (lambda t: t.append(numbered(10, 1)), 2, 2),
        (lambda t: t.delete("id = 9"), 2, 1),
        (lambda t: t.update({"s": "'other'"}, "id = 9"), 2, 1),
        (lambda t: t.update({"id": "10"}, "id = 9"), 2, 2),
        (lambda t: t.delete("id = 11"), 2, 2),
        (lambda t: t.delete(f"id = {ROWS_PER_FILE}"), 1, 1),
        (lambda t: t.optimize(), 2, 2),
    ],
    ids=[
        "other rows came",
        "such rows came",
        "others of the file went",
        "others of the file changed",
        "others became such",
        "one of them went",
        "of another file",
        "compacted",
    ],
)
def test_only_what_touches_the_rows_has_them_found_again(
    make_rows: Make,
    watched: Any,
    properties: dict[str, str],
    meanwhile: Change,
    by_copies: int,
    by_vectors: int,
) -> None:
    table = make_rows(properties)
    outcome = raced(table, watched, lambda t: t.delete("id between 10 and 12"), meanwhile)
    assert outcome.status is Status.COMMITTED
    assert watched.stages == (by_vectors if properties else by_copies)
    assert not {10, 11, 12} & {row[0] for row in rows_of(table)}
    assert not left_over(table)


def test_rows_that_come_back_are_looked_at(make_rows: Make, watched: Any) -> None:
    """A restore makes a deletion vector smaller: the rows that are there again match too."""
    table = make_rows(VECTORS, files=1)
    table.delete("id in (1, 2)")
    outcome = raced(
        table, watched, lambda t: t.delete("id < 5"), lambda t: t.restore(t.version() - 1)
    )
    assert (watched.stages, outcome.metrics["num_deleted_rows"]) == (2, 5)
    assert min(row[0] for row in rows_of(table)) == 5
    assert not left_over(table)


@pytest.mark.parametrize("step", [1_000, 5], ids=["in the log", "in a file"])
def test_vectors_of_disjoint_rows_are_merged(make_rows: Make, watched: Any, step: int) -> None:
    """Twice: what the first attempts had of vectors is gone."""
    table = make_rows(VECTORS | CHANGES, files=2)
    before = rows_of(table)

    def every(rest: int) -> str:
        return f"id % {step} = {rest}"

    outcome = raced(
        table,
        watched,
        lambda t: t.update({"s": "'changed'"}, every(0)),
        lambda t: t.delete(every(1)),
        lambda t: t.delete(every(2)),
    )
    assert watched.stages == 1
    changed = {row for row in before if row[0] % step == 0}
    gone = {row for row in before if row[0] % step in (1, 2)}
    wanted = before - Counter(changed) - Counter(gone)
    wanted += Counter((id, p, "changed") for id, p, _ in changed)
    assert rows_of(table) == wanted
    # Each file comes back once, with the rows of all three.
    version = table.version()
    vectors = [
        add["deletionVector"]
        for add in actions(table, "add", version)
        if add.get("deletionVector") is not None
    ]
    assert sum(vector["cardinality"] for vector in vectors) == len(changed) + len(gone)
    assert {vector["storageType"] for vector in vectors} == {"i" if step > 100 else "u"}
    removed = [remove["deletionVector"] for remove in actions(table, "remove", version)]
    assert sum(vector["cardinality"] for vector in removed) == len(gone)
    names = ["added", "updated", "removed"]
    assert [outcome.metrics[f"num_deletion_vectors_{name}"] for name in names] == [2, 2, 2]
    feed = changed_rows(table, version)
    assert feed["update_preimage"] == Counter(changed)
    assert not left_over(table)


def test_a_file_that_both_empty_goes(make_rows: Make, watched: Any) -> None:
    table = make_rows(VECTORS, files=1, rows=10)
    outcome = raced(table, watched, lambda t: t.delete("id < 5"), lambda t: t.delete("id >= 5"))
    assert watched.stages == 1
    assert not rows_of(table)
    assert len(actions(table, "remove", table.version())) == 1
    assert not actions(table, "add", table.version())
    assert outcome.metrics["num_removed_files"] == 1
    assert outcome.metrics["num_deletion_vectors_added"] == 0
    assert not left_over(table)


@pytest.mark.parametrize(
    "properties",
    WAYS + MAPPED_WAYS,
    ids=["copies", "vectors", "feed", "both", "mapped", "mapped vectors", "mapped with all"],
)
@pytest.mark.parametrize(
    ("meanwhile", "by_vectors"),
    [
        (lambda t: t.append(numbered(100_000, 1)), 2),
        (lambda t: t.delete("id = 4"), 2),
        (lambda t: t.update({"s": "'other'"}, "id = 8000"), 2),
        (lambda t: t.delete("id = 5"), 1),
    ],
    ids=["a match came", "a match went", "another row changed", "another row went"],
)
def test_a_merge_that_lost_the_race(
    make_rows: Make,
    watched: Any,
    properties: dict[str, str],
    meanwhile: Change,
    by_vectors: int,
) -> None:
    table = make_rows(properties)

    def merge(table: GuardedTable) -> Outcome:
        merging = on_ids(table, source(4, 100_000))
        return merging.when_matched_update_all().when_not_matched_insert_all().execute()

    raced(table, watched, merge, meanwhile)
    assert watched.stages == (by_vectors if VECTORS.items() <= properties.items() else 2)
    merged = {row for row in rows_of(table) if row[0] in (4, 100_000)}
    assert merged == {(4, 7, "new"), (100_000, 7, "new")}
    assert rows_of(table).most_common(1)[0][1] == 1
    assert not left_over(table)


def test_a_row_that_kept_another_from_being_inserted_is_waited_for(
    make_rows: Make, watched: Any
) -> None:
    """Row 4 matches and no clause changes it; once it is gone, the source's is inserted."""
    table = make_rows(VECTORS)

    def merge(table: GuardedTable) -> Outcome:
        merging = on_ids(table, source(3, 4))
        merging = merging.when_matched_update_all("t.id = 3").when_not_matched_insert_all()
        return merging.execute()

    raced(table, watched, merge, lambda t: t.delete("id = 4"))
    assert watched.stages == 2
    assert {row for row in rows_of(table) if row[0] in (3, 4)} == {(3, 7, "new"), (4, 7, "new")}


CONDITIONS = st.sampled_from(
    ["id % 5 = 2", "p = 1", "s is null", "id between 10 and 30", "id < 8", "id >= 40", "p = 2"]
)
STATEMENTS = st.one_of(
    st.tuples(st.just("delete"), CONDITIONS, st.none()),
    st.tuples(
        st.just("update"), CONDITIONS, st.sampled_from([{"s": "'x'"}, {"id": "id + 3"}, {"p": "1"}])
    ),
    st.tuples(st.just("append"), st.integers(0, 60), st.integers(1, 20)),
    st.tuples(st.just("merge"), st.integers(0, 60), st.sampled_from(["t.p > 0", None, "never"])),
    st.tuples(st.just("replace"), st.integers(0, 60), st.none()),
)
Statement = tuple[str, Any, Any]


def replacement(start: int) -> pa.Table:
    """Rows of which `p` is 1."""
    return numbered(start, 9).filter(pc.field("p") == 1)


def performed(table: GuardedTable, statement: Statement) -> object:
    """What a statement does to the table."""
    kind, first, second = statement
    if kind == "append":
        return table.append(numbered(first, second))
    if kind == "delete":
        return table.delete(first)
    if kind == "update":
        return table.update(second, first)
    if kind == "replace":
        return table.overwrite(replacement(first), "p = 1")
    data = source(*range(first, first + 5))
    merging = on_ids(table, data).when_not_matched_insert_all()
    if second != "never":
        merging = merging.when_matched_update_all(second)
    return merging.when_not_matched_by_source_delete("t.id = 33").execute()


def in_the_judge(judge: Any, statement: Statement) -> None:
    """The same in duckdb."""
    kind, first, second = statement
    if kind == "append":
        judge.register("data", numbered(first, second))
        judge.execute("insert into t select * from data")
    elif kind == "delete":
        judge.execute(f"delete from t where {first}")
    elif kind == "update":
        ((name, value),) = second.items()
        judge.execute(f"update t set {name} = {value} where {first}")
    elif kind == "replace":
        judge.register("data", replacement(first))
        judge.execute("delete from t where p = 1")
        judge.execute("insert into t select * from data")
    else:
        judge.register("data", source(*range(first, first + 5)))
        condition = {"never": "false", None: "true"}.get(second, second)
        judge.execute(
            "merge into t using data as s on s.id = t.id "
            f"when matched and {condition} then update set id = s.id, p = s.p, s = s.s "
            "when not matched by target then insert (id, p, s) values (s.id, s.p, s.s) "
            "when not matched by source and t.id = 33 then delete"
        )


@settings(
    max_examples=RACES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    change=STATEMENTS,
    others=st.lists(STATEMENTS, min_size=1, max_size=3),
    properties=st.sampled_from(WAYS + MAPPED_WAYS),
    partition_by=st.sampled_from([None, ["p"]]),
)
def test_any_race_ends_as_the_statements_one_after_the_other(
    make_rows: Make,
    watched: Any,
    judge: Any,
    change: Statement,
    others: list[Statement],
    properties: dict[str, str],
    partition_by: list[str] | None,
) -> None:
    """In the order of the commits: others come first, as many as there are attempts."""
    table = make_rows(properties, files=2, rows=25, partition_by=partition_by)
    judge.register("data", numbered(0, 50))
    judge.execute("create or replace table t as select * from data")
    landed: list[Statement] = []

    def landing(statement: Statement) -> Change:
        def land(table: GuardedTable) -> None:
            landed.append(statement)
            performed(table, statement)

        return land

    watched.stages = 0
    raced(table, watched, lambda t: performed(t, change), *map(landing, others))
    for statement in [*landed, change]:
        in_the_judge(judge, statement)
    event(f"worked out {watched.stages} times, {len(landed)} before it")
    assert rows_of(table) == Counter(judge.execute("select id, p, s from t").fetchall())
    assert not left_over(table)
