"""Columns that deltalake would carry over wrong, told from the footers of the files that it would write anew."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from written_by_hand import array, field, mapped, struct, with_id, write

END = datetime(9999, 12, 31, tzinfo=timezone.utc)
MOMENT = pa.timestamp("us", "UTC")


def data(place: int, **columns: pa.Array) -> pa.Table:
    ids = pa.array([place * 10, place * 10 + 1], pa.int64())
    return pa.table({"id": ids, **columns})


def moments() -> pa.Array:
    return pa.array([None, END], MOMENT)


def misread(root: Path, predicate: str | None = None, version: int = 0) -> dict[str, str]:
    return dfd_native.misread_columns(root.as_uri(), version=version, predicate=predicate)


def test_int96_at_every_depth(tmp_path: Path) -> None:
    inside = pa.array([{"at": None}, {"at": None}], pa.struct([("at", MOMENT)]))
    lists = pa.array([[], []], pa.list_(MOMENT))
    files = [data(n, at=moments(), s=inside, l=lists) for n in range(3)]
    fields = [
        field("id", "long"),
        field("at", "timestamp"),
        field("s", struct(field("at", "timestamp"))),
        field("l", array("timestamp")),
    ]
    root = write(tmp_path / "t", fields, files, use_deprecated_int96_timestamps=True)
    found = misread(root)
    assert found == dict.fromkeys(("at", "s.at", "l.list.element"), "an INT96 timestamp")
    # What it is for: deltalake itself makes another moment of it.
    DeltaTable(str(root)).delete("id = 0")
    (new,) = set(root.glob("*.parquet")) - {root / f"part-{n}.parquet" for n in range(3)}
    assert END not in pq.read_table(new)["at"].to_pylist()


def test_timestamps_of_today_are_right(tmp_path: Path) -> None:
    fields = [field("id", "long"), field("at", "timestamp")]
    root = write(tmp_path / "t", fields, [data(0, at=moments())])
    assert misread(root) == {}


def test_names_in_another_case(tmp_path: Path) -> None:
    s = pa.array([{"X": 1}, None], pa.struct([("X", pa.int64())]))
    files = [data(0, s=s), data(1, S=s).rename_columns(["ID", "S"])]
    root = write(
        tmp_path / "t", [field("id", "long"), field("s", struct(field("x", "long")))], files
    )
    found = misread(root)
    assert found == {"id": "spelled ID in a file", "s.x": found["s.x"]}
    assert found["s.x"] in ("spelled s.X in a file", "spelled S.X in a file")


def test_mapped_columns_have_the_names_that_deltalake_looks_for(tmp_path: Path) -> None:
    """By name it finds them; by id, where the file has the physical names too."""
    fields = [mapped("id", "long", 1), mapped("s", struct(mapped("x", "long", 3)), 2)]
    inside = pa.struct([("col-3", pa.int64())])
    physical = pa.table({"col-1": [1], "col-2": pa.array([{"col-3": 5}], inside)})
    for mode in ("name", "id"):
        assert misread(write(tmp_path / mode, fields, [physical], mode=mode)) == {}
    named = [
        with_id("id", pa.int64(), 1),
        with_id("s", pa.struct([with_id("x", pa.int64(), 3)]), 2),
    ]
    logical = pa.table(
        [pa.array([1]), pa.array([{"x": 5}], named[1].type)], schema=pa.schema(named)
    )
    root = write(tmp_path / "logical", fields, [logical], mode="id")
    assert misread(root) == {"id": "spelled id in a file", "s.x": "spelled s.x in a file"}


@pytest.mark.parametrize(
    ("predicate", "is_found"),
    [
        ("p = 'old'", True),
        ("p = 'new'", False),
        ("p = 'new' and id > 3", False),
        ("P <> 'old'", True),  # no column of this table: nothing is left out
        ("id = 3", True),
        ("random() < 2", True),
        ("this is no condition", True),
    ],
)
def test_only_files_that_may_match_are_looked_at(
    tmp_path: Path, predicate: str, is_found: bool
) -> None:
    fields = [field("id", "long"), field("at", "timestamp"), field("p", "string")]
    root = write(
        tmp_path / "t",
        fields,
        [data(0, at=moments())],
        partition_by=["p"],
        partitions=[{"p": "old"}],
        use_deprecated_int96_timestamps=True,
    )
    new = data(1, at=moments()).append_column("p", pa.array(["new"] * 2))
    write_deltalake(root, new, mode="append")
    assert bool(misread(root, predicate, version=1)) is is_found
