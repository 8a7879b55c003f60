"""A file on both routes: its statements once, in the session; its queries there and in the engine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dfd
import pyarrow as pa
from comparison import Result, difference, plain_result, sort_columns
from contexts import equip, settings
from dfd.explained import explained_change
from slt import Record, records
from upstream import crate, lay_out

# What may be another value, or number of rows, each time.
VOLATILE = re.compile(
    r"\b(?:random|rand|randn|uuid|now|current_timestamp|current_date|current_time|today|shuffle"
    r"|explain\s*\(?\s*analyze)\b",
    re.IGNORECASE,
)
# Without an order of its own it gives the elements as they come, in the session too, once in fifty runs.
_UNORDERED_LIST = re.compile(r"\barray_agg\s*\((?![^()]*\border\s+by\b)", re.IGNORECASE)
_EXPLAIN = re.compile(r"\s*explain\b", re.IGNORECASE)
# Numbers of aliases, which a session counts up from plan to plan.
_NUMBERED = re.compile(r"\b(__[a-z_]+?)_\d+\b")


def run(file: str, directory: Path) -> Iterator[dict[str, Any]]:
    """The outcome of every query of `file`, in order."""
    root = crate() / "test_files"
    os.chdir(lay_out(directory, file))
    with dfd.connect(session=settings(file)) as runtime:
        if file == "dynamic_file.slt":
            runtime.session = runtime.session.enable_url_table()
        equip(runtime.session, file)
        for record in records(root, file):
            if record.returns_rows:
                yield _both(runtime, record)
            else:
                _effect(runtime, record.sql)


def _effect(runtime: dfd.Runtime, sql: str) -> None:
    """A statement has its effect or none, as in any session; what follows sees it on both routes."""
    try:
        runtime.session.sql(sql).collect()
    except Exception:  # noqa: BLE001 (many files try what must fail)
        return


def _both(runtime: dfd.Runtime, record: Record) -> dict[str, Any]:
    told: dict[str, Any] = {"file": record.file, "line": record.line, "sql": record.sql}
    plain: Result | None = None
    order: list[int] = []
    try:
        dataframe = runtime.session.sql(record.sql)
        plain = plain_result(runtime.session, dataframe)
    except Exception as error:  # noqa: BLE001 (what fails must fail on both routes)
        told["plain_error"] = str(error)
    else:
        order = sort_columns(dataframe)
    try:
        query = runtime.sql(record.sql)
        told |= {"route": query.route, "reason": query.route_reason}
        table = query.to_arrow_table()
    except Exception as error:  # noqa: BLE001 (likewise)
        told["error"] = str(error)
        return told | {"outcome": "both fail" if plain is None else "fails"}
    if plain is None:
        # A file may take memory from the session; the engine has a limit of its own.
        memory = "Resources exhausted" in told["plain_error"]
        outcome = "out of memory in the session" if memory else "answers what the session refuses"
        return told | {"outcome": outcome}
    ours = Result(table.schema, table.to_batches())
    told["metadata"] = ours.metadata() == plain.metadata()
    differs = difference(_settled(record.sql, ours), _settled(record.sql, plain), order)
    outcome = _judged(runtime, record.sql, ours, plain, order) if differs else "same"
    return told | {"outcome": outcome, "difference": differs}


def _judged(runtime: dfd.Runtime, sql: str, ours: Result, plain: Result, order: list[int]) -> str:
    """Whether results that differ had to be the same."""
    if ours.columns() != plain.columns():
        return "differs"
    if VOLATILE.search(sql) or _shows_another_plan(runtime, sql):
        return "volatile"
    if _UNORDERED_LIST.search(sql) and not difference(ours, plain, order, lists_in_any_order=True):
        return "unstable"
    wanted = _settled(sql, plain)
    for _ in range(5):
        again = plain_result(runtime.session, runtime.session.sql(sql))
        if difference(_settled(sql, again), wanted, order):
            return "unstable"
    return "differs"


def _shows_another_plan(runtime: dfd.Runtime, sql: str) -> bool:
    """Whether it shows a plan of the engine, or of a change the logical plan alone, which changes nothing."""
    if not _EXPLAIN.match(sql):
        return False
    query = runtime.sql(sql)
    return query.route == "engine" or explained_change(query.dataframe.logical_plan()) is not None


def _settled(sql: str, result: Result) -> Result:
    """The result; of EXPLAIN without the numbers of aliases."""
    if not _EXPLAIN.match(sql):
        return result
    batches = []
    for batch in result.batches:
        texts = (column.to_pylist() for column in batch.columns)
        columns = [pa.array([_NUMBERED.sub(r"\1", text) for text in column]) for column in texts]
        batches.append(pa.record_batch(columns, schema=result.schema))
    return Result(result.schema, batches)
