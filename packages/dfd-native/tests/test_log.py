"""Commits by their number, and Python's lock let go meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dfd_native
import pytest
from dfd_native import LoggedCommit, TableError, commits_since

INFO = (
    '{"operation": "WRITE \\u00e4", "operationParameters": {"x": 1.50, "n": 12345678901234567890}}'
)


def put(root: Path, version: int, text: str) -> None:
    (root / "_delta_log").mkdir(parents=True, exist_ok=True)
    (root / f"_delta_log/{version:020}.json").write_text(text, encoding="utf-8")


def numbers(root: Path, version: int, **how: Any) -> list[int]:
    return [commit.version for commit in commits_since(root.as_uri(), version=version, **how)]


def test_the_commits_after_a_version(tmp_path: Path) -> None:
    for version in range(40):
        put(tmp_path, version, f'{{"txn": {{}}}}\n{{"commitInfo": {INFO}}}\n')
    assert numbers(tmp_path, 37) == [38, 39]
    assert numbers(tmp_path, 39) == []
    assert numbers(tmp_path, -1) == list(range(40))
    assert numbers(tmp_path, 3, last=5) == [4, 5]
    (commit,) = commits_since(tmp_path.as_uri(), version=38)
    assert commit == LoggedCommit(39, json.loads(INFO))


def test_what_a_commit_lacks(tmp_path: Path) -> None:
    assert numbers(tmp_path / "nowhere", -1) == []
    put(tmp_path, 7, '{"add": {"path": "commitInfo"}}\n')
    assert commits_since(tmp_path.as_uri(), version=2) == [LoggedCommit(7, {})]
    put(tmp_path, 8, "<html>")
    with pytest.raises(TableError, match="version 8 of the Delta table at"):
        commits_since(tmp_path.as_uri(), version=7)
    with pytest.raises(TableError, match="names no kind of store"):
        commits_since("nowhere://bucket/t", version=0)


def test_the_ordinary_case_lists_nothing(tmp_path: Path) -> None:
    for version in range(3):
        put(tmp_path, version, "{}\n")
    before = dfd_native.request_counts()
    assert numbers(tmp_path, 0) == [1, 2]
    assert numbers(tmp_path, 2) == []
    after = dfd_native.request_counts()
    asked = {kind: after[kind] - before[kind] for kind in after if after[kind] != before[kind]}
    assert not any("list" in kind for kind in asked), asked
    assert asked, "nothing is counted"


SCRIPT = """
import os, sys, threading
import dfd_native
root = sys.argv[1]
found = []
def read():
    found.extend(dfd_native.commits_since("file://" + root, version=0))
thread = threading.Thread(target=read)
thread.start()
# The reader waits in the system until somebody writes: with Python's lock held nobody ever could.
with open(os.path.join(root, "_delta_log", "%020d.json" % 1), "w"):
    pass
thread.join()
print([commit.version for commit in found])
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_slow_store_stops_no_other_thread(tmp_path: Path) -> None:
    put(tmp_path, 0, "{}\n")
    os.mkfifo(tmp_path / f"_delta_log/{1:020}.json")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[1]", done.stderr
