"""Commits by number: none left out, none under another's number, and a gap that shows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from dfd_delta_policy.backend.protocol import Native, installed
from dfd_delta_policy.backend.pyarrow import PlainTables

ROW = pa.table({"n": [1]})


@pytest.fixture(params=["pyarrow", "dfd-native"])
def native(request: pytest.FixtureRequest) -> Any:
    """What reads the log; dfd-native where that is installed."""
    if request.param == "pyarrow":
        return PlainTables()
    return installed() or pytest.skip("dfd-native isn't installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A table of versions 0 to 4, each with its number in its commitInfo."""
    for n in range(5):
        number = CommitProperties(custom_metadata={"number": str(n)})
        write_deltalake(tmp_path / "t", ROW, mode="append", commit_properties=number)
    return tmp_path / "t"


def uri(root: Path) -> str:
    return root.as_uri()


def log_file(root: Path, version: int) -> Path:
    return root / f"_delta_log/{version:020}.json"


@pytest.mark.parametrize(
    ("version", "last", "expected"),
    [
        (-1, None, [0, 1, 2, 3, 4]),
        (2, None, [3, 4]),
        (2, 3, [3]),
        (4, None, []),
        (4, 4, []),
        (9, None, []),
        (2, 2, []),
    ],
)
def test_the_commits_after_a_version(
    root: Path, native: Native, version: int, last: int | None, expected: list[int]
) -> None:
    found = native.commits_since(uri(root), version=version, last=last)
    assert [commit.version for commit in found] == expected
    assert [commit.info["number"] for commit in found] == [str(n) for n in expected]


def test_a_commit_without_info_keeps_its_number(root: Path, native: Native) -> None:
    lines = log_file(root, 2).read_text().splitlines()
    without = [line for line in lines if "commitInfo" not in json.loads(line)]
    log_file(root, 2).write_text("\n".join(without))
    found = native.commits_since(uri(root), version=0)
    assert [(commit.version, commit.info.get("number")) for commit in found] == [
        (1, "1"), (2, None), (3, "3"), (4, "4")
    ]  # fmt: skip


def test_what_the_log_has_lost_shows(root: Path, native: Native) -> None:
    DeltaTable(root).create_checkpoint()
    for version in range(4):
        log_file(root, version).unlink()
    assert [one.version for one in native.commits_since(uri(root), version=1)] == [4]
    assert [one.version for one in native.commits_since(uri(root), version=-1)] == [4]
    assert native.commits_since(uri(root), version=4) == []


def test_where_there_is_no_table_there_are_none(tmp_path: Path, native: Native) -> None:
    assert native.commits_since(uri(tmp_path / "none"), version=-1) == []


def test_numbers_hold_while_others_commit(root: Path, native: Native) -> None:
    def append(n: int) -> None:
        number = CommitProperties(custom_metadata={"number": "?"}, max_commit_retries=100)
        write_deltalake(root, ROW, mode="append", commit_properties=number)

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(append, n) for n in range(10)]
        while not all(other.done() for other in others):
            found = native.commits_since(uri(root), version=-1)
            assert [commit.version for commit in found] == list(range(len(found)))
            assert [commit.info["number"] for commit in found[:5]] == ["0", "1", "2", "3", "4"]
        for other in others:
            other.result()


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="deltalake 1.6.6 counts commits down from the handle's version, newer ones too",
)
def test_deltalakes_history_numbers_commits_right(root: Path) -> None:
    handle = DeltaTable(root)
    number = CommitProperties(custom_metadata={"number": "5"})
    write_deltalake(root, ROW, mode="append", commit_properties=number)
    assert all(str(commit["version"]) == commit["number"] for commit in handle.history(2))
