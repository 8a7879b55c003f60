"""What is written: streams of Arrow batches made as they are read, and the table that a query reads."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from benchmarks.scan import data as scan

STREAM_ROWS = 20_000_000
PARTITIONED_ROWS = 4_000_000
PARTITIONS = 1_000
BATCH_ROWS = 65_536

SCHEMA = pa.schema(
    [("id", pa.int64()), ("day", pa.date32()), ("code", pa.int64()), ("value", pa.float64()),
     ("label", pa.string())]
)  # fmt: skip
QUERY = "select id, day, code, value * 2 as value, label from keys where code % 10 < 8"
SUMS = "count(*) as rows, sum(id) as ids, sum(code) as codes, sum(length(label)) as letters"


def rows(case: str, scale: float) -> int:
    """How many rows a case's stream has."""
    return int((PARTITIONED_ROWS if case == "partitions" else STREAM_ROWS) * scale)


def schema(case: str) -> pa.Schema:
    """Of a case's stream."""
    return SCHEMA.append(pa.field("p", pa.int32())) if case == "partitions" else SCHEMA


def frames(case: str, scale: float) -> Iterator[pl.DataFrame]:
    """The rows of a case, a batch at a time; the partitions come in no order."""
    total = rows(case, scale)
    for first in range(0, total, BATCH_ROWS):
        last = min(first + BATCH_ROWS, total)
        # A bijection of 32 bits: values in no order, and no two alike.
        mixed = pl.col("id") * 2_654_435_761 % (1 << 32)
        frame = pl.select(id=pl.int_range(first, last, dtype=pl.Int64)).with_columns(
            day=pl.date(2020, 1, 1) + pl.duration(days=pl.col("id") * 1_000 // total),
            code=mixed,
            value=mixed / (1 << 32),
            label=pl.format("label {} of {}", mixed, mixed % 1_009),
        )
        if case == "partitions":
            frame = frame.with_columns(p=(pl.col("code") % PARTITIONS).cast(pl.Int32))
        yield frame


def stream(case: str, scale: float) -> pa.RecordBatchReader:
    """The same as a stream that is read once."""
    wanted = schema(case)
    batches = (
        batch
        for frame in frames(case, scale)
        for batch in frame.to_arrow().cast(wanted).to_batches()
    )
    return pa.RecordBatchReader.from_batches(wanted, batches)


def source(scale: float) -> scan.Stored:
    """What `QUERY` reads: 10M rows at scale 1, as a Delta table and as plain Parquet."""
    return scan.keys(4, scale)
