"""Metadata that another commit changed, and whether an operation may be worked out again under it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType
from dfd_delta_policy import (
    Action,
    CommitPlan,
    Conflict,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    Outcome,
)

Change = Callable[[GuardedTable], object]


class Once:
    """Works behind the operation's back, on its first attempt."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def before_commit(self, plan: CommitPlan) -> None:
        if plan.attempt == 1:
            self.work()

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing."""


def rewritten(**columns: Any) -> Change:
    """Another schema, and other rows."""
    data = pa.table(columns)
    return lambda table: write_deltalake(table.uri, data, mode="overwrite", schema_mode="overwrite")


COMPATIBLE: dict[str, Change] = {
    "column": lambda table: table.add_columns(Field("n", PrimitiveType("long"))),
    "constraint": lambda table: table.add_constraint({"small": "id < 100"}),
    "property": lambda table: table.set_properties({"delta.checkpointInterval": "50"}),
    "own property": lambda table: table.set_properties({"owner": "someone"}),
}
BREAKING: dict[str, Change] = {
    "gone": rewritten(id=[1]),
    "another": rewritten(id=["1"], s=["a"]),
    "partitioned": lambda table: write_deltalake(
        table.uri,
        pa.table({"id": [1], "s": ["a"]}),
        mode="overwrite",
        schema_mode="overwrite",
        partition_by=["s"],
    ),
}
OPERATIONS: dict[str, Callable[[GuardedTable], Outcome]] = {
    "append": lambda t: t.append(pa.table({"id": [9], "s": ["z"]})),
    "overwrite": lambda t: t.overwrite(pa.table({"id": [9], "s": ["z"]})),
    "delete": lambda t: t.delete("id = 1"),
    "update": lambda t: t.update({"s": "'x'"}, "id = 1"),
    "merge": lambda t: (
        t.merge(pa.table({"id": [1], "s": ["m"]}), "s.id = t.id", "s", "t")
        .when_matched_update({"s": "s.s"})
        .execute()
    ),
}


def late(table: GuardedTable, change: Change, **policy: Any) -> GuardedTable:
    """A writer before whose first commit the rules change."""
    return GuardedTable(
        table.uri,
        policy=DeltaRetryPolicy(**policy),
        hooks=[Once(lambda: change(table))],
        clock=table._loop.clock,
    )


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_change_of_rules_ends_an_operation(
    table: GuardedTable, change: str, operation: str
) -> None:
    with pytest.raises(ConflictError, match="another commit changed") as caught:
        OPERATIONS[operation](late(table, COMPATIBLE[change]))
    verdict = caught.value.verdict
    assert verdict.conflict in (Conflict.METADATA_CHANGED, Conflict.PROTOCOL_CHANGED)
    assert verdict.action is Action.ABORT
    assert [winner.version for winner in caught.value.winners] == [1]
    assert "version 1 (" in str(caught.value)
    assert table.version() == 1


# deltalake's own write fills no column that its data lacks; a staged one does.
@pytest.mark.parametrize(
    ("change", "operation"),
    [
        (change, operation)
        for change in COMPATIBLE
        for operation in OPERATIONS
        if (change, operation) not in {("column", "append"), ("column", "overwrite")}
    ],
)
def test_or_it_is_worked_out_again_where_its_meaning_stays(
    table: GuardedTable, rows: Any, change: str, operation: str
) -> None:
    outcome = OPERATIONS[operation](late(table, COMPATIBLE[change], on_metadata_change="replan"))
    assert (outcome.version, outcome.read_version) == (2, 1)
    twin = GuardedTable(table.uri + "-twin")
    twin.append(pa.table({"id": [0, 1, 2, 3], "s": ["a", "b", "c", "d"]}))
    COMPATIBLE[change](twin)
    OPERATIONS[operation](twin)
    assert rows(table) == rows(twin)
    assert DeltaTable(table.uri).schema() == DeltaTable(twin.uri).schema()


def test_all_columns_are_those_under_the_new_rules(table: GuardedTable, rows: Any) -> None:
    """A merge whose source lacks the new column is refused, as it is where that came first."""
    before = rows(table)
    source = pa.table({"id": [1], "s": ["m"]})
    changed = late(table, COMPATIBLE["column"], on_metadata_change="replan")
    with pytest.raises(InvalidOperation, match="has no column n"):
        changed.merge(source, "s.id = t.id", "s", "t").when_matched_update_all().execute()
    assert rows(table) == [(*row, None) for row in before]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("change", BREAKING)
def test_and_never_where_it_does_not(
    table: GuardedTable, rows: Any, change: str, operation: str
) -> None:
    # A stage may find the new rules before the loop does.
    with pytest.raises(Exception, match=r"can't be worked out again|that the table lacks"):
        OPERATIONS[operation](late(table, BREAKING[change], on_metadata_change="replan"))
    assert table.version() == 1
    assert len(rows(table)) == 1


def test_a_row_that_a_new_constraint_forbids_stays_out(table: GuardedTable, rows: Any) -> None:
    writer = late(table, COMPATIBLE["constraint"], on_metadata_change="replan")
    with pytest.raises(Exception, match=r"small|failed validation"):
        writer.append(pa.table({"id": [1_000], "s": ["z"]}))
    assert 1_000 not in [row[0] for row in rows(table)]


def test_rows_that_may_only_be_added_stay(tmp_path: Path, table: GuardedTable, rows: Any) -> None:
    """deltalake restores such a table all the same."""
    table.append(pa.table({"id": [9], "s": ["z"]}))
    table.set_properties({"delta.appendOnly": "true"})
    for work in (
        lambda: table.restore(0),
        lambda: table.delete("id = 1"),
        lambda: table.overwrite(pa.table({"id": [1], "s": ["z"]})),
        lambda: table.update({"s": "'x'"}),
    ):
        with pytest.raises(ConflictError, match="appends only") as caught:
            work()
        assert caught.value.verdict.conflict is Conflict.APPEND_ONLY
    assert len(rows(table)) == 5
    table.optimize()
    table.append(pa.table({"id": [10], "s": ["z"]}))
    assert len(rows(table)) == 6
