"""A handle is kept, brought up to date, and never believed where the table is another."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError
from dfd_delta_policy import GuardedTable
from dfd_delta_policy.commit.handles import Handles

ROW = pa.table({"n": [1]})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for _ in range(3):
        write_deltalake(tmp_path / "t", ROW, mode="append")
    return tmp_path / "t"


def test_what_others_committed_is_seen_on_the_same_handle(root: Path) -> None:
    handles = Handles(str(root), dict)
    first = handles.newest(None)
    write_deltalake(root, ROW, mode="append")
    second = handles.newest(first)
    assert second.table is first.table
    assert (second.table.version(), second.tip[0]) == (3, 3)
    assert pa.table(second.table.scan()).num_rows == 4


@pytest.mark.parametrize("commits", [1, 3, 5])
def test_a_table_made_anew_is_opened_anew(root: Path, commits: int) -> None:
    handles = Handles(str(root), dict)
    held = handles.newest(None)
    shutil.rmtree(root)
    for _ in range(commits):
        write_deltalake(root, pa.table({"other": ["x"]}), mode="append")
    newest = handles.newest(held)
    assert newest.table is not held.table
    assert newest.table.version() == commits - 1
    assert newest.table.metadata().id == DeltaTable(root).metadata().id


def test_a_table_that_is_gone_is_said_to_be(root: Path) -> None:
    handles = Handles(str(root), dict)
    held = handles.newest(None)
    shutil.rmtree(root)
    with pytest.raises(TableNotFoundError):
        handles.newest(held)


def test_other_credentials_make_another_handle(root: Path) -> None:
    options = {"timeout": "30s"}
    handles = Handles(str(root), lambda: dict(options))
    held = handles.newest(None)
    options["timeout"] = "31s"
    assert handles.newest(held).table is not held.table


def test_a_handle_belongs_to_one_operation(root: Path) -> None:
    handles = Handles(str(root), dict)
    held = handles.newest(None)
    handles.give(held)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: handles.take(), range(64)))
    assert [found for found in taken if found is not None] == [held]


def test_threads_write_through_one_table(root: Path) -> None:
    table = GuardedTable(root)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: table.append(ROW), range(20)))
    assert sorted(outcome.version or 0 for outcome in outcomes) == list(range(3, 23))
    assert pa.table(DeltaTable(root).scan()).num_rows == 23
