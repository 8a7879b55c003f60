"""A handle is kept, brought up to date, and never believed where the table is another."""

from __future__ import annotations

import shutil
import subprocess
import sys
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


FORKED = """
import os, sys
import pyarrow as pa
from dfd_delta_policy import GuardedTable, OperationRefused

opened, new = GuardedTable(sys.argv[1]), GuardedTable(sys.argv[1] + "-new")
rows = pa.table({"n": [1]})
if sys.argv[2] == "after":
    opened.append(rows)
child = os.fork()
if child == 0:
    try:
        opened.append(rows), new.append(rows)
        os._exit(0)
    except OperationRefused as refused:
        os._exit(7 if "forked" in str(refused) else 8)
    finally:
        os._exit(9)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("fork", "code"), [("after", 7), ("before", 0)])
def test_a_fork_of_what_has_opened_a_table_is_refused(tmp_path: Path, fork: str, code: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path / "t"), fork],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
