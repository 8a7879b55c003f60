"""Overwrites of the partitions that the data has rows of; deltalake reads what is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, InvalidOperation, Status
from row_tables import CHANGES, MAPPED, VECTORS, actions, left_over, numbered, rows_of

pytest.importorskip("dfd_native")

Make = Callable[..., GuardedTable]


def rows(*found: tuple[int, int | None]) -> pa.Table:
    ids, partitions = zip(*found, strict=True)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "p": pa.array(partitions, pa.int32()),
            "s": pa.array(["new"] * len(found), pa.string()),
        }
    )


@pytest.mark.parametrize(
    "properties",
    [{}, VECTORS, CHANGES, MAPPED, MAPPED | VECTORS | CHANGES],
    ids=["plain", "vectors", "feed", "mapped", "all"],
)
def test_other_partitions_stay(make_rows: Make, properties: dict[str, str]) -> None:
    table = make_rows(properties, files=2, rows=9, partition_by=["p"])
    table.append(rows((100, None)))
    table.delete("id = 1")
    before = {row for row in rows_of(table) if row[1] not in (1, None)}
    outcome = table.overwrite(
        rows((50, 1), (51, None), (52, 7)), partition_overwrite_mode="dynamic"
    )
    assert outcome.status is Status.COMMITTED
    assert {*rows_of(table)} == before | {(50, 1, "new"), (51, None, "new"), (52, 7, "new")}
    (info,) = actions(table, "commitInfo", table.version())
    assert info["operationParameters"]["isDynamicPartitionOverwrite"] is True
    key = "col-2" if "delta.columnMapping.mode" in properties else "p"
    gone = actions(table, "remove", table.version())
    assert {remove["partitionValues"][key] for remove in gone} == {"1", None}
    # Whole files go and come: readers of changes see that without files of changes.
    assert not actions(table, "cdc", table.version())
    assert not left_over(table)


def test_values_are_compared_and_not_their_texts(tmp_path: Path) -> None:
    """Spark writes times otherwise than dfd does."""
    table = GuardedTable(tmp_path / "t")
    times = [datetime(2021, 1, day, 10, 30, tzinfo=timezone.utc) for day in (1, 2)]
    kind = pa.timestamp("us", "UTC")
    data = pa.table({"at": pa.array(times, kind), "n": [1, 2]})
    table.append(data, partition_by=["at"])
    commit = tmp_path / f"t/_delta_log/{0:020}.json"
    lines = [json.loads(line) for line in commit.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            day = line["add"]["partitionValues"]["at"][:10]
            line["add"]["partitionValues"]["at"] = f"{day} 10:30:00"
    commit.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = GuardedTable(tmp_path / "t")
    table.overwrite(
        pa.table({"at": pa.array(times[:1], kind), "n": [5]}), partition_overwrite_mode="dynamic"
    )
    (new,) = actions(table, "add", table.version())
    assert new["partitionValues"]["at"] != "2021-01-01 10:30:00"
    found = pa.table(DeltaTable(tmp_path / "t").scan()).sort_by("n")
    assert found["n"].to_pylist() == [2, 5]


def test_a_table_without_partitions_is_replaced(make_rows: Make) -> None:
    table = make_rows(files=2, rows=9)
    table.overwrite(rows((50, 1)), partition_overwrite_mode="dynamic")
    assert [*rows_of(table)] == [(50, 1, "new")]


def test_a_table_is_made(tmp_path: Path) -> None:
    table = GuardedTable(tmp_path / "t")
    table.overwrite(rows((50, 1)), partition_by=["p"], partition_overwrite_mode="dynamic")
    assert [*rows_of(table)] == [(50, 1, "new")]


def test_what_came_meanwhile_goes_with_its_partition(make_rows: Make, make_native: Any) -> None:
    if make_native.__name__ != "WatchedNative":
        pytest.skip("needs dfd-native")
    table, native = make_rows(files=1, rows=9, partition_by=["p"]), make_native()
    others = [row for row in rows_of(table) if row[1] != 1]

    def move_on() -> None:
        native.meanwhile = None
        GuardedTable(table.uri).append(rows((60, 1), (61, 2)))

    overwriting = native.on(GuardedTable(table.uri))
    native.meanwhile = move_on
    overwriting.overwrite(rows((50, 1)), partition_overwrite_mode="dynamic")
    assert native.stages == 1
    assert {*rows_of(table)} == {*others, (50, 1, "new"), (61, 2, "new")}
    assert not left_over(table)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"predicate": "p = 1"}, "takes no predicate"),
        ({"schema_mode": "overwrite"}, "no other columns"),
        ({"partition_overwrite_mode": "nightly"}, "static or dynamic"),
    ],
)
def test_what_does_not_go_together_is_refused(
    make_rows: Make, how: dict[str, Any], said: str
) -> None:
    table = make_rows(files=1, rows=9, partition_by=["p"])
    version = table.version()
    with pytest.raises(InvalidOperation, match=said):
        table.overwrite(numbered(0, 3), **{"partition_overwrite_mode": "dynamic", **how})
    table._native = None
    with pytest.raises(InvalidOperation, match="pip install dfd-native"):
        table.overwrite(numbered(0, 3), partition_overwrite_mode="dynamic")
    assert table.version() == version
    assert not left_over(table)
