"""Rows of a query in Python: batch by batch, as tuples, and in an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dfd
import pyarrow as pa
import pytest

BIG = "select value as n from generate_series(1, 300000)"


def test_batches_are_iterated(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql(BIG)
    batches = list(query)
    assert all(isinstance(batch, pa.RecordBatch) for batch in batches)
    assert sum(batch.num_rows for batch in batches) == 300_000
    assert len(batches) > 1
    with pytest.raises(TypeError):
        len(query)  # type: ignore[arg-type]


def test_rows_are_tuples_whatever_the_names(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql(
        "select a.id, a.s, b.id from t a join t b on a.id = b.id where a.id > 2 order by 1"
    )
    assert query.fetch_all() == [(3, None, 3), (4, "d", 4)]
    assert query.fetch_one() == (3, None, 3)
    assert runtime.sql("select id from t where false").fetch_one() is None
    assert runtime.sql("create view v as select 1").fetch_all() == []


@pytest.mark.parametrize(
    "value",
    ["arrow_cast(99999999, 'Date32')", "arrow_cast(9e17::bigint, 'Timestamp(Second, None)')"],
)
def test_values_that_python_has_not_got(runtime: dfd.Runtime, value: str) -> None:
    query = runtime.sql(f"select {value} as far")
    with pytest.raises(dfd.QueryError, match=r"'far'.*cast it"):
        query.fetch_all()
    assert query.to_arrow_table().num_rows == 1


def test_one_row_reads_no_further(runtime: dfd.Runtime) -> None:
    assert runtime.sql(BIG).fetch_one() == (1,)
    record = runtime.observer.records[-1]
    assert (record.status, record.rows < 300_000) == ("abandoned", True)


def test_the_event_loop_goes_on(runtime: dfd.Runtime) -> None:
    async def read() -> tuple[int, int]:
        turns = rows = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(turn())
        async for batch in runtime.sql(BIG):
            rows += batch.num_rows
        other.cancel()
        return rows, turns

    rows, turns = asyncio.run(read())
    assert rows == 300_000
    assert turns > 10


def test_an_error_comes_out_of_the_loop(runtime: dfd.Runtime, uri: Path) -> None:
    async def read() -> None:
        async for _ in runtime.sql("select 1 / (id - id) from t"):
            pass

    with pytest.raises(dfd.QueryError, match=r"(?i)divide by zero"):
        asyncio.run(read())


def test_what_objects_say_of_themselves(runtime: dfd.Runtime, uri: Path) -> None:
    query = runtime.sql("select id,\n  s from t")
    assert repr(query) == '<dfd.Query "select id, s from t" (id: int64, s: string), not run>'
    assert runtime.observer.records == ()
    query.to_arrow_table()
    assert repr(query).endswith(f", run {query.id}>")
    long = runtime.sql("select " + ", ".join(f"{n} as c{n}" for n in range(500)))
    assert len(repr(long)) < 400
    assert "492 more" in repr(long)
    assert repr(runtime) == "<dfd.Runtime: 1 table(s) registered, 0 storage profile(s)>"
    assert repr(runtime.table("t")) == f"<dfd_delta_policy.GuardedTable file://{uri}>"
