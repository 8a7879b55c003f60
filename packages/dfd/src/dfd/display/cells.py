"""Values and types of columns as texts of a table, whatever draws it."""

from __future__ import annotations

import re

import msgspec
import pyarrow as pa

from dfd.display.printable import printable_lines

# A type longer than this is cut: that of a nested column may have hundreds of fields.
_TYPE_CHARACTERS = 24
_SHORTER = (
    (re.compile(r"\blarge_|_view\b"), ""),
    (re.compile(r"\bdecimal(32|64|128|256)\b"), "decimal"),
    (re.compile(r"\b(item|element): "), ""),
    (re.compile(r"\bdate32\[day\]"), "date"),
    (re.compile(r" not null\b"), ""),
)


def cell_text(value: object) -> str | None:
    """The text of a plain value (`dfd.display.values`), None of NULL; lists and objects as JSON."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return printable_lines(msgspec.json.encode(value).decode())
    return printable_lines(value) if isinstance(value, str) else repr(value)


def type_name(kind: pa.DataType) -> str:
    """A type in a few characters: `string` also where Arrow says large or view."""
    name = str(kind)
    for found, short in _SHORTER:
        name = found.sub(short, name)
    name = printable_lines(name).replace("\n", " ")
    return name if len(name) <= _TYPE_CHARACTERS else name[: _TYPE_CHARACTERS - 1] + "…"


def is_number(kind: pa.DataType) -> bool:
    """Whether values stand at the right, one under the other by their last digits."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def folds(kind: pa.DataType) -> bool:
    """Whether a value may take several lines: the digits of a number there could be those of two."""
    is_moment = pa.types.is_temporal(kind) or pa.types.is_boolean(kind)
    return not (is_number(kind) or is_moment)
