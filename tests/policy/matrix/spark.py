"""Tables that Spark wrote, with deletion vectors and mapped columns, and what is done to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext
from deltalake import DeltaTable
from model import Row, Table, appended, overwritten, same, upserted
from operations import Operation, merging

SUITE = Path(__file__).parents[2] / "conformance/spark"


@dataclass(frozen=True)
class SparkTable:
    """A table of the suite: its path, its newest version, and its versions as Spark reads them."""

    path: Path
    text: str
    versions: tuple[Table, ...]

    @classmethod
    def of(cls, name: str, text: str) -> SparkTable:
        """A table by its name; `text` is a column of it that operations change."""
        found: tuple[Table, ...] = ()
        for number in range(DeltaTable(SUITE / name / "delta").version() + 1):
            rows = pq.ParquetFile(SUITE / name / f"expected/{number}.parquet").read()
            found += (Table(rows.to_pylist(), tuple(rows.column_names), past=found),)
        return cls(SUITE / name / "delta", text, found)

    @property
    def newest(self) -> int:
        """The version that all begin with."""
        return len(self.versions) - 1

    def operations(self) -> dict[str, Operation]:
        """What is done to it: half of the rows are removed or changed, each time another half."""
        rows, text = self.versions[-1].rows, self.text
        ids = sorted(row["id"] for row in rows)
        middle = ids[len(ids) // 2]
        schema = read(self.path).schema

        new = max(ids) + 1_000

        def source(shared: int) -> Callable[[int], pa.Table]:
            def brought(writer: int) -> pa.Table:
                made = [rows[0] | {"id": i, text: f"by {writer}"} for i in (shared, new + writer)]
                return pa.Table.from_pylist(made, schema=schema)

            return brought

        def updated(table: Table, writer: int, source: list[Row]) -> Table:
            changed = {text: f"by {writer}"}
            return table.put([r | changed if r["id"] % 2 else r for r in table.rows])

        def deleted(table: Table, writer: int, source: list[Row]) -> Table:
            return table.put([row for row in table.rows if row["id"] >= middle])

        def restored(table: Table, writer: int, source: list[Row]) -> Table:
            return table.past[self.newest - 1].but(past=table.past)

        def unused(table: DeltaTable, writer: int, source: object) -> None:
            raise AssertionError("bare deltalake isn't tried on these tables")

        made = (
            Operation(
                "append",
                lambda table, writer, source: table.append(source),
                unused,
                appended,
                source(new),
                stages=True,
            ),
            Operation(
                "overwrite",
                lambda table, writer, source: table.overwrite(source),
                unused,
                overwritten,
                source(new),
                stages=True,
            ),
            Operation(
                "delete",
                lambda table, writer, source: table.delete(f"id < {middle}"),
                unused,
                deleted,
            ),
            Operation(
                "update",
                lambda table, writer, source: table.update({text: f"'by {writer}'"}, "id % 2 = 1"),
                unused,
                updated,
            ),
            merging(
                "upsert",
                source(middle),
                upserted,
                "when_matched_update_all",
                "when_not_matched_insert_all",
            ),
            Operation(
                "compact",
                lambda table, writer, source: table.optimize(),
                unused,
                same,
                stages=True,
            ),
            Operation(
                "z-order",
                lambda table, writer, source: table.z_order(["id"]),
                unused,
                same,
                stages=True,
            ),
            Operation(
                "restore",
                lambda table, writer, source: table.restore(self.newest - 1),
                unused,
                restored,
            ),
        )
        return {operation.name: operation for operation in made}


def read(path: Path, version: int | None = None) -> pa.Table:
    """A version as dfd-native reads it."""
    session = SessionContext()
    session.register_table("t", dfd_native.delta_table(path.as_uri(), version=version))
    return session.sql("select * from t").to_arrow_table()
