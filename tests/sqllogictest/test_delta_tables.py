"""Tables of the Delta form: many files, small row groups, the same rows."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import delta_tables
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from delta_tables import NotHeld, held
from deltalake import DeltaTable

ROWS = pa.table(
    {
        "n": pa.array([None if i % 7 == 3 else 50 - i for i in range(50)], pa.int32()),
        "l": pa.array([[i, None] if i % 3 else None for i in range(50)], pa.list_(pa.int64())),
    }
)


def plain_rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(path).to_pyarrow_table().to_pylist()
    return found


def test_rows_are_written_into_many_files_of_several_row_groups(tmp_path: Path) -> None:
    delta_tables.write(tmp_path / "t", ROWS)
    files = sorted((tmp_path / "t").glob("*.parquet"))
    assert len(files) == 8
    assert [pq.ParquetFile(file).metadata.num_row_groups for file in files] == [3] * 7 + [1]
    found = plain_rows(tmp_path / "t")
    assert sorted(found, key=repr) == sorted(ROWS.to_pylist(), key=repr)


def test_writing_again_replaces_the_rows(tmp_path: Path) -> None:
    delta_tables.write(tmp_path / "t", ROWS)
    delta_tables.write(tmp_path / "t", ROWS.slice(0, 20))
    assert sorted(plain_rows(tmp_path / "t"), key=repr) == sorted(
        ROWS.slice(0, 20).to_pylist(), key=repr
    )
    assert len(DeltaTable(tmp_path / "t").file_uris()) == 7
    delta_tables.write(tmp_path / "t", ROWS.slice(0, 0))
    assert plain_rows(tmp_path / "t") == []


def test_rows_turned_round_are_the_same_in_small_batches() -> None:
    parts = delta_tables.turned(ROWS)
    assert len(parts) == delta_tables.PARTITIONS
    assert {batch.num_rows for part in parts for batch in part} == {2, 3}
    mixed = delta_tables.shuffled(ROWS, 1)
    assert mixed == delta_tables.shuffled(ROWS, 1) != delta_tables.shuffled(ROWS, 2)
    assert parts[0][0].column(0).to_pylist() == [1, 2, 3]
    rows = pa.Table.from_batches([batch for part in parts for batch in part])
    assert rows.sort_by("n").column("n").equals(ROWS.sort_by("n").column("n"))
    assert [len(part) for part in delta_tables.turned(ROWS.slice(0, 0))] == [1] * 4


MOMENT = dt.datetime(2020, 2, 29, 12)
HELD: list[tuple[pa.DataType, Any, pa.DataType]] = [
    (pa.uint8(), 255, pa.int16()),
    (pa.uint64(), 2**63 - 1, pa.int64()),
    (pa.float16(), 1.5, pa.float32()),
    (pa.large_utf8(), "a", pa.utf8()),
    (pa.string_view(), "a", pa.utf8()),
    (pa.binary(2), b"ab", pa.binary()),
    (pa.decimal32(5, 2), Decimal("1.25"), pa.decimal128(5, 2)),
    (pa.timestamp("ns"), MOMENT, pa.timestamp("us")),
    (
        pa.timestamp("s", "+00:00"),
        MOMENT.replace(tzinfo=dt.timezone.utc),
        pa.timestamp("us", "UTC"),
    ),
    (pa.dictionary(pa.int8(), pa.utf8()), "a", pa.utf8()),
    (pa.list_(pa.uint8(), 1), [1], pa.list_(pa.field("element", pa.int16()))),
    (pa.large_list(pa.large_utf8()), ["a"], pa.list_(pa.field("element", pa.utf8()))),
    (pa.struct([("x", pa.uint16())]), {"x": 7}, pa.struct([("x", pa.int32())])),
    (pa.map_(pa.utf8(), pa.uint8()), [("a", 1)], pa.map_(pa.utf8(), pa.int16())),
]


@pytest.mark.parametrize(("kind", "value", "found"), HELD, ids=lambda value: str(value))
def test_the_nearest_type_with_every_value(
    kind: pa.DataType, value: Any, found: pa.DataType
) -> None:
    rows = held(pa.table({"a": pa.array([value, None], kind)}))
    assert rows.schema == pa.schema({"a": found})
    assert rows.column("a").to_pylist() == [value, None]


NOT_HELD: list[tuple[pa.Table, str]] = [
    (pa.table({}), "no columns"),
    (pa.table({"a": [1], "A": [1]}), "two columns of one name"),
    (pa.table({"a b": [1]}), "a name that Delta refuses"),
    (pa.table({"a": pa.array([1], pa.time64("us"))}), "a column of time64"),
    (pa.table({"a": pa.array([[None]], pa.list_(pa.null()))}), "a column of null"),
    (pa.table({"a": pa.array([1], pa.timestamp("us", "Asia/Tokyo"))}), "a column of timestamp"),
    (pa.table({"a": pa.array([2**63], pa.uint64())}), "values that the nearest types don't have"),
    (
        pa.table({"a": pa.array([1], pa.timestamp("ns"))}),
        "values that the nearest types don't have",
    ),
]


@pytest.mark.parametrize(("rows", "why"), NOT_HELD, ids=lambda value: str(value)[:40])
def test_what_no_delta_table_holds(rows: pa.Table, why: str) -> None:
    with pytest.raises(NotHeld, match=f"^{why}$"):
        held(rows)
