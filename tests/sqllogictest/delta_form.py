"""A file with its tables as Delta tables of many files, in small batches, in the engine and by the leaf.

The judge is a plain session with the tables as the file makes them, of one batch; whether it gives what the file
expects is told, too. Of columns without a type of Delta its tables get the nearest, too. What no
Delta table can hold stays as it is, and queries over no Delta table are left to `both_routes`.

A result that differs is checked by a third session, of DataFusion alone with the same rows turned round in small
batches: where that differs, too, the query doesn't say which result it wants. But rows that aren't in the order
of the columns by which the query sorts them are wrong whatever others do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import delta_tables
import dfd
import golden
import pyarrow as pa
import stand_in
from both_routes import VOLATILE
from comparison import Result, is_sorted, plain_result, row_difference, sort_columns
from contexts import equip, settings
from datafusion import DataFrame, SessionConfig, SessionContext
from delta_tables import NotHeld
from expected import is_expected
from slt import Record, records
from upstream import crate, lay_out

SMALL = {
    "datafusion.execution.batch_size": str(delta_tables.BATCH_ROWS),
    "datafusion.optimizer.repartition_file_min_size": "1",
}
BY = ("engine", "leaf")
SAME = "the same"
SHUFFLES = 8

_WORD = re.compile(r"\w+")
_SCAN = re.compile(r"TableScan: (\S+)")
_KEYED = re.compile(r"\b(?:primary\s+key|unique)\b", re.IGNORECASE)
_TEXT = re.compile(r"\b(?:large_string|string_view)\b")
_BYTES = re.compile(r"\b(?:large_binary|binary_view)\b")


def run(file: str, directory: Path) -> Iterator[dict[str, Any]]:
    """What became of every table of `file`, and of every query over a Delta table, in order."""
    root = crate() / "test_files"
    with dfd.connect(session={**settings(file), **SMALL}) as runtime:
        form = _DeltaForm(runtime, file, directory)
        for record in records(root, file):
            if record.returns_rows:
                yield from form.query(record)
            else:
                yield from form.statement(record)


@dataclass(frozen=True)
class _Side:
    """A session, and the directory in which it runs the file."""

    session: SessionContext
    directory: Path

    @classmethod
    def of(cls, session: SessionContext, directory: Path, file: str) -> _Side:
        side = cls(session, lay_out(directory, file))
        stand_in.write(directory)
        os.chdir(side.directory)
        equip(session, file)
        return side

    def dataframe(self, sql: str) -> DataFrame:
        os.chdir(self.directory)
        return self.session.sql(sql)

    def result(self, sql: str) -> Result:
        return plain_result(self.session, self.dataframe(sql))

    def effect(self, sql: str) -> bool:
        """A statement has its effect or, False, none."""
        try:
            self.dataframe(sql).collect()
        except BaseException as error:  # noqa: BLE001 (many files try what must fail)
            _raise_unless_failed(error)
            return False
        return True

    def put(self, name: str, partitions: list[list[pa.RecordBatch]]) -> None:
        self.session.deregister_table(name)
        self.session.register_record_batches(name, partitions)


@dataclass(frozen=True)
class _Wanted:
    """What the judge says of a query: its result, and by what the rows are sorted."""

    result: Result
    keys: Sequence[int]
    is_sorted: bool

    def differs(self, ours: Result, rounds: bool = False) -> str | None:
        order = range(len(ours.schema)) if self.is_sorted else ()
        return row_difference(ours, self.result, order, rounds=rounds)

    def is_sorted_otherwise(self, ours: Result) -> bool:
        return self._keys(ours) != self._keys(self.result)

    def has_other_rows(self, ours: Result) -> bool:
        return row_difference(ours, self.result) is not None

    def _keys(self, result: Result) -> list[list[Any]]:
        return [[row[column] for column in self.keys] for row in result.rows()]


def _session(values: dict[str, str]) -> SessionContext:
    config = SessionConfig().with_information_schema(True)
    for key, value in values.items():
        config = config.set(key, value)
    return SessionContext(config)


def _columns(result: Result) -> list[tuple[str, str]]:
    """Names and types; of texts and bytes there is one type in Delta, and in a session there are three."""
    return [
        (name, _BYTES.sub("binary", _TEXT.sub("string", kind))) for name, kind in result.columns()
    ]


def _without_views(columns: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, kind.replace("_view", "")) for name, kind in columns]


def _raise_unless_failed(error: BaseException) -> None:
    """A panic is no `Exception`, and a session goes on after it."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error


def _words(sql: str) -> set[str]:
    return set(map(str.lower, _WORD.findall(sql)))


def _plain_name(name: str) -> str:
    return name.rpartition(".")[2].strip('"').lower()


class _DeltaForm:
    def __init__(self, runtime: dfd.Runtime, file: str, directory: Path) -> None:
        self._runtime = runtime
        self._tables = directory / "tables"
        values = runtime.profile.settings
        as_usual = dfd.DataFusionRuntimeProfile(session=settings(file)).settings
        self._judge = _Side.of(_session(as_usual), directory / "judge", file)
        self._turned = _Side.of(_session(values), directory / "turned", file)
        self._delta = _Side.of(runtime.session, directory / "delta", file)
        # What statements made, by the last part of the names.
        self._waiting: dict[str, Record] = {}
        # Rows of the Delta tables, likewise.
        self._rows: dict[str, pa.Table] = {}
        self._made = 0

    def statement(self, record: Record) -> Iterator[dict[str, Any]]:
        """A statement has its effect; what it changed has it as a Delta table, too."""
        changed = record.changed_table
        held = {_plain_name(table.name): table for table in self._runtime.tables()}
        if changed is not None and (table := held.get(_plain_name(changed))):
            if self._judge.effect(record.sql):
                yield self._told(record, table.name, Path(table.uri.removeprefix("file://")))
            return
        if record.drops:
            for name in self._waiting.keys() & _words(record.sql):
                del self._waiting[name]
        # What a COPY names may be the place of a table that has no rows yet.
        elif changed is None and not record.copies:
            yield from self._hold_named(record.sql)
        done = self._judge.effect(record.sql)
        self._turned.effect(record.sql)
        self._delta.effect(record.sql)
        if done and (made := record.made_table) is not None:
            self._waiting[_plain_name(made)] = record

    def _hold_named(self, sql: str) -> Iterator[dict[str, Any]]:
        """Make Delta tables of those that a text may name for the first time since they were made.

        Many files make a hundred tables and read a few.
        """
        for name in sorted(self._waiting.keys() & _words(sql)):
            record = self._waiting.pop(name)
            self._made += 1
            yield self._told(record, record.made_table or name, self._tables / str(self._made))

    def _told(self, record: Record, name: str, path: Path) -> dict[str, Any]:
        told: dict[str, Any] = {"file": record.file, "line": record.line, "sql": record.sql}
        try:
            if _KEYED.search(record.sql):
                raise NotHeld("a key")
            outcome = self._hold(name, path)
        except NotHeld as error:
            return told | {"table": name, "outcome": "not held", "reason": str(error)}
        return told | {"table": name, "outcome": outcome}

    def _hold(self, name: str, path: Path) -> str:
        """Make the table a Delta table with the rows that the judge has.

        Raises:
            NotHeld: why it stays as it is.
        """
        try:
            result = self._judge.result(f"SELECT * FROM {name}")
        except BaseException as error:
            _raise_unless_failed(error)
            raise NotHeld("rows that can't be read") from error
        own = pa.Table.from_batches(result.batches, result.schema)
        rows = delta_tables.held(own)
        delta_tables.write(path, rows)
        self._runtime.register(name, path)
        self._rows[_plain_name(name)] = self._as_read(name, rows)
        self._turned.put(name, delta_tables.turned(self._rows[_plain_name(name)]))
        if Result(rows.schema, []).columns() == _without_views(result.columns()):
            return "held"
        self._judge.put(name, delta_tables.together(rows))
        return "held by the nearest types"

    def _as_read(self, name: str, rows: pa.Table) -> pa.Table:
        """The rows with the types that the Delta table has in a session, whose texts are views."""
        try:
            return rows.cast(self._delta.dataframe(f"SELECT * FROM {name}").schema())
        except pa.ArrowNotImplementedError:
            return rows

    def query(self, record: Record) -> Iterator[dict[str, Any]]:
        """How a query over a Delta table came out in the engine, and by the leaf."""
        if golden.is_about_the_session(record.sql):
            return
        yield from self._hold_named(record.sql)
        told: dict[str, Any] = {"file": record.file, "line": record.line, "sql": record.sql}
        wanted: _Wanted | None = None
        try:
            dataframe = self._judge.dataframe(record.sql)
            plan = dataframe.logical_plan().display_indent()
            scanned = set(map(_plain_name, _SCAN.findall(plan)))
            if scanned.isdisjoint(self._held()):
                return
            result = plain_result(self._judge.session, dataframe)
            wanted = _Wanted(result, sort_columns(dataframe), is_sorted(dataframe))
            told["expected"] = is_expected(record, result)
        except BaseException as error:  # noqa: BLE001 (what fails must fail everywhere)
            _raise_unless_failed(error)
            if self._held().isdisjoint(_words(record.sql)):
                return
            told["plain_error"] = str(error)
        for by in BY:
            yield {**told, "by": by, **self._outcome(record.sql, by, wanted)}

    def _held(self) -> set[str]:
        return {_plain_name(table.name) for table in self._runtime.tables()}

    def _outcome(self, sql: str, by: str, wanted: _Wanted | None) -> dict[str, Any]:
        told: dict[str, Any] = {}
        try:
            if by == "leaf":
                ours = self._delta.result(sql)
            else:
                os.chdir(self._delta.directory)
                query = self._runtime.sql(sql)
                told |= {"route": query.route, "reason": query.route_reason}
                table = query.to_arrow_table()
                ours = Result(table.schema, table.to_batches())
        except BaseException as error:  # noqa: BLE001 (likewise)
            _raise_unless_failed(error)
            told |= {"error": str(error)}
            if wanted is None:
                return told | {"outcome": "both fail"}
            return told | {"outcome": "fails", "turned": self._told_of_turned(sql, wanted)[1]}
        if wanted is None:
            return told | {"outcome": "answers what the session refuses"}
        if _columns(ours) != _columns(wanted.result):
            return told | self._judged_columns(sql, ours, wanted)
        differs = wanted.differs(ours)
        if differs is None:
            return told | {"outcome": "same"}
        return told | {"difference": differs, **self._judged(sql, ours, wanted)}

    def _judged_columns(self, sql: str, ours: Result, wanted: _Wanted) -> dict[str, Any]:
        """Whether columns that differ are those that DataFusion makes of the types of a Delta table."""
        told = {"difference": f"columns: {_columns(ours)} and {_columns(wanted.result)}"}
        turned, _ = self._told_of_turned(sql, wanted)
        if turned is not None and _columns(turned) == _columns(ours):
            return {**told, "outcome": "other types"}
        return {**told, "outcome": "differs"}

    def _judged(self, sql: str, ours: Result, wanted: _Wanted) -> dict[str, Any]:
        """Whether rows that differ had to be the same."""
        if VOLATILE.search(sql):
            return {"outcome": "volatile"}
        if wanted.differs(ours, rounds=True) is None:
            return {"outcome": "same but for how floats were added"}
        turned, told = self._told_of_turned(sql, wanted)
        if told == SAME:
            turned, told = self._shuffled(sql, wanted)
        if turned is None or told == SAME:
            return {"outcome": "differs", "turned": told}
        if wanted.is_sorted_otherwise(ours) and not (
            wanted.has_other_rows(ours) and wanted.is_sorted_otherwise(turned)
        ):
            return {"outcome": "differs", "turned": told}
        return {"outcome": "unstable", "turned": told}

    def _shuffled(self, sql: str, wanted: _Wanted) -> tuple[Result | None, str]:
        """The first other result of the third session with its rows in some other orders."""
        names = sorted(self._rows.keys() & _words(sql))
        try:
            for seed in range(SHUFFLES):
                for name in names:
                    self._turned.put(name, delta_tables.shuffled(self._rows[name], seed))
                turned, told = self._told_of_turned(sql, wanted)
                if told != SAME:
                    return turned, told
        finally:
            for name in names:
                self._turned.put(name, delta_tables.turned(self._rows[name]))
        return turned, SAME

    def _told_of_turned(self, sql: str, wanted: _Wanted) -> tuple[Result | None, str]:
        """What the rows turned round give, and how that differs."""
        try:
            turned = self._turned.result(sql)
            return turned, wanted.differs(turned) or SAME
        except BaseException as error:  # noqa: BLE001 (it's told)
            _raise_unless_failed(error)
            return None, f"fails: {error}"
