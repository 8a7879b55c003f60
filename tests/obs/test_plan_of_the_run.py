"""However a query ends, it leaves one record: of that very run, with its plan and its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from datafusion import udf
from dfd_obs import ObservabilityConfig, PlanOperator, QueryRecord

ROWS = 20_000
Run = Callable[[dfd.Runtime, str, Path], int | None]


class Counted:
    """A function that counts the rows it is called with."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, ids: pa.Array) -> pa.Array:
        self.rows += len(ids)
        return ids


def read(runtime: dfd.Runtime, sql: str, _: Path) -> int:
    return int(runtime.sql(sql).to_arrow_table().num_rows)


def dropped(runtime: dfd.Runtime, sql: str, _: Path) -> int:
    reader = runtime.sql(sql).reader()
    rows = reader.read_next_batch().num_rows
    del reader
    return int(rows)


def failing(runtime: dfd.Runtime, sql: str, _: Path) -> None:
    with pytest.raises(dfd.QueryError):
        runtime.sql(sql.replace("select ", "select cast(code as int) as n, ", 1)).to_arrow_table()


def cancelled(runtime: dfd.Runtime, sql: str, _: Path) -> int:
    """Ctrl-C between two batches, as Python raises it."""
    rows = 0

    def interrupted() -> None:
        nonlocal rows
        for batch in runtime.sql(sql):
            rows += batch.num_rows
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    return rows


def written(runtime: dfd.Runtime, sql: str, directory: Path) -> int:
    runtime.write(directory / "copy", runtime.sql(sql))
    return ROWS


ENDS: dict[str, tuple[Run, str]] = {
    "read": (read, "ok"),
    "dropped": (dropped, "abandoned"),
    "failing": (failing, "error"),
    "cancelled": (cancelled, "abandoned"),
    "written": (written, "ok"),
}


@pytest.fixture
def small_batches(tmp_path: Path) -> dfd.Runtime:
    config = ObservabilityConfig(slow_query_ms=0, record_sql="text")
    runtime = dfd.connect(observability=config, session={"datafusion.execution.batch_size": "1000"})
    ids = list(range(ROWS))
    for part in range(4):
        mine = ids[part * ROWS // 4 : (part + 1) * ROWS // 4]
        runtime.write(tmp_path / "t", pa.table({"id": mine, "code": [f"c{n}" for n in mine]}))
    runtime.register("t", tmp_path / "t")
    return runtime


def operators(record: QueryRecord) -> list[PlanOperator]:
    assert record.plan is not None
    assert record.plan.plan is not None
    return [one for _, one in record.plan.plan.walk()]


@pytest.mark.parametrize("route", ["engine", "session"])
@pytest.mark.parametrize("end", ENDS)
def test_it_leaves_one_record_with_its_plan_and_its_rows(
    small_batches: dfd.Runtime, tmp_path: Path, end: str, route: str
) -> None:
    runtime = small_batches
    sql = "select id, code from t where id >= 0"
    if route == "session":
        sql += " and exists (select 1 from information_schema.tables)"
    run, status = ENDS[end]
    rows = run(runtime, sql, tmp_path)
    (record,) = runtime.observer.records
    assert (record.status, record.route) == (status, route)
    assert record.tables == {"t": 3}
    found = operators(record)
    assert any(one.node_type in ("DataSourceExec", "DeltaScanExec") for one in found)
    if rows is not None:
        assert record.rows == rows
        assert max(one.rows or 0 for one in found) >= rows
    if status == "ok":
        assert found[0].rows == rows == ROWS


def counting(ids: pa.Array) -> pa.Array:
    """Notes in a file, which every copy of the function knows, how many rows it is called with."""
    import os

    with open(os.environ["DFD_COUNTED"], "a") as file:  # noqa: PTH123
        file.write(f"{len(ids)}\n")
    return ids


@pytest.mark.parametrize("route", ["engine", "session"])
def test_the_plan_is_of_a_run_that_happened_once(
    tmp_path: Path, uri: Path, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "counted"
    monkeypatch.setenv("DFD_COUNTED", str(noted))
    runtime = dfd.connect(observability=ObservabilityConfig(slow_query_ms=0))
    runtime.register("t", uri)
    counted = Counted()
    # What has a state of its own stays where that is.
    called = counting if route == "engine" else counted
    runtime.session.register_udf(udf(called, [pa.int64()], pa.int64(), "immutable", name="counted"))
    assert runtime.sql("select counted(id) from t").to_arrow_table().num_rows == ROWS
    (record,) = runtime.observer.records
    assert record.route == route
    assert operators(record)[0].rows == ROWS
    runtime.report().save(tmp_path / "report")
    rows = sum(map(int, noted.read_text().split())) if route == "engine" else counted.rows
    assert rows == ROWS
