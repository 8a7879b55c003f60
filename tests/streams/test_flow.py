"""Lazy in and out, every row once, and the end after the first error: for any stream."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

import dfd_native
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = pa.schema([("n", pa.int64())])
TEXT = ["", "a", "a text that is longer than a view has room for", None]
COLUMNS = {
    "int": pa.array([1, None, 3, -4] * 5),
    "float": pa.array([0.5, None, -0.0, float("inf")] * 5),
    "bool": pa.array([True, None, False, True] * 5),
    "text": pa.array(TEXT * 5),
    "large text": pa.array(TEXT * 5, pa.large_string()),
    "text view": pa.array(TEXT * 5, pa.string_view()),
    "bytes view": pa.array([b"", b"\xff" * 20, None, b"a"] * 5, pa.binary_view()),
    "fixed bytes": pa.array([b"ab", None, b"\0\0", b"cd"] * 5, pa.binary(2)),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("-9.99"), Decimal(0)] * 5),
    "moment": pa.array([dt.datetime(2020, 1, 1), None] * 10, pa.timestamp("ns", "Europe/Berlin")),
    "day": pa.array([dt.date(2020, 1, 1), None] * 10),
    "dictionary": pa.array(["a", "b", None, "a"] * 5).dictionary_encode(),
    "runs": pa.RunEndEncodedArray.from_arrays([3, 7, 20], ["a", None, "b"]),
    "list": pa.array([[1], None, [], [2, None, 4]] * 5),
    "list view": pa.array([[1], None, [], [2, 3]] * 5, pa.list_view(pa.int64())),
    "fixed list": pa.array([[1, 2], None, [3, None], [5, 6]] * 5, pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": []}, {"a": 4}] * 5),
    "struct in struct": pa.array([{"a": {"b": 1}}, None, {"a": None}, {"a": {"b": 4}}] * 5),
    "struct in list": pa.array(
        [[{"a": {"b": 1}}] * 2, None, [None] * 2, [{"a": None}] * 2] * 5,
        pa.list_(pa.struct([("a", pa.struct([("b", pa.int64())]))]), 2),
    ),
    "map": pa.array([[("a", 1)], None, [], [("b", None)]] * 5, pa.map_(pa.string(), pa.int64())),
    "null": pa.nulls(20),
}
TABLE = pa.table(COLUMNS)
names = st.lists(st.sampled_from(list(COLUMNS)), unique=True, max_size=5)
sizes = st.lists(st.integers(0, 9), max_size=8)


class Counted:
    """A stream of numbers that counts how many of its batches it was asked for."""

    def __init__(self, sizes: list[int], fails_at: int | None = None) -> None:
        self.sizes, self.fails_at = sizes, fails_at
        self.asked = 0
        self.threads: set[int] = set()
        self.has_ended = threading.Event()

    def batches(self) -> Iterator[pa.RecordBatch]:
        first = 0
        try:
            for position, size in enumerate(self.sizes):
                self.asked += 1
                self.threads.add(threading.get_ident())
                if position == self.fails_at:
                    raise RuntimeError("the source is gone")
                yield pa.record_batch([pa.array(range(first, first + size))], schema=NUMBERS)
                first += size
            if self.fails_at == len(self.sizes):
                raise RuntimeError("the source is gone")
        finally:
            self.has_ended.set()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(NUMBERS, self.batches())
        return reader.__arrow_c_stream__(requested_schema)


def numbers(batch: dfd_native.RecordBatch) -> list[int]:
    return pa.record_batch(batch)["n"].to_pylist()


@given(
    names=names,
    cuts=st.lists(st.integers(0, 20), max_size=6),
    batch_rows=st.none() | st.integers(1, 25),
    ahead=st.integers(0, 3),
)
def test_the_rows_that_go_in_come_out(
    names: list[str], cuts: list[int], batch_rows: int | None, ahead: int
) -> None:
    table = TABLE.select(names)
    edges = [0, *sorted(cuts), len(table)]
    pieces = [
        pa.RecordBatch.from_arrays(
            [COLUMNS[name].slice(low, high - low) for name in names], schema=table.schema
        )
        for low, high in pairwise(edges)
        if names
    ]
    reader = pa.RecordBatchReader.from_batches(table.schema, pieces)
    stream = dfd_native.adapt_stream(reader, None, batch_rows, ahead)
    found = [pa.record_batch(batch) for batch in stream]
    assert pa.Table.from_batches(found, table.schema).to_pylist() == (
        table.to_pylist() if names else []
    )
    assert (stream.rows, stream.batches) == (sum(map(len, found)), len(found))
    if batch_rows is not None:
        assert all(batch.num_rows == batch_rows for batch in found[:-1])
        assert all(0 < batch.num_rows <= batch_rows for batch in found[-1:])
    for batch in found:
        batch.validate(full=True)


def test_rows_without_columns_are_rows() -> None:
    rows = pa.table({"n": range(7)}).select([])
    batches = list(dfd_native.adapt_stream(rows, batch_rows=3))
    assert [batch.num_rows for batch in batches] == [3, 3, 1]


def test_any_number_of_rows_may_be_asked_for() -> None:
    (batch,) = dfd_native.adapt_stream(Counted([3, 4]), batch_rows=2**62)
    assert numbers(batch) == list(range(7))


@given(sizes=sizes, batch_rows=st.integers(1, 12), ahead=st.integers(0, 3))
def test_no_batch_is_asked_for_before_it_is_needed(
    sizes: list[int], batch_rows: int, ahead: int
) -> None:
    source = Counted(sizes)
    stream = dfd_native.adapt_stream(source, batch_rows=batch_rows, prefetch_batches=ahead)
    assert source.asked == 0
    given_after = list(accumulate(sizes))
    for taken, _ in enumerate(stream, 1):
        wanted = (taken + ahead) * batch_rows
        needed = sum(rows < wanted for rows in given_after) + 1
        asked = source.asked
        assert asked <= min(needed, len(sizes))
        assert ahead > 0 or asked == min(needed, len(sizes))


@given(
    sizes=sizes,
    fails_at=st.integers(0, 8),
    batch_rows=st.none() | st.integers(1, 12),
    ahead=st.integers(0, 3),
)
def test_rows_before_an_error_come_before_it_and_nothing_after(
    sizes: list[int], fails_at: int, batch_rows: int | None, ahead: int
) -> None:
    fails_at = min(fails_at, len(sizes))
    source = Counted(sizes, fails_at)
    stream = dfd_native.adapt_stream(source, None, batch_rows, ahead)
    found: list[int] = []
    with pytest.raises(dfd_native.StreamError, match="the source is gone"):
        found.extend(n for batch in stream for n in numbers(batch))
    assert found == list(range(sum(sizes[:fails_at])))
    asked = source.asked
    assert list(stream) == []
    assert source.asked == asked <= fails_at + 1
    assert stream.rows == len(found)


@given(sizes=sizes, row=st.integers(0, 60), batch_rows=st.none() | st.integers(1, 12))
def test_the_row_of_an_error_is_that_of_the_stream(
    sizes: list[int], row: int, batch_rows: int | None
) -> None:
    limited = pa.schema([("n", pa.decimal128(3, 0))])
    values = [1000 if n == row else n for n in range(sum(sizes))]
    edges = [0, *accumulate(sizes)]
    pieces = [pa.record_batch({"n": values[a:b]}) for a, b in pairwise(edges)]
    reader = pa.RecordBatchReader.from_batches(NUMBERS, [one.cast(NUMBERS) for one in pieces])
    stream = dfd_native.adapt_stream(reader, limited, batch_rows)
    if row >= sum(sizes):
        assert len(list(stream)) == stream.batches
    else:
        with pytest.raises(dfd_native.StreamError, match=f"`n` in row {row} of the stream: 1000"):
            list(stream)
        # What came whole before it has left.
        assert stream.rows == max(edge for edge in edges if edge <= row)


def test_another_library_gets_what_was_not_read_yet() -> None:
    stream = dfd_native.adapt_stream(Counted([1, 2, 3]))
    assert numbers(next(stream)) == [0]
    assert pl.DataFrame(stream)["n"].to_list() == [1, 2, 3, 4, 5]
    assert (stream.rows, stream.batches) == (6, 3)
    with pytest.raises(dfd_native.StreamError, match="given away"):
        next(stream)


def test_a_stream_at_its_end_can_not_be_given_away() -> None:
    stream = dfd_native.adapt_stream(Counted([1]))
    assert [numbers(batch) for batch in stream] == [[0]]
    with pytest.raises(dfd_native.StreamError, match="to its end"):
        pa.table(stream)


def test_a_long_batch_is_cut_without_a_copy() -> None:
    whole = pa.record_batch({"n": pa.array(range(1000))})
    first = pa.record_batch(next(dfd_native.adapt_stream(whole, batch_rows=10)))
    assert first["n"].buffers()[1].address == whole["n"].buffers()[1].address


def size(data: Any, **shape: Any) -> int:
    stream = dfd_native.adapt_stream(data, **shape)
    assert list(stream)
    return stream.bytes


def test_bytes_do_not_depend_on_where_a_stream_is_cut() -> None:
    table = pa.table({"n": pa.array(range(1000), pa.int64())})
    assert size(table) == size(table, batch_rows=7) == size(table.slice(0), batch_rows=999) == 8000
    assert size(table.slice(3, 5)) == 40
    text = pa.table({"s": ["x" * 10] * 100})
    assert size(text) == 1000 + 4 * 101
    assert size(text, batch_rows=10) == 1000 + 4 * 11 * 10
    lists = pa.table({"l": [[1, 2, 3]] * 100})
    assert size(lists, batch_rows=50) == 2400 + 4 * 51 * 2
    views = pa.table(
        {"s": pa.array(["short", "a text that is longer than a view"] * 50, "string_view")}
    )
    assert size(views) == size(views, batch_rows=10) == 16 * 100 + 33 * 50


def test_a_dictionary_that_batches_share_counts_once() -> None:
    shared = pa.array(["x" * 100, "y" * 100]).dictionary_encode()
    keys = pa.array([0, 1] * 50, pa.int32())
    column = pa.DictionaryArray.from_arrays(keys, shared.dictionary)
    assert size(pa.table({"d": column}), batch_rows=10) == 4 * 100 + 200 + 4 * 3


def test_a_thread_of_its_own_reads_ahead_until_so_many_batches_wait() -> None:
    source = Counted([1] * 50)
    stream = dfd_native.adapt_stream(source, prefetch_batches=3)
    assert numbers(next(stream)) == [0]
    while source.asked < 4:
        assert not source.has_ended.wait(0.001)
    assert source.threads.isdisjoint({threading.get_ident()})
    assert not source.has_ended.wait(0.1)
    assert source.asked == 4
    assert [n for batch in stream for n in numbers(batch)] == list(range(1, 50))
    assert len(source.threads) == 1


@pytest.mark.parametrize("given_away", [False, True])
@pytest.mark.parametrize("ahead", [0, 2])
def test_the_source_goes_with_its_consumer(ahead: int, given_away: bool) -> None:
    source = Counted([1] * 1000)
    stream = dfd_native.adapt_stream(source, prefetch_batches=ahead)
    reader = pa.RecordBatchReader.from_stream(stream) if given_away else stream
    assert numbers(next(iter(reader))) == [0]
    del stream, reader
    assert source.has_ended.wait(10)
    assert source.asked <= 1 + ahead


def test_one_thread_reads_it_at_a_time() -> None:
    at_work, goes_on = threading.Event(), threading.Event()

    def batches() -> Iterator[pa.RecordBatch]:
        at_work.set()
        assert goes_on.wait(10)
        yield pa.record_batch([pa.array([1])], schema=NUMBERS)

    stream = dfd_native.adapt_stream(pa.RecordBatchReader.from_batches(NUMBERS, batches()))
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(stream))
    thread.start()
    assert at_work.wait(10)
    for read in next, pa.table:
        with pytest.raises(dfd_native.StreamError, match="by another thread"):
            read(stream)
    goes_on.set()
    thread.join(10)
    assert [numbers(batch) for batch in found] == [[1]]
