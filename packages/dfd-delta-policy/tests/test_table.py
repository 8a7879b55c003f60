"""GuardedTable: every mutation right, alone and among other processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from dfd_delta_policy import (
    Clock,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    OperationRefused,
    Status,
)

MORE = pa.table({"id": [3, 9], "s": ["D", "z"]})


def test_append_makes_the_table_and_adds_to_it(tmp_path: Path, rows: Any) -> None:
    table = GuardedTable(tmp_path / "a b%c" / "t")
    first = table.append(pa.table({"p": ["x"], "n": [1]}), partition_by=["p"])
    second = table.append(pa.table({"p": ["y"], "n": [2]}))
    assert (first.version, second.version) == (0, 1)
    assert first.status is second.status is Status.COMMITTED
    assert rows(table) == [("x", 1), ("y", 2)]
    assert DeltaTable(table.uri).metadata().partition_columns == ["p"]


def test_append_once(table: GuardedTable, rows: Any) -> None:
    def never() -> pa.Table:
        raise AssertionError("the source was read")

    first = table.append(MORE, app_id="loader", app_version=7)
    assert (first.status, first.version) == (Status.COMMITTED, 1)
    for version in (7, 6, 0):
        again = table.append(never, app_id="loader", app_version=version)
        assert (again.status, again.version) == (Status.ALREADY_COMMITTED, 1)
    assert table.append(MORE, app_id="loader", app_version=8).status is Status.COMMITTED
    assert len(rows(table)) == 8


@pytest.mark.parametrize("transaction", [("a", None), (None, 1), ("", 1), ("a", -1)])
def test_append_refuses_half_a_transaction(table: GuardedTable, transaction: Any) -> None:
    with pytest.raises(InvalidOperation, match="app_"):
        table.append(MORE, app_id=transaction[0], app_version=transaction[1])


def test_overwrite_all_and_by_predicate(table: GuardedTable, rows: Any) -> None:
    table.overwrite(pa.table({"id": [1], "s": ["B"]}), predicate="id = 1")
    assert rows(table) == [(0, "a"), (1, "B"), (2, "c"), (3, "d")]
    table.overwrite(MORE)
    assert rows(table) == [(3, "D"), (9, "z")]


def test_delete_and_update(table: GuardedTable, rows: Any) -> None:
    assert table.delete("id = 0").metrics["num_deleted_rows"] == 1
    table.update({"s": "upper(s)"}, "id >= 2")
    assert rows(table) == [(1, "b"), (2, "C"), (3, "D")]
    nothing = table.delete("id = 77")
    assert (nothing.status, nothing.version) == (Status.NOTHING_TO_DO, 2)
    table.delete()
    assert rows(table) == []


def test_merge_with_every_verb(table: GuardedTable, rows: Any) -> None:
    def merge(source: pa.Table) -> Any:
        return table.merge(source, "s.id = t.id", source_alias="s", target_alias="t")

    merge(MORE).when_matched_update({"s": "s.s"}).when_not_matched_insert(
        {"id": "s.id", "s": "'new'"}
    ).execute()
    assert rows(table)[3:] == [(3, "D"), (9, "new")]
    merge(MORE).when_matched_update_all().when_not_matched_insert_all().execute()
    assert rows(table)[3:] == [(3, "D"), (9, "z")]
    merge(MORE.slice(1)).when_matched_delete().execute()
    merge(MORE.slice(0, 1)).when_not_matched_by_source_update(
        {"s": "'left'"}, predicate="t.id = 0"
    ).execute()
    assert rows(table) == [(0, "left"), (1, "b"), (2, "c"), (3, "D")]
    merge(MORE.slice(0, 1)).when_not_matched_by_source_delete().execute()
    assert rows(table) == [(3, "D")]


@pytest.mark.parametrize("is_staged", [True, False])
def test_merge_from_a_stream_keeps_its_rows_over_retries(
    table: GuardedTable, rows: Any, is_staged: bool
) -> None:
    """A stream read again is empty, and deltalake commits that without a word."""

    class Meddle:
        done = False

        def before_commit(self, plan: Any) -> None:
            if not self.done:
                self.done = True
                write_deltalake(table.uri, MORE.slice(1), mode="append")

        def after_commit(self, outcome: Any) -> None:
            """Nothing."""

    guarded = GuardedTable(table.uri, hooks=[Meddle()], clock=table._loop.clock)
    if is_staged:
        pytest.importorskip("dfd_native")
    else:
        guarded._native = None
    outcome = (
        guarded.merge(MORE.to_reader(), "s.id = t.id", "s", "t").when_matched_update_all().execute()
    )
    # What is staged is, once the hooks were asked.
    assert outcome.attempts == 2 - is_staged
    assert outcome.metrics["num_source_rows"] == 2
    assert (3, "D") in rows(table)


def test_merge_needs_a_verb(table: GuardedTable) -> None:
    with pytest.raises(InvalidOperation, match="when_"):
        table.merge(MORE, "s.id = t.id", "s", "t").execute()


def test_restore_and_vacuum(table: GuardedTable, rows: Any) -> None:
    before = rows(table)
    table.delete()
    assert table.restore(0).version == 2
    assert rows(table) == before
    listed = table.vacuum()
    assert (listed.status, listed.metrics["dry_run"]) == (Status.NOTHING_TO_DO, True)
    with pytest.raises(OperationRefused, match="retention"):
        table.vacuum(0, dry_run=False)
    assert rows(table) == before


def test_history_shows_what_it_was(table: GuardedTable) -> None:
    guarded = GuardedTable(table.uri, commit_metadata=lambda: {"dfd.run_id": "nightly"})
    ids = [
        guarded.append(MORE).operation_id,
        guarded.delete("id = 9").operation_id,
        guarded.update({"s": "'x'"}).operation_id,
        guarded.merge(MORE, "s.id = t.id", "s", "t").when_matched_delete().execute().operation_id,
        guarded.append(MORE).operation_id,
        guarded.append(MORE).operation_id,
        guarded.optimize().operation_id,
        guarded.restore(0).operation_id,
    ]
    commits = guarded.history()[: len(ids)]
    assert [commit["dfd.operation_id"] for commit in reversed(commits)] == ids
    assert {commit["dfd.run_id"] for commit in commits} == {"nightly"}
    assert [commit["dfd.operation"] for commit in reversed(commits)] == (
        ["APPEND", "DELETE", "UPDATE", "MERGE", "APPEND", "APPEND", "OPTIMIZE", "RESTORE"]
    )


def test_a_user_says_something_of_each_commit(table: GuardedTable) -> None:
    ids = GuardedTable(table.uri, commit_metadata=lambda: {"dfd.run_id": "nightly", "by": "all"})
    said = ids.with_commit_metadata({"userMetadata": "backfill", "by": "this"})
    said.append(MORE)
    said.update({"s": "'x'"}, "id = 1")
    said.merge(MORE, "s.id = t.id", "s", "t").when_matched_delete().execute()
    said.with_commit_metadata({"userMetadata": "both"}).delete("id = 1")
    said.append(MORE)
    said.append(MORE)
    said.optimize()
    said.restore(0)
    ids.append(MORE)
    commits = [c for c in reversed(table.history()) if c.get("dfd.run_id") == "nightly"]
    assert [(c.get("userMetadata"), c["by"]) for c in commits] == [
        ("backfill", "this"),
        ("backfill", "this"),
        ("backfill", "this"),
        ("both", "this"),
        ("backfill", "this"),
        ("backfill", "this"),
        ("backfill", "this"),
        ("backfill", "this"),
        (None, "all"),
    ]
    assert said._handles is ids._handles


@pytest.mark.parametrize(
    "metadata",
    [
        {"operation": "MINE"},
        {"timestamp": "0"},
        {"txnId": "x"},
        {"dfd.operation_id": "x"},
        {"n": 1},
        {1: "n"},
    ],
)
def test_what_the_commit_says_itself_is_refused(table: GuardedTable, metadata: Any) -> None:
    with pytest.raises(InvalidOperation, match="Nothing was committed"):
        table.with_commit_metadata(metadata)


def test_every_name_that_a_commit_gives_itself_is_refused(table: GuardedTable) -> None:
    """Of a callable's metadata such names are left out; here the two lists are held together."""
    pytest.importorskip("dfd_native")
    names = set()
    for operation in (table.append(MORE), table.optimize(), table.delete("id = 1")):
        assert operation.version is not None
        log = Path(table.uri.removeprefix("file://")) / "_delta_log"
        lines = (log / f"{operation.version:020}.json").read_text().splitlines()
        (info,) = (line["commitInfo"] for line in map(json.loads, lines) if "commitInfo" in line)
        names |= info.keys()
    for name in names:
        with pytest.raises(InvalidOperation, match="Nothing was committed"):
            table.with_commit_metadata({name: "mine"})
    loud = GuardedTable(table.uri, commit_metadata=lambda: dict.fromkeys(names, "mine"))
    loud.append(MORE)
    said = table.history(1)[0]
    assert "mine" not in [text for name, text in said.items() if not name.startswith("dfd.")]


def test_operations_are_observed(table: GuardedTable) -> None:
    import contextlib

    seen: list[Any] = []

    @contextlib.contextmanager
    def observe(name: str, uri: str) -> Any:
        try:
            yield seen.append
        except Exception as error:
            seen.append(type(error))
            raise
        seen.append((name, uri))

    guarded = GuardedTable(table.uri, observe=observe)
    outcome = guarded.delete("id = 0")
    with pytest.raises(InvalidOperation):
        guarded.delete("nope = 0")
    assert seen[:2] == [outcome, ("delete", table.uri)]
    assert issubclass(seen[2], InvalidOperation)


def test_the_steps_of_an_operation_are_observed(table: GuardedTable) -> None:
    import contextlib

    seen: list[Any] = []

    @contextlib.contextmanager
    def step(name: str) -> Any:
        seen.append(f"{name} begins")
        yield seen.append
        seen.append(f"{name} ends")

    guarded = GuardedTable(table.uri, step=step)
    outcome = guarded.delete("id = 0")
    assert seen[-3:] == ["commit begins", outcome, "commit ends"]
    # Where nothing is staged, as without dfd-native, the work is within the attempt.
    assert seen[:-3] in ([], ["stage begins", "stage ends"])
    seen.clear()
    guarded.set_properties({"delta.appendOnly": "true"})
    assert (seen[0], seen[-1]) == ("commit begins", "commit ends")
    seen.clear()
    with pytest.raises(ConflictError):
        guarded.delete()
    assert seen[0].endswith(" begins")
    assert "commit ends" not in seen


def test_bad_input_is_refused_at_once_and_commits_nothing(
    table: GuardedTable, rows: Any, clock: Any
) -> None:
    before = rows(table)
    with pytest.raises(InvalidOperation):
        table.delete("nope = 1")
    with pytest.raises(InvalidOperation):
        table.update({"s": "no such function()"})
    with pytest.raises((DeltaError, ValueError)):
        table.append(pa.table({"other": [1]}))
    with pytest.raises(InvalidOperation):
        table.append([1, 2])
    with pytest.raises(InvalidOperation):
        table.update({})
    with pytest.raises(TableNotFoundError):
        GuardedTable(table.uri + "-missing").delete()
    assert rows(table) == before
    assert clock.slept == []


APPENDER = """
import sys, pyarrow as pa
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
uri, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = GuardedTable(uri, policy=DeltaRetryPolicy(attempts=200))
for n in range(count):
    table.append(pa.table({"id": [n], "s": [name]}), app_id=name, app_version=n)
"""

INCREMENTER = """
import sys
from dfd_delta_policy import DeltaRetryPolicy, GuardedTable
table = GuardedTable(sys.argv[1], policy=DeltaRetryPolicy(attempts=200))
for n in range(int(sys.argv[3])):
    table.update({"id": "id + 1"})
"""


def together(script: str, uri: str, processes: int, count: int) -> None:
    """Run the script in several processes at once."""
    running = [
        subprocess.Popen([sys.executable, "-c", script, uri, f"p{n}", str(count)])
        for n in range(processes)
    ]
    assert [process.wait() for process in running] == [0] * processes


def test_concurrent_appends_lose_and_double_nothing(tmp_path: Path, rows: Any) -> None:
    table = GuardedTable(tmp_path / "t")
    together(APPENDER, table.uri, processes=4, count=5)
    assert rows(table) == sorted(((n, f"p{p}") for n in range(5) for p in range(4)), key=repr)
    assert table.version() == 19


def test_concurrent_increments_all_count(tmp_path: Path, rows: Any) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(pa.table({"id": [0]}))
    together(INCREMENTER, table.uri, processes=4, count=5)
    assert rows(table) == [(20,)]


def test_a_killed_writer_sent_again_lands_once(tmp_path: Path, rows: Any) -> None:
    """SIGKILL at whatever moment; the same batches again, until all are there."""
    table = GuardedTable(tmp_path / "t")
    command = [sys.executable, "-c", APPENDER, table.uri, "p0", "8"]
    for versions in range(1, 6):
        process = subprocess.Popen(command)
        log = tmp_path / "t" / "_delta_log"
        while process.poll() is None and len(list(log.glob("*.json"))) < versions:
            time.sleep(0.001)
        process.kill()
        process.wait()
    subprocess.run(command, check=True)
    assert rows(table) == [(n, "p0") for n in range(8)]


def test_with_one_attempt_a_conflict_is_raised(table: GuardedTable) -> None:
    from dfd_delta_policy import RetriesExhausted

    class Meddle:
        def before_commit(self, plan: Any) -> None:
            write_deltalake(table.uri, MORE, mode="append")

        def after_commit(self, outcome: Any) -> None:
            """Nothing."""

    guarded = GuardedTable(table.uri, policy=DeltaRetryPolicy(attempts=1), hooks=[Meddle()])
    with pytest.raises(RetriesExhausted, match="Nothing of it was committed"):
        guarded.append(MORE)


def test_who_creates_the_table_second_looks_again(tmp_path: Path, rows: Any) -> None:
    """Two writers of one application id find no table; one row lands, and the other is told."""
    row = pa.table({"id": [1]})

    class Overtake:
        def before_commit(self, plan: Any) -> None:
            if plan.attempt == 1:
                GuardedTable(tmp_path / "t").append(row, app_id="loader", app_version=1)

        def after_commit(self, outcome: Any) -> None:
            """Nothing."""

    late = GuardedTable(tmp_path / "t", hooks=[Overtake()], clock=Clock(sleep=lambda _: None))
    with pytest.raises(ConflictError, match="another writer committed version 1"):
        late.append(row, app_id="loader", app_version=1)
    assert late.append(row, app_id="loader", app_version=1).status is Status.ALREADY_COMMITTED
    assert rows(late) == [(1,)]


def test_history_is_numbered_right_while_others_commit(table: GuardedTable) -> None:
    """deltalake counts down from its handle's version, over what came since."""
    for _ in range(3):
        table.append(MORE)
    handles = table._handles

    class Late(type(handles)):  # type: ignore[misc]
        def version(self) -> int:
            found: int = super().version()
            write_deltalake(table.uri, MORE, mode="append")
            return found

    ids = [commit["dfd.operation_id"] for commit in table.history(2)]
    table._handles = Late(table.uri, dict)
    found = table.history(2)
    assert [commit["version"] for commit in found] == [3, 2]
    assert [commit["dfd.operation_id"] for commit in found] == ids
    assert [commit["version"] for commit in table.history()] == [4, 3, 2, 1, 0]
    with pytest.raises(InvalidOperation, match="limit"):
        table.history(0)


def test_history_is_what_deltalake_says_where_nobody_else_commits(table: GuardedTable) -> None:
    table.delete("id = 1")
    table.set_properties({"delta.checkpointInterval": "2"})
    table.append(MORE, app_id="loader", app_version=1)
    table.optimize()
    assert table.history() == DeltaTable(table.uri).history()
    assert len(table.history(2)) == 2


def test_a_table_with_more_hooks_shares_the_handle(table: GuardedTable) -> None:
    seen: list[str] = []

    class Note:
        def __init__(self, name: str) -> None:
            self.name = name

        def before_commit(self, plan: Any) -> None:
            seen.append(self.name)

        def after_commit(self, outcome: Any) -> None:
            """Nothing."""

    first = table.with_hooks(Note("a"))
    both = first.with_hooks(Note("b"))
    both.append(MORE)
    first.append(MORE)
    table.append(MORE)
    assert seen == ["a", "b", "a"]
    assert table._handles is both._handles
