"""The public API as a user's type checker sees it."""

from __future__ import annotations

from typing import Any

import dfd
import pyarrow as pa
from dfd_cache import CacheConfig
from dfd_delta_policy import Outcome


def use(data: pa.Table) -> None:
    profile = dfd.DataFusionRuntimeProfile(cache=CacheConfig.off())

    def report(progress: dfd.Progress) -> None:
        took: float = progress.elapsed_s
        print(progress.what, progress.step, progress.rows, took, progress.is_done)

    with dfd.connect(profile, progress=report) as runtime:
        outcome: Outcome = runtime.write("/data/t", data, app_id="a", app_version=1)
        runtime.register("t", "/data/t", version=outcome.version, pinned=True)
        query: dfd.Query = runtime.sql("select 1 as x", params={"x": 1})
        staged: Outcome = runtime.write("/data/u", query, mode="overwrite", sort_by=["x"])
        left: int = sum(stage.bytes for stage in runtime.abandoned_stages("/data/u"))
        reader: pa.RecordBatchReader = pa.RecordBatchReader.from_stream(query)
        again: dfd.Query = runtime.query(query.dataframe)
        merged: Outcome = (
            runtime.merge("/data/t", data, "s.a = t.a").when_matched_delete().execute()
        )
        deleted = runtime.sql("delete from t where a = $a; select 1", {"a": 1})
        done: Outcome | None = deleted.outcome
        runtime.register_schema("lake", "/data/lake")
        assert done is None or done.version
        plan: str = again.explain(analyze=True)
        query_id: str | None = query.id
        print(
            staged, left, reader, merged, plan, query_id, query.metrics()[0].operator, query.route
        )
        runtime.report().save("report")
        rows: list[tuple[Any, ...]] = query.fetch_all()
        first: tuple[Any, ...] | None = query.fetch_one()
        batches: list[pa.RecordBatch] = list(query)
        drawn: str = str(query.plan())
        print(rows, first, batches, drawn)
        runtime.write("t", data)
        tables: list[dfd.RegisteredTable] = runtime.tables()
        taken: bool = runtime.unregister(tables[0].name)
        assert taken, tables[0].version


async def read(query: dfd.Query) -> int:
    return sum([batch.num_rows async for batch in query])


def by_dbapi() -> tuple[Any, ...] | None:
    entries = (dfd.TableEntry(name="orders", uri="/data/orders"),)
    schemas = (dfd.SchemaEntry(name="lake", uri="/data/lake"),)
    profile = dfd.DataFusionRuntimeProfile(tables=entries, schemas=schemas)
    with dfd.dbapi.connect(profile) as connection, connection.cursor() as cursor:
        cursor.execute("select :a", {"a": 1})
        return cursor.fetchone()
