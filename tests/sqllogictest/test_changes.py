"""DataFusion's own files of INSERT, UPDATE, DELETE, MERGE and TRUNCATE over Delta tables, judged by what the files expect.

A table has the columns that its CREATE TABLE has in a plain session, and its rows are in a file each. Statements that
change it count what the files say, and fail where those do; queries give the rows of the files. What was left out is
counted by its reason, so that no file comes to apply to less unseen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import delta_tables
import dfd
import pyarrow as pa
import pytest
from comparison import Result, plain_result
from contexts import SETTINGS
from datafusion import SessionConfig, SessionContext
from delta_tables import NotHeld
from dfd_base import DfdError
from expected import is_expected
from slt import Record, records
from upstream import crate, lay_out

# What DataFusion's own tables can't do yet, or nobody's should.
_TAKEN = re.compile(
    r"not implemented|not supported|may not use the target table name", re.IGNORECASE
)
_PARTITIONS = re.compile(r"\bpartitioned\s+by\s*\(([^)]*)\)", re.IGNORECASE)
_LOCATION = re.compile(r"\blocation\s+'([^']*)'", re.IGNORECASE)
_UNBOUNDED = re.compile(r"\s*create\s+unbounded\s+external\s+table\s+(\w+)", re.IGNORECASE)
# What a CREATE TABLE has that a table of Delta's can't have, or the crate.
_NOT_HELD = {
    "a default": re.compile(r"\bdefault\b", re.IGNORECASE),
    "an order of its files": re.compile(r"\bwith\s+order\b", re.IGNORECASE),
    "data that the crate lacks": re.compile(r"'[^']*/testing/data/"),
}
# What a text has that asks for DataFusion's own.
_NOT_ASKED = {
    "a plan of DataFusion's": re.compile(r"\s*explain\b", re.IGNORECASE),
    "a type of DataFusion's": re.compile(r"\s*describe\b", re.IGNORECASE),
}
_NAMES = re.compile(r"\w+")


class _Left(Exception):
    """Why a record can't be run over Delta tables."""


def _leave(sql: str, reasons: Mapping[str, re.Pattern[str]]) -> None:
    for reason, pattern in reasons.items():
        if pattern.search(sql):
            raise _Left(reason)


class _Changes:
    """One file, run record by record."""

    def __init__(self, runtime: dfd.Runtime, directory: Path, vectors: bool) -> None:
        config = SessionConfig().with_information_schema(True)
        for key, value in SETTINGS.items():
            config = config.set(key, value)
        self._plain = SessionContext(config)
        self._runtime = runtime
        self._directory = directory
        self._properties = {"delta.enableDeletionVectors": str(vectors).lower()}
        self._left: dict[str, str] = {}
        self._locations: list[str] = []
        self._made = 0

    def run(self, record: Record) -> str:
        """What was tried.

        Raises:
            _Left: it can't be.
            AssertionError: it came to something else than the file has.
        """
        _leave(record.sql, _NOT_ASKED)
        if (name := record.made_table) is not None:
            return self._make(name.rpartition(".")[2], name, record)
        if found := _UNBOUNDED.match(record.sql):
            self._left[found[1]] = "an unbounded table"
        if record.drops:
            for name in _NAMES.findall(record.sql):
                self._left.pop(name, None)
                self._plain.deregister_table(name)
                self._runtime.unregister(name)
            return "drops"
        try:
            self._refuse_left(record.sql)
        except _Left as why:
            if record.changed_table is not None:
                # Its rows are others now than the file's.
                self._left[record.changed_table] = str(why)
            raise
        return self._query(record) if record.returns_rows else self._change(record)

    def _refuse_left(self, sql: str) -> None:
        for name in _NAMES.findall(sql):
            if name in self._left:
                raise _Left(self._left[name])

    def _make(self, last: str, name: str, record: Record) -> str:
        if record.error is not None:
            raise _Left("a table that can't be made")
        try:
            path = self._held(name, record.sql)
        except (NotHeld, _Left) as error:
            self._left[last] = str(error)
            raise _Left(str(error)) from error
        self._runtime.register(name, path)
        return "tables"

    def _held(self, name: str, sql: str) -> Path:
        """A Delta table as a plain session makes it."""
        _leave(sql, _NOT_HELD)
        self._refuse_left(sql)
        if found := _LOCATION.search(sql):
            if any(one.startswith(found[1]) or found[1].startswith(one) for one in self._locations):
                raise NotHeld("files of another table")
            self._locations.append(found[1])
        self._plain.sql(sql).collect()
        made = plain_result(self._plain, self._plain.sql(f"SELECT * FROM {name}"))
        own = pa.Table.from_batches(made.batches, made.schema)
        if any("uint" in str(kind) for kind in own.schema.types):
            raise NotHeld("unsigned numbers")
        rows = delta_tables.held(own)
        # As in Delta Lake, the columns of a query may be null.
        fields = [
            field.with_nullable(len(own) > 0 or own.schema.field(field.name).nullable)
            for field in rows.schema
        ]
        by = _PARTITIONS.search(sql)
        self._made += 1
        path = self._directory / str(self._made)
        self._runtime.create_table(
            path,
            pa.schema(fields),
            partition_by=[column.split()[0] for column in by[1].split(",")] if by else None,
            properties=self._properties,
        )
        for start in range(len(rows)):
            self._runtime.write(path, rows.slice(start, 1))
        return path

    def _query(self, record: Record) -> str:
        if record.error is not None or record.expected is None:
            raise _Left("a query that fails")
        table = self._runtime.sql(record.sql).to_arrow_table()
        assert is_expected(record, Result(table.schema, table.to_batches()))
        return "queries"

    def _change(self, record: Record) -> str:
        name = record.changed_table
        entry = None if name is None else self._runtime.registered(name)
        if record.error is not None:
            return self._refused(record, record.error, entry)
        query = self._runtime.sql(record.sql)
        if entry is None:
            self._plain.sql(record.sql).collect()
            return "others"
        assert query.outcome is not None
        if record.expected is not None:
            assert record.expected == (str(_count(query.outcome.metrics)),)
        return "changes"

    def _refused(self, record: Record, error: str, entry: dfd.RegisteredTable | None) -> str:
        before = None if entry is None else self._rows(entry.name)
        try:
            self._runtime.sql(record.sql)
        except DfdError:
            assert entry is None or self._rows(entry.name) == before
            return "refusals"
        assert _TAKEN.search(error), "it is done"
        return "changes that DataFusion refuses"

    def _rows(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            self._runtime.sql(f"SELECT * FROM {name}").to_arrow_table().to_pylist()
        )
        return sorted(found, key=repr)


def _count(metrics: Mapping[str, Any]) -> int:
    """The rows that a statement changed."""
    names = ("num_deleted_rows", "num_updated_rows", "num_added_rows", "rows")
    return next((metrics[name] for name in names if name in metrics), 0)


# Of each file what is done, and what is left out by its reason.
FILES: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "delete.slt": ({"others": 2, "tables": 2}, {"a plan of DataFusion's": 9}),
    "dml_delete.slt": ({"changes": 13, "drops": 9, "queries": 9, "tables": 9}, {}),
    "dml_update.slt": (
        {"changes": 17, "drops": 13, "queries": 12, "refusals": 1, "tables": 13},
        {},
    ),
    "insert.slt": (
        {
            "changes": 7,
            "changes that DataFusion refuses": 1,
            "drops": 11,
            "others": 2,
            "queries": 4,
            "refusals": 6,
            "tables": 7,
        },
        {
            "a default": 11,
            "a plan of DataFusion's": 4,
            "a table that can't be made": 1,
            "data that the crate lacks": 9,
            "unsigned numbers": 4,
        },
    ),
    "insert_to_external.slt": (
        {
            "changes": 13,
            "changes that DataFusion refuses": 1,
            "drops": 7,
            "others": 2,
            "queries": 9,
            "refusals": 6,
            "tables": 14,
        },
        {
            "a default": 8,
            "a plan of DataFusion's": 4,
            "a table that can't be made": 1,
            "a type of DataFusion's": 3,
            "an order of its files": 3,
            "an unbounded table": 4,
            "data that the crate lacks": 7,
            "files of another table": 16,
        },
    ),
    "insert_values_placeholders.slt": ({"tables": 1}, {"a plan of DataFusion's": 1}),
    "merge_into.slt": (
        {
            "changes": 5,
            "changes that DataFusion refuses": 2,
            "drops": 2,
            "refusals": 18,
            "tables": 2,
        },
        {"a plan of DataFusion's": 6},
    ),
    "truncate.slt": (
        {"changes": 1, "others": 1, "refusals": 5, "tables": 2},
        {"a plan of DataFusion's": 3},
    ),
    "update.slt": (
        {"changes": 6, "changes that DataFusion refuses": 2, "others": 2, "tables": 2},
        {"a plan of DataFusion's": 6},
    ),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("vectors", [False, True], ids=["copies", "vectors"])
def test_over_delta_tables(
    file: str, vectors: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay_out(tmp_path, file))
    done: Counter[str] = Counter()
    left: Counter[str] = Counter()
    with dfd.connect(session=SETTINGS) as runtime:
        changes = _Changes(runtime, tmp_path / "tables", vectors)
        for record in records(crate() / "test_files", file):
            try:
                done[changes.run(record)] += 1
            except _Left as why:
                left[str(why)] += 1
            except Exception as error:
                raise AssertionError(f"{record.file}:{record.line}: {record.sql}") from error
    assert (dict(done), dict(left)) == FILES[file]
