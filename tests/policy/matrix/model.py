"""A table as plain Python has it: rows, and the rules that they must keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Row = dict[str, Any]


class Refused(Exception):
    """A rule of the table forbids the operation."""


@dataclass(frozen=True)
class Table:
    """One version of a table.

    `limits` are its constraints: each name with the bound that all values are below. `fed` is the
    newest transaction of the application that appends once, and `past` are the versions before this one.
    """

    rows: Sequence[Row] = ()
    columns: tuple[str, ...] = ("id", "key", "value")
    limits: Mapping[str, int] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    fed: int = 0
    past: tuple[Table, ...] = ()

    def but(self, **changed: Any) -> Table:
        """This table with other fields."""
        return replace(self, **changed)

    def put(self, rows: Sequence[Row], written: Sequence[Row] = ()) -> Table:
        """This table with other rows, of which the constraints look at those that are written.

        Raises:
            Refused: one of these is against a constraint.
        """
        for name, limit in self.limits.items():
            if any(row["value"] >= limit for row in written):
                raise Refused(name)
        return self.but(rows=tuple(rows))

    @property
    def takes_appends_only(self) -> bool:
        """Whether a property forbids to remove rows."""
        return self.properties.get("delta.appendOnly") == "true"

    @property
    def rules(self) -> tuple[object, ...]:
        """What other operations stand on."""
        return self.columns, self.limits, self.properties

    @property
    def content(self) -> list[tuple[object, ...]]:
        """The rows with a value for every column, in an order of their own."""
        return sorted((tuple(row.get(c) for c in self.columns) for row in self.rows), key=repr)


def ids(rows: Iterable[Row]) -> set[object]:
    """The ids that some rows have."""
    return {row["id"] for row in rows}


def appended(table: Table, writer: int, source: list[Row]) -> Table:
    """The table with the rows of a source."""
    return table.put([*table.rows, *source], written=source)


def overwritten(table: Table, writer: int, source: list[Row]) -> Table:
    """The rows of a source alone."""
    return table.put(source, written=source)


def inserted(table: Table, writer: int, source: list[Row]) -> Table:
    """A MERGE that inserts the rows whose id is new."""
    new = [row for row in source if row["id"] not in ids(table.rows)]
    return table.put([*table.rows, *new], written=new)


def upserted(table: Table, writer: int, source: list[Row]) -> Table:
    """A MERGE that replaces rows of an id, and inserts the others."""
    by_id = {row["id"]: row for row in source}
    updated = [row | by_id[row["id"]] for row in table.rows if row["id"] in by_id]
    new = [*updated, *(row for row in source if row["id"] not in ids(table.rows))]
    return table.put([*(r for r in table.rows if r["id"] not in by_id), *new], written=new)


def swapped(table: Table, writer: int, source: list[Row]) -> Table:
    """A MERGE that deletes rows of an id, and inserts the others."""
    new = [row for row in source if row["id"] not in ids(table.rows)]
    kept = [row for row in table.rows if row["id"] not in ids(source)]
    return table.put([*kept, *new], written=new)


def same(table: Table, writer: int, source: list[Row]) -> Table:
    """Other files, or none; the rows stay."""
    return table
