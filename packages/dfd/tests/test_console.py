"""Rows in a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
from dfd.console import print_stream
from rich.console import Console


def test_prints_the_first_rows_and_reads_no_further() -> None:
    taken: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(100):
            taken.append(n)
            yield pa.record_batch({"n": [n], "f": [n / 3], "s": [None]})

    schema = pa.schema([("n", pa.int64()), ("f", pa.float64()), ("s", pa.null())])
    out = io.StringIO()
    stream = pa.RecordBatchReader.from_batches(schema, batches())
    assert print_stream(stream, limit=3, title="T", console=Console(file=out, width=60)) == 3
    text = out.getvalue()
    assert text.startswith("T")
    assert "0.67" in text
    assert len(taken) <= 4


def test_text_is_no_markup() -> None:
    out = io.StringIO()
    print_stream(pa.table({"s": ["[red]x[/nope]"]}), limit=5, console=Console(file=out, width=60))
    assert "[red]x[/nope]" in out.getvalue()
