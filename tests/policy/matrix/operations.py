"""The operations that race: each through dfd, through bare deltalake, and as a law on plain rows.

They work on one small table of `id`, `key` and `value`, partitioned by `key`. Each is done by a writer of a
number, which stands in the rows it writes, so that two of a kind are told apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Transaction, write_deltalake
from dfd_delta_policy import GuardedTable, Outcome
from model import (
    Refused,
    Row,
    Table,
    appended,
    inserted,
    overwritten,
    same,
    swapped,
    upserted,
)

SCHEMA = pa.schema([("id", pa.int64()), ("key", pa.string()), ("value", pa.int64())])
BASE = 3
"""The newest version of the table that all begin with."""
APP = "feed"
_APPENDS_ONLY = {"delta.appendOnly": "true"}
LIMIT = 500
"""What a constraint demands of values; one row of `append` is above it."""

Source = Callable[[], pa.Table | pa.RecordBatchReader]


class Operation(NamedTuple):
    """One kind of operation.

    - `guarded`, `bare`: do it, as the writer of a number, from a source.
    - `source`: the rows that the writer brings, where the operation takes any.
    - `law`: what it does to a table.
    - `stages`: its files are staged before the attempts: a try in vain leaves none behind.
    - `rules`: it changes what other operations stand on: schema, constraints or properties.
    - `removes`: rows may be gone afterwards, or be others.
    - `commits`: it is in the log once it is done.
    """

    name: str
    guarded: Callable[[GuardedTable, int, Source], Outcome]
    bare: Callable[[DeltaTable, int, Source], object]
    law: Callable[[Table, int, list[Row]], Table]
    source: Callable[[int], pa.Table] | None = None
    stages: bool = False
    rules: bool = False
    removes: bool = False
    commits: bool = True

    def brought(self, writer: int) -> pa.Table:
        """The rows of the writer's source, or none."""
        return self.source(writer) if self.source else pa.table({})

    def apply(self, table: Table, writer: int) -> Table:
        """What it makes of a table.

        Raises:
            Refused: a rule of the table forbids it.
        """
        done = self.law(table, writer, self.brought(writer).to_pylist())
        if self.removes and table.takes_appends_only and done.content != table.content:
            raise Refused("the table takes appends only")
        return done


def _rows(rows: Callable[[int], list[tuple[int, str, int]]]) -> Callable[[int], pa.Table]:
    return lambda writer: pa.table(list(zip(*rows(writer), strict=True)), schema=SCHEMA)


def _merge(merger: Any, *verbs: str) -> Any:
    for verb in verbs:
        merger = getattr(merger, verb)()
    return merger.execute()


def merging(
    name: str,
    source: Callable[[int], pa.Table],
    law: Callable[[Table, int, list[Row]], Table],
    *verbs: str,
) -> Operation:
    """A MERGE by `id`."""
    on = {"predicate": "t.id = s.id", "source_alias": "s", "target_alias": "t"}

    def merged(table: Table, writer: int, rows: list[Row]) -> Table:
        lacks = {*table.columns} - {*source(writer).column_names}
        if lacks and any(verb.endswith("_all") for verb in verbs):
            raise Refused("the source lacks a column")
        return law(table, writer, rows)

    return Operation(
        name,
        lambda table, writer, source: _merge(table.merge(source, **on), *verbs),
        lambda table, writer, source: _merge(table.merge(source(), **on), *verbs),
        merged,
        source,
        removes=any("insert" not in verb for verb in verbs),
    )


def _is_a(row: Row) -> bool:
    return row["key"] == "a"


def _fed(table: Table, writer: int, source: list[Row]) -> Table:
    if table.fed >= writer:
        return table
    return appended(table, writer, source).but(fed=writer)


def _overwritten_where(table: Table, writer: int, source: list[Row]) -> Table:
    kept = [row for row in table.rows if not _is_a(row)]
    return table.put([*kept, *source], written=source)


def _deleted_where(table: Table, writer: int, source: list[Row]) -> Table:
    return table.put([row for row in table.rows if not (_is_a(row) and row["value"] >= 30)])


def _updated(table: Table, writer: int, source: list[Row]) -> Table:
    new = [row | {"value": row["value"] * 2 + writer} for row in table.rows if _is_a(row)]
    return table.put([*(row for row in table.rows if not _is_a(row)), *new], written=new)


def _restored(table: Table, writer: int, source: list[Row]) -> Table:
    return table.past[_version(writer)].but(fed=table.fed, past=table.past)


def _version(writer: int) -> int:
    return writer % BASE


def _column(writer: int) -> str:
    return f"extra_{writer}"


def _widened(table: Table, writer: int, source: list[Row]) -> Table:
    if _column(writer) in table.columns:
        raise Refused("the column is there")
    return table.but(columns=(*table.columns, _column(writer)))


def _constrained(table: Table, writer: int, source: list[Row]) -> Table:
    if f"small_{writer}" in table.limits:
        raise Refused("the constraint is there")
    constrained = table.but(limits={**table.limits, f"small_{writer}": LIMIT})
    return constrained.put(table.rows, written=table.rows)


def _set(table: Table, writer: int, source: list[Row]) -> Table:
    return table.but(properties={**table.properties, **_properties(writer)})


def _properties(writer: int) -> dict[str, str]:
    return {"delta.logRetentionDuration": f"interval {30 + writer} days"}


def _fed_bare(table: DeltaTable, writer: int, source: Source) -> None:
    if (table.transaction_version(APP) or 0) < writer:
        commit = CommitProperties(app_transactions=[Transaction(APP, writer)])
        write_deltalake(table, source(), mode="append", commit_properties=commit)


_ALL = (
    Operation(
        "append",
        lambda table, writer, source: table.append(source),
        lambda table, writer, source: write_deltalake(table, source(), mode="append"),
        appended,
        _rows(lambda writer: [(100 + writer, "a", 900), (110 + writer, "b", 1)]),
        stages=True,
    ),
    Operation(
        "append-once",
        lambda table, writer, source: table.append(source, app_id=APP, app_version=writer),
        _fed_bare,
        _fed,
        _rows(lambda writer: [(120 + writer, "a", 5)]),
        stages=True,
    ),
    Operation(
        "overwrite",
        lambda table, writer, source: table.overwrite(source),
        lambda table, writer, source: write_deltalake(table, source(), mode="overwrite"),
        overwritten,
        _rows(lambda writer: [(200 + writer, "a", 200), (210 + writer, "b", 201)]),
        stages=True,
        removes=True,
    ),
    Operation(
        "overwrite-where",
        lambda table, writer, source: table.overwrite(source, predicate="key = 'a'"),
        lambda table, writer, source: write_deltalake(
            table, source(), mode="overwrite", predicate="key = 'a'"
        ),
        _overwritten_where,
        _rows(lambda writer: [(220 + writer, "a", 220)]),
        removes=True,
    ),
    Operation(
        "delete-where",
        lambda table, writer, source: table.delete("value >= 30 and key = 'a'"),
        lambda table, writer, source: table.delete("value >= 30 and key = 'a'"),
        _deleted_where,
        removes=True,
    ),
    Operation(
        "delete-all",
        lambda table, writer, source: table.delete(),
        lambda table, writer, source: table.delete(),
        lambda table, writer, source: table.put([]),
        removes=True,
    ),
    Operation(
        "update",
        lambda table, writer, source: table.update({"value": f"value * 2 + {writer}"}, "key = 'a'"),
        lambda table, writer, source: table.update(
            {"value": f"value * 2 + {writer}"}, predicate="key = 'a'"
        ),
        _updated,
        removes=True,
    ),
    merging(
        "upsert",
        _rows(lambda writer: [(1, "a", 300 + writer), (50, "a", 310 + writer)]),
        upserted,
        "when_matched_update_all",
        "when_not_matched_insert_all",
    ),
    merging(
        "insert-new",
        _rows(lambda writer: [(1, "a", 0), (50, "a", 320 + writer), (51, "b", 330 + writer)]),
        inserted,
        "when_not_matched_insert_all",
    ),
    merging(
        "swap",
        _rows(lambda writer: [(3, "a", 0), (50, "a", 340 + writer)]),
        swapped,
        "when_matched_delete",
        "when_not_matched_insert_all",
    ),
    Operation(
        "compact",
        lambda table, writer, source: table.optimize(),
        lambda table, writer, source: table.optimize.compact(),
        same,
        stages=True,
    ),
    Operation(
        "z-order",
        lambda table, writer, source: table.z_order(["id"]),
        lambda table, writer, source: table.optimize.z_order(["id"]),
        same,
        stages=True,
    ),
    Operation(
        "restore",
        lambda table, writer, source: table.restore(_version(writer)),
        lambda table, writer, source: table.restore(_version(writer)),
        _restored,
        removes=True,
    ),
    Operation(
        "add-column",
        lambda table, writer, source: table.add_columns([Field(_column(writer), "long")]),
        lambda table, writer, source: table.alter.add_columns([Field(_column(writer), "long")]),
        _widened,
        rules=True,
    ),
    Operation(
        "add-constraint",
        lambda table, writer, source: table.add_constraint({f"small_{writer}": f"value < {LIMIT}"}),
        lambda table, writer, source: table.alter.add_constraint(
            {f"small_{writer}": f"value < {LIMIT}"}
        ),
        _constrained,
        rules=True,
    ),
    Operation(
        "set-property",
        lambda table, writer, source: table.set_properties(_properties(writer)),
        lambda table, writer, source: table.alter.set_table_properties(_properties(writer)),
        _set,
        rules=True,
    ),
)

OPERATIONS = {operation.name: operation for operation in _ALL}
"""Those of the matrix."""

_FURTHER = (
    Operation(
        "append-more",
        lambda table, writer, source: table.append(source),
        lambda table, writer, source: write_deltalake(table, source(), mode="append"),
        appended,
        _rows(lambda writer: [(130 + writer, "b", writer)]),
        stages=True,
    ),
    Operation(
        "take-appends-only",
        lambda table, writer, source: table.set_properties(_APPENDS_ONLY),
        lambda table, writer, source: table.alter.set_table_properties(_APPENDS_ONLY),
        lambda table, writer, source: table.but(properties={**table.properties, **_APPENDS_ONLY}),
        rules=True,
    ),
    Operation(
        "checkpoint",
        lambda table, writer, source: table.create_checkpoint(),
        lambda table, writer, source: table.create_checkpoint(),
        same,
        commits=False,
    ),
)

EVERY = OPERATIONS | {operation.name: operation for operation in _FURTHER}
"""Those of histories."""
