"""The matrix on tables with deletion vectors and mapped columns: no deleted row comes back, none is lost.

Each pair of operations on one of the four tables; on all with DFD_LONG in the environment.
"""

from __future__ import annotations

import os

import pytest
from model import Table
from places import Entry, Place
from race import moments, race
from spark import SparkTable, read

# Without and with partitions; the names of the columns mapped, and both.
TABLES = {
    name: SparkTable.of(name, text)
    for name, text in (
        ("dv_merge", "s"),
        ("dv_partitioned", "s"),
        ("mapping_dv", "text"),
        ("mapping_name", "new"),
    )
}
EVERY_NTH = 1 if os.environ.get("DFD_LONG") else 4
CASES = [
    pytest.param(table, winner, loser, id=f"{table}-{winner}-{loser}")
    for number, (table, made) in enumerate(TABLES.items())
    for row, winner in enumerate(made.operations())
    for column, loser in enumerate(made.operations())
    if (number + row + column) % EVERY_NTH == 0
]


def content(rows: Table) -> list[str]:
    """The rows in an order of their own, with a value for every column."""
    return sorted(repr([row.get(column) for column in rows.columns]) for row in rows.rows)


@pytest.mark.parametrize("table", TABLES)
def test_the_beginning_is_read_right(table: str) -> None:
    made = TABLES[table]
    found = read(made.path)
    assert content(Table(found.to_pylist(), tuple(found.column_names))) == content(
        made.versions[-1]
    )


@pytest.mark.parametrize(("table", "winner", "loser"), CASES)
def test_every_version_is_as_the_log_says(
    disk: Place, name: str, table: str, winner: str, loser: str
) -> None:
    made = TABLES[table]
    operations = made.operations()
    place = disk.copy(made.path, name)
    entries = Entry(winner, 1), Entry(loser, 2)
    raced = race(
        place,
        *entries,
        moments(operations[loser])[-1],
        operations=operations,
        base=made.newest,
        neighbour=Entry("append", 9),
    )
    version = made.versions[-1]
    for number, entry in enumerate(raced.log, made.newest + 1):
        after = operations[entry.operation].apply(version, entry.writer)
        version = after.but(past=(*version.past, version))
        found = read(place.directory, number)
        assert tuple(found.column_names) == version.columns
        assert content(Table(found.to_pylist(), version.columns)) == content(version)
    for entry in entries:
        nothing = operations[entry.operation].apply(version, entry.writer).rows == version.rows
        wanted = "committed" if entry in raced.log else "nothing_to_do"
        assert raced.results[entry] == wanted
        assert entry in raced.log or nothing
    place.remove()
