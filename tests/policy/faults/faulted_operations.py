"""Every mutation of a table, with what it makes of the table's rows.

The table is `[id, v, p]`, partitioned by `p`: ids 0 to 6, the odd ones in "b", `v` 0. See `lay_out`. The one that is
called `marked` has deletion vectors on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
from dfd_delta_policy import GuardedTable, Outcome

Row = tuple[Any, ...]
Rows = list[Row]

GAINED: Rows = [(100, 1, "a"), (101, 1, "b")]
SOURCE: Rows = [(1, 5, "b"), (2, 5, "a"), (102, 5, "a")]


class Mutation(NamedTuple):
    """A call, and the rows it leaves of those that were there; `commits` are its versions, `table` what it begins with."""

    run: Callable[[GuardedTable], Outcome]
    effect: Callable[[Rows], Rows]
    commits: int = 1
    table: str = "plain"


def table_of(rows: Rows) -> pa.Table:
    """The rows as data."""
    ids, values, partitions = zip(*rows, strict=True)
    return pa.table(
        {"id": pa.array(ids, pa.int64()), "v": pa.array(values, pa.int64()), "p": list(partitions)}
    )


def stream_of(rows: Rows) -> pa.RecordBatchReader:
    """The rows as a stream, which can be read once."""
    return pa.RecordBatchReader.from_batches(
        table_of(rows).schema, iter(table_of(rows).to_batches())
    )


def with_w(rows: Rows) -> pa.Table:
    """The rows as data, with a column that the table hasn't."""
    return table_of(rows).append_column("w", pa.array([7] * len(rows), pa.int64()))


TABLES = ("plain", "marked")
NO_TABLE = "none"


def lay_out(table: GuardedTable, name: str) -> None:
    """Make a table with which mutations begin; two files of each partition, and one to vacuum."""
    for ids in ((0, 1, 2, 3), (4, 5, 6, 7)):
        rows = [(id_, 0, "ab"[id_ % 2]) for id_ in ids]
        assert table.append(table_of(rows), partition_by=["p"]).version == ids[0] // 4
    table.set_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 seconds", "of.all": "tables"}
    )
    table.add_constraint({"counted": "v >= 0"})
    if name == "marked":
        table.set_properties({"delta.enableDeletionVectors": "true"})
    table.delete("id = 7")


RESTORED = 3
MERGE = "t.id = s.id"


def _upsert(table: GuardedTable) -> Outcome:
    merge = table.merge(stream_of(SOURCE), MERGE, source_alias="s", target_alias="t")
    merge.when_matched_update({"v": "t.v + s.v"}).when_not_matched_insert_all()
    return merge.execute()


def _upserted(rows: Rows) -> Rows:
    gains = {id_: v for id_, v, _ in SOURCE}
    return _with_the_unmatched([(id_, v + gains.get(id_, 0), p) for id_, v, p in rows])


def _with_the_unmatched(rows: Rows) -> Rows:
    there = {id_ for id_, _, _ in rows}
    return rows + [row for row in SOURCE if row[0] not in there]


MUTATIONS = {
    "create": Mutation(
        lambda t: t.create(table_of(GAINED).schema, partition_by=["p"], properties={"by": "grid"}),
        lambda rows: rows,
        table=NO_TABLE,
    ),
    "append": Mutation(lambda t: t.append(stream_of(GAINED)), lambda rows: rows + GAINED),
    "append with app_id": Mutation(
        lambda t: t.append(stream_of(GAINED), app_id="grid", app_version=1),
        lambda rows: rows + GAINED,
    ),
    "append with another column": Mutation(
        lambda t: t.append(with_w(GAINED), schema_mode="merge"),
        lambda rows: [(*row, None) for row in rows] + [(*row, 7) for row in GAINED],
    ),
    "overwrite": Mutation(lambda t: t.overwrite(stream_of(GAINED)), lambda rows: GAINED),
    "overwrite of a partition": Mutation(
        lambda t: t.overwrite(stream_of([(103, 1, "a")]), predicate="p = 'a'"),
        lambda rows: [row for row in rows if row[2] != "a"] + [(103, 1, "a")],
    ),
    "overwrite of rows": Mutation(
        lambda t: t.overwrite(stream_of([(3, 9, "b")]), predicate="id = 3"),
        lambda rows: [row for row in rows if row[0] != 3] + [(3, 9, "b")],
    ),
    "delete": Mutation(
        lambda t: t.delete("id in (2, 3)"),
        lambda rows: [row for row in rows if row[0] not in (2, 3)],
    ),
    "delete by vectors": Mutation(
        lambda t: t.delete("id in (2, 3)"),
        lambda rows: [row for row in rows if row[0] not in (2, 3)],
        table="marked",
    ),
    "delete of all": Mutation(lambda t: t.delete(), lambda rows: []),
    "update": Mutation(
        lambda t: t.update({"v": "v + 1"}), lambda rows: [(i, v + 1, p) for i, v, p in rows]
    ),
    "update by vectors": Mutation(
        lambda t: t.update({"v": "v + 1"}, "id > 1"),
        lambda rows: [(i, v + (i > 1), p) for i, v, p in rows],
        table="marked",
    ),
    "merge": Mutation(_upsert, _upserted),
    "merge by vectors": Mutation(_upsert, _upserted, table="marked"),
    "merge with another column": Mutation(
        lambda t: (
            t.merge(with_w(SOURCE), MERGE, "s", "t", merge_schema=True)
            .when_not_matched_insert_all()
            .execute()
        ),
        lambda rows: (
            [(*row, None) for row in rows]
            + [(*row, 7) for row in _with_the_unmatched(rows)[len(rows) :]]
        ),
    ),
    "merge that inserts": Mutation(
        lambda t: (
            t.merge(stream_of(SOURCE), MERGE, source_alias="s", target_alias="t")
            .when_not_matched_insert_all()
            .execute()
        ),
        _with_the_unmatched,
    ),
    "optimize": Mutation(lambda t: t.optimize(), lambda rows: rows),
    "z_order": Mutation(lambda t: t.z_order(["id", "v"]), lambda rows: rows),
    "restore": Mutation(lambda t: t.restore(RESTORED), lambda rows: [*rows, (7, 0, "b")]),
    "add_columns": Mutation(
        lambda t: t.add_columns(pa.field("w", pa.int64())),
        lambda rows: [(*row, None) for row in rows],
    ),
    "add_constraint": Mutation(
        lambda t: t.add_constraint({"small": "v < 1000"}), lambda rows: rows
    ),
    "drop_constraint": Mutation(lambda t: t.drop_constraint("counted"), lambda rows: rows),
    "set_properties": Mutation(lambda t: t.set_properties({"of.the": "test"}), lambda rows: rows),
    "unset_properties": Mutation(lambda t: t.unset_properties(["of.all"]), lambda rows: rows),
    "create_checkpoint": Mutation(lambda t: t.create_checkpoint(), lambda rows: rows, commits=0),
    "vacuum, dry": Mutation(lambda t: t.vacuum(full=True), lambda rows: rows, commits=0),
    "vacuum": Mutation(lambda t: t.vacuum(dry_run=False, full=True), lambda rows: rows, commits=2),
}
