"""What is asked: TPC-H, selective reads of a sorted table, opening a long log, and the crossing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scan import candidates, data
from benchmarks.scan.measure import Work

if TYPE_CHECKING:
    from datafusion.plan import LogicalPlan
    from dfd.runtime import Runtime

QUERIES = Path(__file__).with_name("queries")
SMALL = "select n_name from nation where n_nationkey = 7"


def tpch_queries(scale: float) -> dict[str, str]:
    """The 22 queries with their validation parameters, by name (`q01`)."""
    # Q11's fraction falls with the scale, as the specification has it.
    return {
        path.stem: path.read_text().replace("{fraction}", f"{0.0001 / scale:.10f}")
        for path in sorted(QUERIES.glob("*.sql"))
    }


def range_queries(scale: float) -> dict[str, str]:
    """Reads of `keys` that need little of it."""
    rows = data.key_rows(scale)
    first = rows * 7 // 11
    return {
        "key range": "select count(*) as n, sum(value) as total from keys "
        f"where id between {first} and {first + rows // 1_000 - 1}",
        "point": f"select * from keys where id = {first}",
        "min/max": "select min(id) as a, max(id) as b, min(day) as c, max(day) as d from keys",
        "TopK": "select id, code, label from keys order by code desc limit 10",
        "TopK by key": "select id, code, label from keys order by id desc limit 10",
        "TopK of floats": "select id, value, label from keys order by value desc limit 10",
    }


def works(
    tables: tuple[data.Stored, ...], queries: dict[str, str], names: list[str]
) -> tuple[dict[str, dict[str, Work]], dict[str, str]]:
    """The queries by task and candidate, and the candidates that can't be had, with the reason."""
    opened: dict[str, candidates.Candidate] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            opened[name] = candidates.opened(name, tables)
        except candidates.Unavailable as reason:
            missing[name] = str(reason)

    def work(candidate: candidates.Candidate, sql: str) -> Work:
        return lambda: candidate.run(sql)

    return {
        task: {name: work(candidate, sql) for name, candidate in opened.items()}
        for task, sql in queries.items()
    }, missing


def opening_seconds(name: str, table: data.Stored) -> float:
    """From a URI to the answer of `count(*)`, once, in a process of its own that has made its session."""
    command = [sys.executable, "-m", "benchmarks.scan.tasks", name, table.delta, table.parquet]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(json.loads(done.stdout))


def _open_once(name: str, table: data.Stored) -> float:
    candidate = candidates.opened(name, ())
    started = time.perf_counter()
    candidate.register(table)
    answer = candidate.run("select count(*) as n from keys")
    seconds = time.perf_counter() - started
    assert answer["n"].to_pylist()[0] >= data.MANY, answer
    return seconds


def crossing(scale: float, repeats: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of planning, by query: in the session, and across into the engine.

    - `session`: SQL to physical plan, in the runtime's own session.
    - `engine`: `runtime.sql` and `explain`: a look at the logs, SQL, and the engine's physical plan.
    - `refresh`: of that, the look at the logs.
    - `written`: the optimized plan as bytes, and `plan_bytes`, how many.
    - `crossing`: `Engine.run`, from an optimized plan to a stream: writing, reading, physical planning.
    """
    runner = candidates.opened("engine", data.tpch(scale))
    assert isinstance(runner, candidates.Engine)
    found = {}
    for name, sql in {"small": SMALL, **tpch_queries(scale)}.items():
        optimized = runner.runtime.session.sql(sql).optimized_logical_plan()
        seconds: dict[str, list[float]] = {}
        for _ in range(repeats):
            for step, work in _steps(runner.runtime, sql, optimized).items():
                started = time.perf_counter()
                work()
                seconds.setdefault(step, []).append(time.perf_counter() - started)
        found[name] = {step: statistics.median(each) * 1_000 for step, each in seconds.items()}
        found[name]["plan_bytes"] = len(optimized.to_bytes(runner.runtime.session))
    return found


def _steps(runtime: Runtime, sql: str, optimized: LogicalPlan) -> dict[str, Callable[[], object]]:
    session = runtime.session
    schema = session.create_dataframe_from_logical_plan(optimized).schema()
    return {
        "session": lambda: session.sql(sql).execution_plan(),
        "engine": lambda: runtime.sql(sql).explain(),
        "looks": lambda: [session.table(table.name) for table in runtime.tables()],
        "written": lambda: optimized.to_bytes(session),
        "crossing": lambda: runtime.engine.run(optimized, session, schema, is_sql=True),
    }


if __name__ == "__main__":
    print(_open_once(sys.argv[1], data.Stored("keys", *sys.argv[2:])))
