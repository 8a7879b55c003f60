"""What holds of any table, any query and any way to run it; a law raises AssertionError where it doesn't."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dfd
from candidates import KINDS, Rows, Settings, by_duckdb, by_memory, difference, rows_of
from history import Table, make
from layout import Files, Layout
from query import Query

# How many cases had no answer, because DataFusion has none over memory either.
unanswered: list[str] = []
_OTHER_WAY = {
    "delete by vectors": "delete by rewriting",
    "delete by rewriting": "delete by vectors",
}


def rows_are_the_judges(layout: Layout, query: Query, kind: str, how: Settings) -> None:
    """A query has the rows that duckdb has, in its order."""
    with made(layout) as table:
        expected = by_duckdb(table, query.sql)
        found = answer(table, query.sql, query.only or kind, how)
        told = None if found is None else difference(expected, found, query.is_ordered)
        if told is not None:
            raise AssertionError(f"{told} ({_also(table, query, how, expected)})")


def a_condition_cuts_rows_into_three(
    layout: Layout, predicate: str, kind: str, how: Settings
) -> None:
    """Those where it holds, where it doesn't, and where it is unknown: together all, each once."""
    cases = (predicate, f"not ({predicate})", f"({predicate}) is null")
    with made(layout) as table:
        parts = [answer(table, f"select id from t where {case}", kind, how) for case in cases]
        if None not in parts:
            keys = sorted(key for part in parts for (key,) in part or ())
            assert keys == sorted(table.rows["id"].to_pylist())


def versions_are_what_they_were(layout: Layout, kind: str, how: Settings) -> None:
    """Every version that can still be read has the rows, and the names, that it had when it was new."""
    with made(layout) as table:
        for version, rows in table.versions.items():
            names = rows.column_names[::-1]
            shown = ", ".join(f'"{name}"' for name in names)
            found = KINDS[kind](how)(table, f"select {shown} from t", version)
            told = difference(rows_of(rows.select(names)), found)
            assert told is None, f"version {version}: {told}"


def a_runtime_follows_commits(layout: Layout, query: Query, how: Settings) -> None:
    """A runtime that knows a table from its first commit on has the rows of each commit, and at last the judge's."""
    with dfd.connect(session=how.values()) as runtime:

        def look(table: Table) -> None:
            if "t" not in runtime.tables():
                runtime.register("t", table.path)
            for condition in ("true", "id % 2 = 0 and id > 3"):
                sql = f"select * from t where {condition}"
                told = difference(by_duckdb(table, sql), rows_of(runtime.sql(sql).to_arrow_table()))
                assert told is None, f"version {max(table.versions)}, {condition}: {told}"

        with made(layout, look) as table:
            expected = by_duckdb(table, query.sql)
            try:
                found = rows_of(runtime.sql(query.sql).to_arrow_table())
            except Exception:
                if _has_none(table, query.sql, how):
                    return
                raise
            told = difference(expected, found, query.is_ordered)
            assert told is None, f"{told} ({_also(table, query, how, expected)})"


def rows_dont_depend_on_the_layout(
    layout: Layout, predicate: str, kind: str, how: Settings
) -> None:
    """Nor on whether files are skipped: statistics, deletion vectors and checkpoints change no row."""
    sql = f"select * from t where {predicate}"
    with made(layout) as table:
        expected = answer(table, sql, kind, how)
        if expected is None:
            return
        found = KINDS[kind](how._replace(skips=not how.skips))(table, sql)
        told = difference(expected, found)
        assert told is None, f"skipping: {told}"
    for name, other in _others(layout):
        with made(other) as table:
            told = difference(expected, KINDS[kind](how)(table, sql))
            assert told is None, f"{name}: {told}"


LAWS: dict[str, Callable[..., None]] = {
    law.__name__: law
    for law in (
        rows_are_the_judges,
        a_condition_cuts_rows_into_three,
        versions_are_what_they_were,
        a_runtime_follows_commits,
        rows_dont_depend_on_the_layout,
    )
}


def _others(layout: Layout) -> Iterator[tuple[str, Layout]]:
    """Other tables of the same rows."""
    steps = tuple(_OTHER_WAY.get(step, step) for step in layout.steps)
    yield "deletes the other way", layout._replace(steps=steps)
    yield "no statistics", layout._replace(statistics="none")
    yield "no checkpoints", layout._replace(checkpoints=(), is_cleaned=False, written=Files())


@contextmanager
def made(layout: Layout, watch: Callable[[Table], None] | None = None) -> Iterator[Table]:
    """The table of a layout, while it is needed."""
    with tempfile.TemporaryDirectory() as root:
        yield make(layout, Path(root), watch)


def answer(table: Table, sql: str, kind: str, how: Settings) -> Rows | None:
    """The rows; None where DataFusion has none over memory either, which is no fault of a reader."""
    try:
        return KINDS[kind](how)(table, sql)
    except Exception:
        if _has_none(table, sql, how):
            return None
        raise


def _has_none(table: Table, sql: str, how: Settings) -> bool:
    try:
        by_memory(how)(table, sql)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  a panic is none of Python's exceptions
        unanswered.append(f"{error}"[:200])
        return True
    return False


def _also(table: Table, query: Query, how: Settings, expected: Rows) -> str:
    of_memory = difference(expected, by_memory(how)(table, query.sql), query.is_ordered)
    return f"{'as' if of_memory else 'unlike'} DataFusion over memory"
