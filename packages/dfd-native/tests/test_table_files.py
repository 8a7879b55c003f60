"""The files in a table's folder, as they are."""

from __future__ import annotations

from pathlib import Path

import dfd_native
import pyarrow as pa
import pytest
from deltalake import write_deltalake

NAMES = ("p=a%2Fb/ü #?.parquet", "deep/er/x", "_delta_log/_sidecars/s")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    root = tmp_path / "a é"
    write_deltalake(root, pa.table({"a": [1]}))
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_they_are_listed_from_the_tables_root(table: Path) -> None:
    there = {path.relative_to(table).as_posix() for path in table.rglob("*") if path.is_file()}
    assert set(dfd_native.list_files(table)) == there
    of_log = {path for path in there if path.startswith("_delta_log/")}
    assert set(dfd_native.list_files(table, folder="_delta_log")) == of_log
    assert dfd_native.list_files(table, folder="nowhere") == []
    assert dfd_native.list_files(table.parent / "nowhere") == []


def test_tables_are_the_folders_with_a_log(table: Path) -> None:
    write_deltalake(table.parent / "b", pa.table({"a": [1]}))
    assert dfd_native.tables_beneath(table.parent) == ["a é", "b"]
    assert dfd_native.tables_beneath(table) == []
    assert dfd_native.tables_beneath(table / "nowhere") == []


@pytest.mark.parametrize("name", NAMES)
def test_they_are_read_as_they_are(table: Path, name: str) -> None:
    assert dfd_native.read_file(table, path=name) == name.encode()


def test_one_that_is_not_there_is_named(table: Path) -> None:
    with pytest.raises(dfd_native.TableError, match="deep/nowhere") as caught:
        dfd_native.read_file(table, path="deep/nowhere")
    assert caught.value.path == "deep/nowhere"
    with pytest.raises(dfd_native.TableError, match="nothing"):
        dfd_native.list_files("nothing://bucket/t")
