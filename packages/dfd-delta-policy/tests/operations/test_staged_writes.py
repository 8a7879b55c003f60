"""Staged once, committed once: whatever happens in between."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from dfd_delta_policy import (
    CommitPlan,
    Conflict,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    InvalidOperation,
    Outcome,
    RetriesExhausted,
    Status,
    UnsupportedTable,
)
from dfd_delta_policy.backend.protocol import LoggedCommit
from dfd_delta_policy.commit import attempts

MORE = pa.table({"id": [3, 9], "s": ["D", "z"]})
SPARK = Path(__file__).parents[4] / "tests/conformance/spark"

Natives = Callable[..., Any]


class Meddle:
    """Does something before a commit: on the n-th of the calls, or on every one."""

    def __init__(self, work: Callable[[], object], calls: tuple[int, ...] | None = None) -> None:
        self.plans: list[CommitPlan] = []
        self._work = work
        self._calls = calls

    def before_commit(self, plan: CommitPlan) -> None:
        self.plans.append(plan)
        if self._calls is None or len(self.plans) in self._calls:
            self._work()

    def after_commit(self, outcome: Outcome) -> None:
        """Nothing."""


def guarded(table: GuardedTable, stage: Any, *hooks: Any, **policy: Any) -> GuardedTable:
    found = GuardedTable(
        table.uri, hooks=hooks, policy=DeltaRetryPolicy(**policy), clock=table._loop.clock
    )
    stage.on(found)
    return found


def once_only(data: pa.Table) -> pa.RecordBatchReader:
    """A stream whose rows can be had once."""
    return pa.RecordBatchReader.from_batches(data.schema, iter(data.to_batches()))


def data_files(table: GuardedTable) -> list[Path]:
    root = Path(table.uri.removeprefix("file://"))
    return [path for path in root.rglob("*.parquet") if "_delta_log" not in path.parts]


def append_elsewhere(table: GuardedTable) -> None:
    write_deltalake(table.uri, pa.table({"id": [7], "s": ["other"]}), mode="append")


def test_a_stream_that_conflicts_is_staged_once_and_lands_once(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    stage = make_native()
    # The first call is before the staging, the second for the snapshot of the first attempt.
    meddle = Meddle(lambda: append_elsewhere(table), calls=(1, 2, 3))
    writer = guarded(table, stage, meddle)
    outcome = writer.append(once_only(MORE))
    assert (outcome.status, outcome.version, outcome.attempts) == (Status.COMMITTED, 4, 3)
    assert outcome.conflicts == (Conflict.CONCURRENT_WRITE,) * 2
    assert [(plan.attempt, plan.read_version) for plan in meddle.plans] == [
        (1, 0), (1, 1), (2, 2), (3, 3),
    ]  # fmt: skip
    assert stage.stages == len(stage.files) == 1
    assert [row for row in rows(table) if row in ((3, "D"), (9, "z"))] == [(3, "D"), (9, "z")]
    assert len(rows(table)) == 9
    assert (outcome.metrics["rows"], outcome.metrics["files"]) == (2, 1)


def test_hooks_see_every_snapshot_once(table: GuardedTable, make_native: Natives) -> None:
    quiet = Meddle(lambda: None)
    guarded(table, make_native(), quiet).append(MORE)
    assert [(plan.attempt, plan.read_version) for plan in quiet.plans] == [(1, 0)]
    busy = Meddle(lambda: None)
    guarded(table, make_native(meanwhile=lambda: append_elsewhere(table)), busy).append(MORE)
    assert [(plan.attempt, plan.read_version) for plan in busy.plans] == [(1, 1), (1, 2)]


def test_waiting_time_begins_after_the_staging(
    table: GuardedTable, make_native: Natives, clock: Any
) -> None:
    stage = make_native(meanwhile=lambda: clock.sleep(10_000))
    meddle = Meddle(lambda: append_elsewhere(table), calls=(1, 2))
    assert guarded(table, stage, meddle, timeout_s=5).append(MORE).attempts == 2


def test_sorted_and_partitioned(tmp_path: Path, make_native: Natives, rows: Any) -> None:
    table = GuardedTable(tmp_path / "t")
    stage = make_native()
    stage.on(table)
    data = pa.table({"p": ["x", "y", "x"], "n": [3, 2, 1]})
    outcome = table.append(data, partition_by=["p"], sort_by=["n"])
    assert (outcome.version, len(stage.files)) == (0, 2)
    assert table.append(data).version == 1
    assert rows(table) == sorted([("x", 1), ("x", 3), ("y", 2)] * 2)
    (sorted_file,) = [path for path in stage.files[:2] if "p=x" in str(path)]
    assert pq.ParquetFile(sorted_file).read()["n"].to_pylist() == [1, 3]
    assert DeltaTable(table.uri).metadata().partition_columns == ["p"]


@pytest.mark.parametrize("fields", [{"predicate": "id = 1"}, {"schema_mode": "overwrite"}, {}])
def test_deltalake_writes_without_dfd_native(table: GuardedTable, fields: Any) -> None:
    table._native = None
    table.overwrite(MORE.filter(pa.array([False, False])), **fields)
    with pytest.raises(InvalidOperation, match="sort_by"):
        table.overwrite(MORE, sort_by=["id"], **fields)


def test_a_replay_reads_and_stages_nothing(table: GuardedTable, make_native: Natives) -> None:
    def never() -> pa.Table:
        raise AssertionError("the source was read")

    stage = make_native()
    writer = guarded(table, stage)
    writer.append(MORE, app_id="loader", app_version=7)
    for version in (7, 6):
        again = writer.append(never, app_id="loader", app_version=version)
        assert (again.status, again.version, again.attempts) == (Status.ALREADY_COMMITTED, 1, 1)
    assert stage.stages == 1


def test_who_sends_the_same_at_once_leaves_no_files(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    """The transaction lands while the other's files are staged."""
    first = guarded(table, make_native())

    def overtake() -> None:
        first.append(MORE, app_id="loader", app_version=1)

    stage = make_native(meanwhile=overtake)
    writer = guarded(table, stage)
    with pytest.raises(ConflictError, match="application id 'loader'") as caught:
        writer.append(MORE, app_id="loader", app_version=1)
    assert caught.value.verdict.conflict is Conflict.CONCURRENT_TRANSACTION
    assert stage.files == []
    again = writer.append(MORE, app_id="loader", app_version=1)
    assert (again.status, again.version) == (Status.ALREADY_COMMITTED, 1)
    assert len(rows(table)) == 6


def test_a_hook_that_refuses_leaves_nothing_behind(
    table: GuardedTable, make_native: Natives
) -> None:
    def refuse() -> None:
        raise RuntimeError("maintenance window")

    before = data_files(table)
    stage = make_native()
    with pytest.raises(RuntimeError, match="maintenance"):
        guarded(table, stage, Meddle(refuse)).append(MORE)
    assert stage.stages == 0
    stage = make_native(meanwhile=lambda: append_elsewhere(table))
    with pytest.raises(RuntimeError, match="maintenance"):
        guarded(table, stage, Meddle(refuse, calls=(2,))).append(MORE)
    assert (stage.stages, stage.files) == (1, [])
    assert len(data_files(table)) == len(before) + 1
    assert DeltaTable(table.uri).version() == 1


def test_attempts_that_run_out_leave_nothing_behind(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    stage = make_native()
    writer = guarded(table, stage, Meddle(lambda: append_elsewhere(table)), attempts=3)
    with pytest.raises(RetriesExhausted, match="Nothing of it was committed after 3"):
        writer.append(once_only(MORE))
    assert (stage.stages, stage.files) == (1, [])
    assert len(rows(table)) == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda uri: DeltaTable(uri).alter.add_constraint({"small": "id < 100"}),
            r"changed delta\.constraints\.small|protocol",
        ),
        (
            lambda uri: DeltaTable(uri).alter.set_table_properties({"delta.appendOnly": "true"}),
            r"changed delta\.appendOnly",
        ),
        (
            lambda uri: write_deltalake(
                uri,
                pa.table({"id": [1], "s": ["x"], "more": [1.5]}),
                mode="append",
                schema_mode="merge",
            ),
            "schema",
        ),
        (
            lambda uri: write_deltalake(
                uri,
                pa.table({"id": [1], "s": ["x"]}),
                mode="overwrite",
                schema_mode="overwrite",
                partition_by=["s"],
            ),
            "partitioning",
        ),
    ],
    ids=["constraint", "property", "schema", "partitioning"],
)
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_never_committed_under_rules_that_changed(
    table: GuardedTable, make_native: Natives, rows: Any, change: Any, said: str, mode: str
) -> None:
    stage = make_native(meanwhile=lambda: change(table.uri))
    writer = guarded(table, stage)
    with pytest.raises(ConflictError, match=said) as caught:
        getattr(writer, mode)(pa.table({"id": [1_000], "s": ["x"]}))
    assert caught.value.verdict.conflict in (Conflict.METADATA_CHANGED, Conflict.PROTOCOL_CHANGED)
    assert "Nothing of it was committed" in str(caught.value)
    assert "deltalake says" not in str(caught.value)
    assert stage.files == []
    assert 1_000 not in [row[0] for row in rows(table)]


def test_rules_are_those_of_the_version_that_was_staged_for(
    table: GuardedTable, make_native: Natives
) -> None:
    """The table changes before the staging looks at it, and rows come in after."""

    def constrain() -> None:
        DeltaTable(table.uri).alter.add_constraint({"small": "id < 100"})

    stage = make_native(meanwhile=lambda: append_elsewhere(table))
    writer = guarded(table, stage, Meddle(constrain, calls=(1,)))
    replan = DeltaRetryPolicy(on_metadata_change="replan")
    writer._loop = writer._loop._replace(target=writer._loop.target._replace(policy=replan))
    outcome = writer.append(MORE)
    assert (outcome.version, outcome.attempts, stage.stages) == (3, 1, 1)


def test_rules_that_changed_are_staged_under_again_where_that_can_be(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    """With `on_metadata_change="replan"`; a stream that was read is gone."""
    left = iter(["a", "b"])

    def widen() -> None:
        for name in left:
            more = {"id": [7], "s": ["other"], name: [1.5]}
            write_deltalake(table.uri, pa.table(more), mode="append", schema_mode="merge")
            return

    native = make_native(meanwhile=widen)
    writer = guarded(table, native, on_metadata_change="replan")
    outcome = writer.append(lambda: pa.table(MORE))
    assert (outcome.status, outcome.version, native.stages) == (Status.COMMITTED, 3, 3)
    assert len(native.files) == 1
    left = iter(["c"])
    with pytest.raises(ConflictError, match="schema after the files were staged"):
        writer.append(once_only(MORE))
    assert len(native.files) == 1
    assert len(rows(table)) == 9


def test_an_interrupt_after_the_commit_keeps_its_files(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    native = broken(make_native(), KeyboardInterrupt(), landed=True)
    with pytest.raises(KeyboardInterrupt):
        guarded(table, native).append(MORE)
    assert len(native.files) == 1
    assert len(rows(table)) == 6


def test_a_table_made_anew_is_another(table: GuardedTable, make_native: Natives) -> None:
    root = Path(table.uri.removeprefix("file://"))

    def anew() -> None:
        shutil.rmtree(root / "_delta_log")
        GuardedTable(table.uri).append(pa.table({"id": [0], "s": ["a"]}))

    def gone() -> None:
        shutil.rmtree(root / "_delta_log")

    for work, said in ((anew, "made the table anew"), (gone, "removed the table")):
        stage = make_native(meanwhile=work)
        with pytest.raises(ConflictError, match=said):
            guarded(table, stage).append(MORE)
        assert stage.files == []


@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "otherwise"])
def test_who_makes_the_table_second(
    tmp_path: Path, make_native: Natives, rows: Any, again: bool, alike: bool
) -> None:
    table = GuardedTable(tmp_path / "t")
    first = pa.table({"n": [1], "p": ["x"]})

    def overtake() -> None:
        if not (tmp_path / "t/_delta_log").exists():
            write_deltalake(table.uri, first, partition_by=None if alike else ["p"])

    stage = make_native(meanwhile=overtake)
    stage.on(table)
    data = pa.table({"n": [2], "p": ["y"]})
    if alike or again:
        outcome = table.append(data if again else once_only(data))
        assert outcome.version == 1
        assert rows(table) == [(1, "x"), (2, "y")]
        assert (stage.stages, len(stage.files)) == (1 if alike else 2, 1)
    else:
        with pytest.raises(ConflictError, match="made the table otherwise"):
            table.append(once_only(data))
        assert rows(table) == [(1, "x")]
        assert stage.files == []


def test_an_overwrite_removes_what_its_snapshot_has(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    """Rows that were added before it commits are removed; its metadata stays as it is."""
    DeltaTable(table.uri).alter.set_table_properties({"delta.targetFileSize": "1000000"})
    DeltaTable(table.uri).alter.set_table_description("kept")
    meddle = Meddle(lambda: append_elsewhere(table), calls=(1, 2))
    stage = make_native()
    outcome = guarded(table, stage, meddle).overwrite(once_only(MORE))
    assert (outcome.attempts, stage.stages) == (2, 1)
    assert rows(table) == [(3, "D"), (9, "z")]
    found = DeltaTable(table.uri).metadata()
    assert (found.description, found.configuration) == ("kept", {"delta.targetFileSize": "1000000"})
    log = Path(table.uri.removeprefix("file://")) / f"_delta_log/{outcome.version:020}.json"
    kinds = [next(iter(json.loads(line))) for line in log.read_text().splitlines()]
    assert sorted(kinds) == ["add", "commitInfo", "remove", "remove", "remove"]


def test_what_takes_appends_only_is_not_staged_for_an_overwrite(
    table: GuardedTable, make_native: Natives
) -> None:
    DeltaTable(table.uri).alter.set_table_properties({"delta.appendOnly": "true"})
    stage = make_native()
    with pytest.raises(ConflictError, match="appends only") as caught:
        guarded(table, stage).overwrite(MORE)
    assert caught.value.verdict.conflict is Conflict.APPEND_ONLY
    assert stage.stages == 0


def test_an_empty_stream_commits_its_transaction(
    table: GuardedTable, make_native: Natives, rows: Any
) -> None:
    writer = guarded(table, make_native())
    outcome = writer.append(MORE.slice(0, 0), app_id="loader", app_version=1)
    assert (outcome.status, outcome.version) == (Status.COMMITTED, 1)
    assert writer.append(MORE, app_id="loader", app_version=1).status is Status.ALREADY_COMMITTED
    writer.overwrite(MORE.slice(0, 0))
    assert rows(table) == []


def test_a_source_that_fails_commits_nothing(table: GuardedTable, make_native: Natives) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield from MORE.to_batches()
        raise RuntimeError("the source is gone")

    stage = make_native()
    with pytest.raises(Exception, match="the source is gone"):
        guarded(table, stage).append(pa.RecordBatchReader.from_batches(MORE.schema, batches()))
    with pytest.raises(InvalidOperation, match="list"):
        guarded(table, stage).append([1, 2])
    assert DeltaTable(table.uri).version() == 0


def test_the_commit_says_what_was_written_and_by_whom(
    table: GuardedTable, make_native: Natives
) -> None:
    ids = {"dfd.run_id": "nightly"}
    writer = GuardedTable(table.uri, commit_metadata=lambda: dict(ids))
    make_native(meanwhile=lambda: ids.update({"dfd.query_id": "q"})).on(writer)
    outcome = writer.append(MORE)
    (commit,) = writer.history(1)
    assert commit["dfd.operation_id"] == outcome.operation_id
    assert (commit["dfd.run_id"], commit["dfd.query_id"]) == ("nightly", "q")
    assert commit["operationMetrics"]["numOutputRows"] == "2"
    assert commit["operationMetrics"]["numFiles"] == "1"


def broken(native: Any, error: BaseException, *, landed: bool, times: int = 1) -> Any:
    """Commits whose answer is another than what became of them."""
    left = iter(range(times))

    def commit(make: Callable[[], None]) -> None:
        if next(left, None) is None:
            return make()
        if landed:
            make()
        raise error

    native.broken = commit
    return native


# The second is what a store says to the same request, sent again after its answer was lost.
@pytest.mark.parametrize("lost", [OSError("reset"), FileExistsError("1")])
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_commit_whose_answer_was_lost_keeps_its_files(
    table: GuardedTable, make_native: Natives, rows: Any, lost: Any, mode: str
) -> None:
    stage = broken(make_native(), lost, landed=True)
    outcome = getattr(guarded(table, stage), mode)(once_only(MORE))
    assert (outcome.status, outcome.version) == (Status.LANDED_AFTER_ERROR, 1)
    assert (outcome.metrics["rows"], outcome.metrics["files"]) == (2, 1)
    assert len(rows(table)) == (6 if mode == "append" else 2)


@pytest.mark.parametrize("error", [OSError("gone"), DeltaError("no checkpoint can be written")])
def test_where_the_log_cannot_be_read_the_files_stay(
    table: GuardedTable, make_native: Natives, caplog: Any, error: Exception
) -> None:
    stage = broken(make_native(), error, landed=True)
    writer = guarded(table, stage, attempts=1)

    def gone(version: int, last: int | None) -> list[LoggedCommit]:
        raise OSError("gone")

    writer._loop = writer._loop._replace(target=writer._loop.target._replace(commits_since=gone))
    with caplog.at_level(logging.WARNING), pytest.raises(RetriesExhausted, match="unknown"):
        writer.append(MORE)
    assert len(stage.files) == 1
    assert "its files stay" in caplog.text


@pytest.mark.parametrize("local", [True, False])
def test_a_commit_that_may_still_come_keeps_its_files(
    table: GuardedTable, make_native: Natives, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    """The version is nobody's yet: on an object store a request may be on its way."""
    monkeypatch.setattr(attempts, "ends_requests", lambda storage: local)
    stage = broken(make_native(), OSError("timed out"), landed=False, times=9)
    with pytest.raises(RetriesExhausted):
        guarded(table, stage, attempts=2).append(MORE)
    assert len(stage.files) == (0 if local else 1)
    stage = broken(make_native(), OSError("timed out"), landed=False)
    meddle = Meddle(lambda: append_elsewhere(table), calls=(1, 2))
    stage.meanwhile = lambda: append_elsewhere(table)

    def overtaken(make: Callable[[], None]) -> None:
        append_elsewhere(table)
        raise OSError("timed out")

    stage.broken = overtaken
    with pytest.raises(RetriesExhausted):
        guarded(table, stage, meddle, attempts=1).append(MORE)
    assert stage.files == []


@pytest.mark.parametrize("name", ["widening", "writers"])
def test_what_cannot_be_committed_to_is_refused_before_it_is_read(
    tmp_path: Path, make_native: Natives, name: str
) -> None:
    shutil.copytree(SPARK / name / "delta", tmp_path / "t")
    writer = GuardedTable(tmp_path / "t")
    stage = make_native()
    stage.on(writer)
    for work in (lambda: writer.append(MORE), lambda: writer.overwrite(MORE), writer.optimize):
        with pytest.raises(UnsupportedTable, match=r"typeWidening|rowTracking"):
            work()
    assert stage.stages == 0


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="deltalake 1.6.6 encodes the path of a remove anew: rows in partitions of letters "
    "beyond ASCII, as Spark writes them, outlive an overwrite",
)
def test_deltalakes_own_overwrite_removes_every_file(tmp_path: Path) -> None:
    shutil.copytree(SPARK / "partitions_odd/delta", tmp_path / "t")
    handle = DeltaTable(tmp_path / "t")
    handle.create_write_transaction([], "overwrite", handle.schema())
    assert DeltaTable(tmp_path / "t").file_uris() == []
