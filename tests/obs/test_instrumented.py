"""What a runtime does is observed by its own observer alone, also where plain datafusion and deltalake are observed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import deltalake
import dfd
import dfd_obs
import pyarrow as pa
import pytest
from datafusion import SessionContext, col, functions
from dfd_obs import Observer


@pytest.fixture
def plain() -> Iterator[Observer]:
    yield dfd_obs.instrument()
    dfd_obs.uninstrument()


def test_nothing_is_observed_twice(runtime: dfd.Runtime, uri: Path, plain: Observer) -> None:
    rows = pa.table({"id": [1], "code": ["c0"]})
    runtime.sql("select id from flights").to_arrow_table()
    runtime.sql("select table_name from information_schema.tables").to_pandas()
    runtime.sql("create view v as select 1 as a")
    frame = runtime.session.table("flights").select(functions.abs(col("id")).alias("x"))
    runtime.query(frame).to_arrow_table()
    with pytest.raises(dfd.QueryError):
        runtime.sql("select nope from flights")
    runtime.write(uri, rows)
    runtime.sql("delete from flights where id = 1")
    runtime.table(uri).add_constraint({"positive": "id >= 0"})
    runtime.restore(uri, 0)
    assert len(runtime.observer.records) == 5
    # Those of the fixture too.
    assert len(runtime.observer.operations) == 6
    assert (plain.records, plain.operations) == ((), ())


def test_both_are_one_trace_and_one_run(
    runtime: dfd.Runtime, uri: Path, plain: Observer, tmp_path: Path
) -> None:
    with dfd_obs.run("job"):
        table = runtime.sql("select id from flights limit 5").to_arrow_table()
        deltalake.write_deltalake(tmp_path / "plain", table)
        session = SessionContext()
        session.from_arrow(table, name="few")
        session.sql("select id from few").collect()
    (query,) = plain.records
    (operation,) = plain.operations
    assert {query.run_id, operation.run_id, runtime.observer.records[-1].run_id} == {"job"}
