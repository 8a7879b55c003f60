"""Plain datafusion and deltalake are observed, until they aren't any more."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import deltalake
import dfd_obs
import pyarrow as pa
import pytest
from datafusion import DataFrame, SessionContext
from dfd_obs import DataFusionInstrumentor, ObservabilityConfig, Observer
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@pytest.fixture
def session() -> SessionContext:
    made = SessionContext()
    made.from_pydict({"a": [1, 2, 3], "b": ["x", "hush", "z"]}, name="t")
    return made


@pytest.fixture
def observer(session: SessionContext) -> Iterator[Observer]:
    made = Observer(ObservabilityConfig(slow_query_ms=0))
    assert dfd_obs.instrument(session, made) is made
    yield made
    dfd_obs.uninstrument()


def test_a_query_is_a_span_and_a_record(
    session: SessionContext, observer: Observer, spans: InMemorySpanExporter
) -> None:
    with dfd_obs.run("nightly"):
        rows = session.sql("select a from t where b <> 'hush'").to_arrow_table()
    assert rows.num_rows == 2
    (record,) = observer.records
    assert (record.summary, record.rows, record.status) == ("SELECT t", 2, "ok")
    assert record.run_id == "nightly"
    assert record.planning_s > 0
    assert record.plan is not None
    assert "FilterExec" in record.plan.text
    names = [span.name for span in spans.get_finished_spans()]
    assert sorted(names) == ["SELECT t", "execute", "plan"]
    assert "hush" not in "".join(span.to_json() for span in spans.get_finished_spans())


def test_what_fails_and_what_is_a_statement_is_recorded(
    session: SessionContext, observer: Observer
) -> None:
    with pytest.raises(Exception, match="nope"):
        session.sql("select nope from t")
    session.sql("create view v as select * from t")
    with pytest.raises(Exception, match=r"(?i)divide by zero"):
        session.sql("select 1 / (a - a) from t").collect()
    found = [(one.operation, one.status) for one in observer.records]
    assert found == [("SELECT", "error"), ("CREATE", "ok"), ("SELECT", "error")]
    assert observer.records[0].error_type is not None


def test_a_dataframe_is_observed_whoever_made_it(
    session: SessionContext, observer: Observer
) -> None:
    frame = session.table("t").limit(2)
    reads = ("collect", "collect_partitioned", "to_arrow_table", "to_pydict", "to_pylist")
    for read in reads:
        getattr(frame, read)()
        assert (observer.records[-1].summary, observer.records[-1].rows) == ("SELECT t", 2), read
    assert frame.count() == 2
    assert len(observer.records) == len(reads) + 1


def test_operations_of_deltalake_are_observed(
    observer: Observer, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    rows = pa.table({"a": [1, 2, 3]})
    deltalake.write_deltalake(tmp_path / "t", rows)
    table = deltalake.DeltaTable(tmp_path / "t")
    table.delete("a = 1")
    merge = table.merge(rows, "s.a = t.a", source_alias="s", target_alias="t")
    merge.when_not_matched_insert_all().execute()
    table.optimize.compact()
    table.alter.set_table_properties({"delta.appendOnly": "true"})
    with pytest.raises(Exception, match="append"):
        table.delete()
    found = [(one.operation, one.status) for one in observer.operations]
    assert found == [
        ("append", "ok"),
        ("delete", "ok"),
        ("merge", "ok"),
        ("optimize", "ok"),
        ("set_table_properties", "ok"),
        ("delete", "error"),
    ]
    assert all(str(tmp_path) in one.uri for one in observer.operations)
    assert len(spans.get_finished_spans()) == 6


def test_what_is_observed_already_is_not_observed_twice(
    session: SessionContext, observer: Observer
) -> None:
    scope = observer.start_query("select 1")
    with scope.activate():
        session.sql("select a from t").collect()
    scope.finish(rows=0)
    assert len(observer.records) == 1


def test_afterwards_all_is_as_it_was(session: SessionContext) -> None:
    before = (DataFrame.collect, SessionContext.sql, deltalake.write_deltalake)
    instrumentor = DataFusionInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    try:
        assert DataFrame.collect is not before[0]
        assert dfd_obs.instrument() is dfd_obs.instrument()
        observer = dfd_obs.instrument()
        session.sql("select a from t").collect()
        assert len(observer.records) == 1
    finally:
        instrumentor.uninstrument()
        instrumentor.uninstrument()
    assert (DataFrame.collect, SessionContext.sql, deltalake.write_deltalake) == before
    assert "sql" not in vars(session)
    session.sql("select a from t").collect()
    assert len(observer.records) == 1


def test_opentelemetry_finds_it() -> None:
    (found,) = [
        one
        for one in entry_points(group="opentelemetry_instrumentor")
        if one.dist is not None and one.dist.name == "dfd-obs"
    ]
    assert found.load() is DataFusionInstrumentor
