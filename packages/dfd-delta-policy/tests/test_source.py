"""Every attempt reads all rows, from whatever they come."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from dfd_delta_policy import InvalidOperation, plain_schema
from dfd_delta_policy.source import Source, plain_reader, replayable

TABLE = pa.table({"n": [1, 2, 3], "s": ["a", None, "c"]})


@pytest.fixture(autouse=True)
def _spools_go_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def dataset(tmp_path: Path) -> ds.Dataset:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return ds.dataset(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: TABLE, id="table"),
        pytest.param(lambda _: TABLE.to_batches()[0], id="batch"),
        pytest.param(lambda _: TABLE.to_reader(), id="reader"),
        pytest.param(lambda _: lambda: TABLE.to_reader(), id="callable"),
        pytest.param(dataset, id="dataset"),
    ],
)
def test_opens_from_the_start_every_time(make: Any, tmp_path: Path) -> None:
    with replayable(make(tmp_path), once=False) as open_:
        assert [open_().read_all() for _ in range(3)] == [TABLE] * 3
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("looks", [True, False])
def test_a_source_is_read_once_after_its_schema(once: bool, looks: bool, tmp_path: Path) -> None:
    """A look at the schema reads no batch, spools nothing and opens nothing twice."""
    opened: list[int] = []

    def stream() -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            opened.append(1)
            yield from TABLE.to_batches()

        return pa.RecordBatchReader.from_batches(TABLE.schema, batches())

    for data in (TABLE, TABLE.to_batches()[0], dataset(tmp_path), stream(), stream):
        del opened[:]
        with Source(data, once=once) as source:
            if looks:
                assert source.schema == source.schema == TABLE.schema
            assert opened == []
            assert list((tmp_path / "tmp").iterdir()) == []
            assert source.open().read_all() == TABLE
            if not once:
                assert source.open().read_all() == TABLE
        assert len(opened) <= (1 if once or data is not stream else 2)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_stream_is_spooled_batch_by_batch(tmp_path: Path) -> None:
    spool: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(50):
            spool.append(len(list((tmp_path / "tmp").iterdir())))
            yield pa.record_batch({"n": [n]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
    with replayable(reader, once=False) as open_:
        assert spool == [1] * 50
        assert open_().read_all()["n"].to_pylist() == list(range(50))


def test_a_failing_stream_leaves_no_spool(tmp_path: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1]})
        raise RuntimeError("the source is gone")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())
    with pytest.raises(pa.ArrowInvalid, match="gone"), replayable(reader, once=False):
        pass
    assert list((tmp_path / "tmp").iterdir()) == []


def test_with_one_attempt_it_streams_straight_through(tmp_path: Path) -> None:
    with replayable(TABLE.to_reader(), once=True) as open_:
        assert list((tmp_path / "tmp").iterdir()) == []
        assert open_().read_all() == TABLE


def test_refuses_what_is_no_stream() -> None:
    with pytest.raises(InvalidOperation, match="list"):
        plain_reader([1, 2])


def test_views_and_field_ids_go_at_any_depth() -> None:
    field_id = {b"PARQUET:field_id": b"7", b"comment": b"kept"}
    schema = pa.schema(
        [
            pa.field("s", pa.string_view(), metadata=field_id),
            pa.field("l", pa.list_(pa.field("item", pa.binary_view(), metadata=field_id))),
            pa.field("m", pa.map_(pa.string_view(), pa.struct([("x", pa.string_view())]))),
        ]
    )
    plain = plain_schema(schema)
    assert "view" not in str(plain)
    assert b"PARQUET:field_id" not in repr(plain).encode()
    assert plain.field("s").metadata == {b"comment": b"kept"}
    table = pa.table({"s": pa.array(["a", None], pa.string_view())})
    assert plain_reader(table).read_all()["s"].to_pylist() == ["a", None]


IMPORT = """
import sys
import dfd_delta_policy
print([name for name in ("pandas", "pyarrow.dataset") if name in sys.modules])
"""


def test_the_import_loads_neither_pandas_nor_datasets() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
