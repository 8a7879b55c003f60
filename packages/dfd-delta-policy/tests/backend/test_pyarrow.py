"""OPTIMIZE without dfd-native: what plain tables keep, and which tables are refused."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import GuardedTable, UnsupportedTable

SPARK = Path(__file__).parents[4] / "tests/conformance/spark"


def plain(path: Path) -> GuardedTable:
    """A table whose files deltalake writes and pyarrow compacts, whatever is installed."""
    table = GuardedTable(path)
    table._native = None
    return table


def test_files_stay_within_the_target(tmp_path: Path, rows: Any) -> None:
    table = plain(tmp_path / "t")
    for n in range(6):
        table.append(pa.table({"id": list(range(n * 10, n * 10 + 10))}))
    before = rows(table)
    size = max(DeltaTable(table.uri).get_add_actions(flatten=True)["size_bytes"].to_pylist())
    assert table.optimize(target_file_bytes=int(size * 2.5)).metrics["numFilesAdded"] == 3
    assert rows(table) == before


def test_statistics_and_partition_values_are_those_of_the_rows(tmp_path: Path, rows: Any) -> None:
    values = {
        "n": [3, None, -5, 7],
        "f": [0.5, float("nan"), 2.5, -1.0],
        "day": [date(2013, 1, 1), None, date(2012, 2, 29), date(2014, 12, 31)],
        "at": pa.array(
            [datetime(2013, 1, n, 12, 30, 1, 250, tzinfo=timezone.utc) for n in (1, 2, 3, 4)],
            pa.timestamp("us", "UTC"),
        ),
        "money": pa.array(
            [Decimal("1.10"), Decimal("-2.25"), None, Decimal("9.99")], pa.decimal128(9, 2)
        ),
        "s": ["a", None, "ä", "z"],
        "b": [True, None, False, True],
    }
    data = pa.table(values)
    table = plain(tmp_path / "t")
    for n in range(4):
        table.append(data.slice(n, 1))
    before = rows(table)
    table.optimize()
    assert repr(rows(table)) == repr(before)
    (stats,) = [
        json.loads(add["stats"])
        for line in sorted((tmp_path / "t/_delta_log").glob("*.json"))[-1].read_text().splitlines()
        if (add := json.loads(line).get("add"))
    ]
    assert stats["numRecords"] == 4
    assert (stats["minValues"]["n"], stats["maxValues"]["n"]) == (-5, 7)
    assert (stats["minValues"]["day"], stats["maxValues"]["day"]) == ("2012-02-29", "2014-12-31")
    assert stats["minValues"]["at"] == "2013-01-01T12:30:01.000250Z"
    assert "f" not in stats["minValues"]
    assert stats["nullCount"]["n"] == 1
    assert [r[0] for r in before if r[0] == 7] == [
        r["n"] for r in pa.table(DeltaTable(table.uri).scan(predicate="n > 5")).to_pylist()
    ]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([None, "a/b=c %41 ä", "x"], id="text"),
        pytest.param([None, date(1999, 12, 31)], id="date"),
        pytest.param([True, False], id="boolean"),
        pytest.param([Decimal("1.50"), Decimal("-2.00")], id="decimal"),
        pytest.param([datetime(2020, 2, 29, 1, 2, 3, 4000, tzinfo=timezone.utc)], id="timestamp"),
        pytest.param([2**40, -1], id="bigint"),
    ],
)
def test_partitions_of_every_kind(tmp_path: Path, rows: Any, values: list[Any]) -> None:
    table = plain(tmp_path / "t")
    for n in range(2):
        table.append(pa.table({"p": values, "n": [n] * len(values)}), partition_by=["p"])
    before = rows(table)
    outcome = table.optimize()
    assert outcome.metrics["numFilesAdded"] == len(values)
    assert rows(table) == before


def test_checkpoints_come_at_the_interval(tmp_path: Path, rows: Any) -> None:
    """deltalake's and dfd's follow the same rule."""
    table = plain(tmp_path / "t")
    table.append(pa.table({"id": [0]}))
    DeltaTable(table.uri).alter.set_table_properties({"delta.checkpointInterval": "4"})
    for n in range(1, 7):
        table.append(pa.table({"id": [n]}))
        table.optimize()
    found = sorted(path.name[:20] for path in (tmp_path / "t/_delta_log").glob("*.checkpoint.*"))
    assert [int(version) for version in found] == [3, 7, 11]
    assert len(rows(table)) == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dv_delete", "deletionVectors"),
        ("mapping_name", "columnMapping"),
        ("partitions_odd", "can't remove the file"),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, name: str, said: str) -> None:
    shutil.copytree(SPARK / name / "delta", tmp_path / "t")
    table = plain(tmp_path / "t")
    before = table.version()
    with pytest.raises(UnsupportedTable, match=said):
        table.optimize()
    with pytest.raises(UnsupportedTable, match="dfd-native"):
        table.z_order(["id"])
    assert table.version() == before
