"""JSON of commands: whole, exact, and safe to show in a terminal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from dfd.display.printable import HIDDEN
from dfd.display.values import plain_columns
from dfd.errors import QueryError


class RowSource(Protocol):
    """Rows that are read once, batch by batch; a `Query` for one."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the rows."""

    def reader(self) -> pa.RecordBatchReader:
        """The rows, lazy."""


def json_text(value: object) -> str:
    """A value in one line; what JSON has no kind for is a text."""
    encoded = msgspec.json.encode(value, enc_hook=str).decode()
    # Within a text these mean the same, and a terminal doesn't obey them.
    return HIDDEN.sub(_escape, encoded)


def json_rows(rows: RowSource, limit: int | None = None) -> Iterator[str]:
    """The rows of a source as one JSON array, written while they come: an object each, as `dfd.display.values` says.

    Raises:
        QueryError: two columns have one name, or the source fails. What has been given by then is no whole array.
    """
    names = _distinct_names(rows)
    before = "[\n"
    for row in itertools.islice(_rows(rows, names), limit):
        yield before + json_text(row)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def ndjson_rows(rows: RowSource, limit: int | None = None) -> Iterator[str]:
    """The rows of a source as JSON objects, each in a line of its own, written while they come.

    Raises:
        QueryError: two columns have one name, or the source fails.
    """
    names = _distinct_names(rows)
    for row in itertools.islice(_rows(rows, names), limit):
        yield json_text(row) + "\n"


def _distinct_names(rows: RowSource) -> list[str]:
    names: list[str] = rows.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QueryError(
            f"More than one column is called {', '.join(map(repr, twice))}, and a JSON object has one "
            "value for a name: give each a name of its own with AS."
        )
    return names


def _rows(rows: RowSource, names: list[str]) -> Iterator[dict[str, Any]]:
    for batch in rows.reader():
        for row in zip(*plain_columns(batch), strict=True):
            yield dict(zip(names, row, strict=True))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
