"""What is recorded of a query begins with `runtime.sql`, and tells dfd's time from that of its user."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from dfd_obs import ObservabilityConfig


class Clock:
    """The time that passes, and what a test adds to it."""

    added_s = 0.0

    def __call__(self) -> float:
        return time.perf_counter() + self.added_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def runtime(clock: Clock) -> Iterator[dfd.Runtime]:
    config = ObservabilityConfig(slow_query_ms=1_000_000)
    with dfd.connect(observability=config) as connected:
        connected.observer.seconds = clock
        yield connected


SQL = "select value as n from generate_series(1, 30000)"
IN_SESSION = "select a.name, b.name as m from information_schema.df_settings a, information_schema.df_settings b"


# A stream of the engine that another library reads itself isn't timed.
@pytest.mark.parametrize(
    ("sql", "by"), [(SQL, "reader"), (IN_SESSION, "reader"), (IN_SESSION, "stream")]
)
def test_a_slow_reader_makes_no_slow_query(
    runtime: dfd.Runtime, clock: Clock, sql: str, by: str
) -> None:
    query = runtime.sql(sql)
    clock.added_s += 2_000  # held before it is read
    reader = query.reader() if by == "reader" else pa.RecordBatchReader.from_stream(query)
    reader.read_next_batch()
    clock.added_s += 3_000  # between two batches
    reader.read_all()
    (record,) = runtime.observer.records
    assert record.status == "ok"
    assert 5_000 <= record.consumer_s < 5_900
    assert 0 < record.duration_s < 900
    assert not record.slow


def test_what_is_dropped_half_way_is_timed_as_well(runtime: dfd.Runtime, clock: Clock) -> None:
    reader = runtime.sql(SQL).reader()
    reader.read_next_batch()
    clock.added_s += 3_000
    del reader
    (record,) = runtime.observer.records
    assert record.status == "abandoned"
    assert record.consumer_s >= 3_000
    assert record.duration_s < 900


def test_the_time_of_planning_is_dfds(
    runtime: dfd.Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renew() -> None:
        clock.added_s += 4_000

    monkeypatch.setattr(runtime, "_renew", renew)
    runtime.sql(SQL).to_arrow_table()
    (record,) = runtime.observer.records
    assert record.planning_s >= 4_000
    assert record.execution_s < 900
    assert record.duration_s == record.refresh_s + record.planning_s + record.execution_s
    assert record.slow


def test_each_run_has_a_preparation_of_its_own(runtime: dfd.Runtime, clock: Clock) -> None:
    query = runtime.sql(SQL)
    query.to_arrow_table()
    clock.added_s += 3_000
    query.to_arrow_table()
    first, second = runtime.observer.records
    assert second.consumer_s < 900
    assert (second.started_at - first.started_at).total_seconds() > 0
    assert first.query_id != second.query_id
    assert first.summary == second.summary == "SELECT generate_series()"


def test_what_a_statement_takes_is_execution(runtime: dfd.Runtime) -> None:
    query = runtime.sql("create view v as select 1 as a")
    (record,) = runtime.observer.records
    assert (record.summary, record.route, record.status) == ("CREATE", "session", "ok")
    assert record.execution_s > 0
    assert query.id == record.query_id
    # It has run; to read its empty result is no other run.
    assert query.to_arrow_table().num_rows == 0
    assert runtime.observer.records == (record,)


def test_a_statement_that_fails_when_it_runs_is_a_query(runtime: dfd.Runtime) -> None:
    query = runtime.sql("start transaction")
    assert runtime.observer.records == ()
    with pytest.raises(dfd.QueryError, match="TransactionStart"):
        query.to_arrow_table()
    (record,) = runtime.observer.records
    assert (record.status, record.query_id) == ("error", query.id)


def test_what_fails_before_it_is_a_query_is_recorded(runtime: dfd.Runtime, tmp_path: Path) -> None:
    runtime.write(tmp_path / "t", pa.table({"id": [1]}))
    runtime.register("t", tmp_path / "t")
    for sql, operation in (
        ("selec 1", None),
        ("select nope from t", "SELECT"),
        ("delete from nowhere where id = 1", "DELETE"),
    ):
        with pytest.raises(dfd.QueryError) as failure:
            runtime.sql(sql)
        record = runtime.observer.records[-1]
        assert (record.status, record.error_type) == ("error", "QueryError")
        assert record.operation == operation
        assert record.query_id == failure.value.query_id
    assert len(runtime.observer.records) == 3


def test_a_script_is_recorded_statement_by_statement(runtime: dfd.Runtime) -> None:
    with pytest.raises(dfd.ScriptError):
        runtime.sql("create view v as select 1 as a; select nope from v; select 1")
    found = [(one.operation, one.status) for one in runtime.observer.records]
    assert found == [("CREATE", "ok"), ("SELECT", "error")]


def test_the_namespace_is_that_of_the_settings(runtime: dfd.Runtime) -> None:
    from dfd.preparing import default_namespace

    assert default_namespace(runtime.session) == "datafusion.public"
    runtime.sql("create schema lake")
    runtime.sql("set datafusion.catalog.default_schema = 'lake'")
    assert default_namespace(runtime.session) == "datafusion.lake"
    assert runtime.sql("select 1")._preparation.namespace == "datafusion.lake"
