"""Plans of a session run in the engine, and travel to other processes."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext
from deltalake import write_deltalake

READ = """
import sys
import dfd_native, pyarrow as pa
from datafusion import SessionConfig, SessionContext
from datafusion.plan import ExecutionPlan, LogicalPlan
session = SessionContext().with_extensions(dfd_native.DeltaExtension())
kind, data = sys.argv[1], sys.stdin.buffer.read()
if kind == "logical":
    frame = session.create_dataframe_from_logical_plan(LogicalPlan.from_bytes(session, data))
    rows = frame.to_arrow_table()
else:
    plan = ExecutionPlan.from_bytes(session, data)
    rows = pa.Table.from_batches(
        [batch.to_pyarrow() for n in range(plan.partition_count) for batch in session.execute(plan, n)]
    )
print(sorted(rows.column("id").to_pylist()))
"""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    table = pa.table({"id": list(range(100)), "p": [n % 3 for n in range(100)]})
    write_deltalake(tmp_path / "t", table, partition_by=["p"])
    return (tmp_path / "t").as_uri()


@pytest.fixture
def session(uri: str) -> SessionContext:
    made = SessionContext().with_extensions(dfd_native.DeltaExtension())
    made.register_table("t", dfd_native.delta_table(uri))
    return made


def read_elsewhere(kind: str, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", READ, kind], input=data, capture_output=True, check=False
    )


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_a_plan_gives_the_same_rows_in_another_process(session: SessionContext, kind: str) -> None:
    frame = session.sql("select id from t where p = 1 and id < 50")
    plan = frame.optimized_logical_plan() if kind == "logical" else frame.execution_plan()
    done = read_elsewhere(kind, plan.to_bytes(session))
    assert done.stdout.decode().strip() == str([n for n in range(50) if n % 3 == 1]), done.stderr


def test_a_table_in_memory_is_refused_elsewhere(session: SessionContext) -> None:
    session.from_pydict({"id": [1]}, name="memory")
    plan = session.sql("select id from memory").optimized_logical_plan()
    done = read_elsewhere("logical", plan.to_bytes(session))
    assert done.returncode == 1
    assert b"memory of another process" in done.stderr


def test_bytes_of_tables_in_memory_are_good_once(session: SessionContext) -> None:
    engine = dfd_native.Engine()
    session.from_pydict({"id": [1, 2]}, name="memory")
    data = session.sql("select id from memory").optimized_logical_plan().to_bytes(session)
    assert pa.table(engine.run(data, session)).to_pydict() == {"id": [1, 2]}
    with pytest.raises(dfd_native.EngineRefusal, match="is read once"):
        engine.run(data, session)


def test_queries_over_tables_in_memory_leave_nothing(session: SessionContext) -> None:
    engine = dfd_native.Engine()
    session.from_pydict({"x": list(range(100_000))}, name="memory")
    plan = session.sql("select sum(x) as s from memory").optimized_logical_plan()

    def run(times: int) -> int:
        for _ in range(times):
            assert pa.table(engine.run(plan, session)).num_rows == 1
        gc.collect()
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0])

    before = run(200)
    assert run(1000) - before < 30_000
    assert engine.reserved_bytes == 0


def test_a_run_is_read_once(session: SessionContext) -> None:
    run = dfd_native.Engine().run(session.sql("select 1 as a").optimized_logical_plan(), session)
    assert run.route == "engine"
    assert pa.table(run).to_pydict() == {"a": [1]}
    with pytest.raises(dfd_native.EngineError, match="read once"):
        pa.table(run)


def test_memory_is_limited_and_aggregates_spill(session: SessionContext, tmp_path: Path) -> None:
    session.sql("set datafusion.execution.target_partitions = 1").collect()
    engine = dfd_native.Engine(memory_limit_bytes=48_000_000, spill_directory=tmp_path)
    sql = "select value as n, count(*) as c from generate_series(1, 4000000) group by value"
    run = engine.run(session.sql(sql).optimized_logical_plan(), session)
    plan = run.plan
    assert sum(pa.record_batch(batch).num_rows for batch in run) == 4_000_000
    nodes, spilled = [plan], 0
    while nodes:
        node = nodes.pop()
        nodes += node.children()
        metrics = node.metrics()
        spilled += (
            sum(m.value for m in metrics.metrics() if m.name == "spill_count") if metrics else 0
        )
    assert spilled > 0


DYNAMIC = "datafusion.optimizer.enable_{}dynamic_filter_pushdown"
FILTERED = {
    "join_": "select l.id from t l join t r on l.id = r.id where r.p = 1",
    "topk_": "select id from t order by id limit 3",
}


@pytest.mark.parametrize("kind", FILTERED)
@pytest.mark.parametrize("form", ["set", "config"])
def test_each_dynamic_filter_has_its_own_switch(uri: str, kind: str, form: str) -> None:
    """The switch of all of them, which is on, would switch each on again."""
    config = SessionConfig()
    if form == "config":
        config = config.set(DYNAMIC.format(kind), "false")
    session = SessionContext(config).with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", dfd_native.delta_table(uri))
    if form == "set":
        session.sql(f"set {DYNAMIC.format(kind)} = false").collect()
    engine = dfd_native.Engine()

    def has_filter(other: str) -> bool:
        plan = session.sql(FILTERED[other]).optimized_logical_plan()
        return "DynamicFilter" in engine.run(plan, session, is_sql=True).explain()

    assert {other: has_filter(other) for other in FILTERED} == {
        other: other != kind for other in FILTERED
    }
    session.sql(f"set {DYNAMIC.format(kind)} = true").collect()
    assert has_filter(kind)
    session.sql(f"set {DYNAMIC.format('')} = false").collect()
    assert not any(map(has_filter, FILTERED))
