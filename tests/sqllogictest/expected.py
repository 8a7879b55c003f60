"""Results as DataFusion's runner writes them into the files (`engines/conversion.rs` and `normalize.rs` of the crate)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pyarrow as pa
import pyarrow.types as kinds
from comparison import Result
from datafusion import SessionContext
from slt import Record

_DIGITS = 12
_SPARK_DIGITS = 15
_EXACT = Context(prec=1000, rounding=ROUND_HALF_EVEN)


def is_expected(record: Record, result: Result) -> bool | None:
    """Whether the result is the one that the file has; None where the file has none to be compared with."""
    wanted = record.expected
    if wanted is None or record.sort_mode == "valuesort" or "<slt:ignore>" in "".join(wanted):
        return None
    lines = [line.rstrip() for line in wanted]
    found = [" ".join(row).rstrip() for row in _rows(result, record.file.startswith("spark/"))]
    if record.sort_mode == "rowsort":
        return sorted(found) == sorted(lines)
    return found == lines


def _rows(result: Result, is_spark: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    for batch in result.batches:
        cells = [_cells(column, is_spark) for column in batch.columns]
        for row in zip(*cells, strict=True):
            rows += _expanded(list(row))
    return rows


def _expanded(row: list[str]) -> list[list[str]]:
    """A row for each line of the last cell."""
    *before, last = row
    lines = last.split("\n")
    if len(lines) == 1:
        return [row]
    return [
        before,
        *(
            [f"{number:02}){'-' * (len(line) - len(line.lstrip()))}{line.lstrip()}"]
            for number, line in enumerate(lines, 1)
        ),
    ]


def _cells(array: pa.Array, is_spark: bool) -> list[str]:
    if kinds.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = array.type
    texts = _texts(array)
    if kinds.is_floating(kind):
        digits = _SPARK_DIGITS if is_spark and kinds.is_float64(kind) else _DIGITS
        return [_number(text, digits) for text in texts]
    if kinds.is_decimal(kind):
        return [_number(text, kind.scale) for text in texts]
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return ["NULL" if text is None else _text(text) for text in texts]
    return ["NULL" if text is None else text for text in texts]


def _text(text: str) -> str:
    return text.rstrip("\n").replace("\0", "\\0") if text else "(empty)"


_NAMED = {"NaN": "NaN", "-NaN": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _number(text: str | None, digits: int) -> str:
    if text is None:
        return "NULL"
    if text in _NAMED:
        return _NAMED[text]
    number = Decimal(text).quantize(Decimal(1).scaleb(-digits), context=_EXACT)
    return f"{number.normalize(_EXACT) + 0:f}"


def _texts(array: pa.Array) -> list[str | None]:
    """Values as Arrow writes them, of lists, maps and structs with NULL for what isn't there."""
    kind = array.type
    if kinds.is_null(kind):
        return [None] * len(array)
    if kinds.is_dictionary(kind):
        return _texts(array.dictionary_decode())
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind):
        return [None if value is None else value.hex() for value in array.to_pylist()]
    if kinds.is_struct(kind):
        return _structs(array)
    if kinds.is_map(kind):
        entries = zip(_inner(array.keys), _inner(array.items), strict=True)
        pairs = [f"{key}: {value}" for key, value in entries]
        return [text and f"{{{text[1:-1]}}}" for text in _lists(array, pairs, array.offsets)]
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _lists(array, _inner(array.values), array.offsets)
    if kinds.is_fixed_size_list(kind):
        size = kind.list_size
        starts = range(array.offset * size, (array.offset + len(array) + 1) * size, size)
        return _lists(array, _inner(array.values), pa.array(starts))
    return _flat(array)


def _flat(array: pa.Array) -> list[str | None]:
    session = SessionContext()
    session.register_record_batches("t", [[pa.record_batch({"a": array})]])
    (batch,) = session.sql("SELECT arrow_cast(a, 'Utf8') AS a FROM t").collect() or [None]
    return [] if batch is None else pa.array(batch.column(0)).to_pylist()


def _inner(array: pa.Array) -> list[str]:
    return ["NULL" if text is None else text for text in _texts(array)]


def _structs(array: pa.Array) -> list[str | None]:
    names = [field.name for field in array.type]
    columns = [_inner(array.field(i)) for i in range(len(names))]
    rows = zip(*columns, strict=True) if columns else [()] * len(array)
    texts = (", ".join(map(": ".join, zip(names, row, strict=True))) for row in rows)
    valid = array.is_valid().to_pylist()
    return [
        f"{{{text}}}" if is_valid else None for text, is_valid in zip(texts, valid, strict=True)
    ]


def _lists(array: pa.Array, inner: Sequence[str], offsets: pa.Array) -> list[str | None]:
    ends = offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [
        f"[{', '.join(inner[ends[i] : ends[i + 1]])}]" if valid[i] else None
        for i in range(len(array))
    ]
