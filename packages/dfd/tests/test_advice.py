"""What a table costs is measured, and each cost that a verb mends is named with it."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd.doctor import examine, print_examined
from dfd_delta_policy import UpkeepTask
from rich.console import Console


def append(runtime: dfd.Runtime, uri: Path, times: int) -> None:
    for n in range(times):
        runtime.write(uri, pa.table({"id": [n], "s": ["e"], "p": ["x"]}))


def test_a_table_that_costs_little_needs_nothing(runtime: dfd.Runtime, uri: Path) -> None:
    advice = runtime.advise(uri)
    assert advice.due == ()
    assert (advice.version, advice.checkpoint, advice.commits) == (0, None, 1)
    log = uri / f"_delta_log/{0:020}.json"
    assert advice.log_bytes == log.stat().st_size
    assert advice.files == len(DeltaTable(uri).file_uris())
    assert advice.deleted_share == 0
    assert advice.opening_s > 0 < advice.opening_requests


def test_small_files_want_optimize_and_a_checkpoint_makes_the_log_short(
    runtime: dfd.Runtime, uri: Path
) -> None:
    append(runtime, uri, 25)
    before = runtime.advise(uri)
    assert (before.commits, before.files) == (26, 27)
    assert before.due == (UpkeepTask.OPTIMIZE,)
    runtime.table(uri).create_checkpoint()
    after = runtime.advise(uri)
    assert (after.checkpoint, after.commits, after.log_bytes) == (25, 0, 0)
    assert after.opening_requests < before.opening_requests
    runtime.optimize(uri)
    assert runtime.advise(uri).due == ()


def test_deleted_rows_are_counted(runtime: dfd.Runtime, uri: Path) -> None:
    runtime.table(uri).set_properties({"delta.enableDeletionVectors": "true"})
    runtime.delete(uri, "id = 1")
    assert runtime.advise(uri).deleted_share == 0.25


def test_a_long_log_wants_a_checkpoint(runtime: dfd.Runtime, uri: Path) -> None:
    log = uri / "_delta_log"
    for version in range(1, 104):
        (log / f"{version:020}.json").write_text('{"commitInfo":{"operation":"WRITE"}}\n')
    advice = runtime.advise(uri)
    assert (advice.version, advice.commits) == (103, 104)
    assert advice.due == (UpkeepTask.CHECKPOINT,)


def test_the_doctor_shows_it(runtime: dfd.Runtime, uri: Path) -> None:
    append(runtime, uri, 25)
    console = Console(record=True, width=200)
    print_examined(str(uri), examine(runtime, str(uri)), console)
    shown = console.export_text()
    assert "27 file(s)" in shown
    assert f"`dfd optimize {uri.as_uri()}`" in shown or f"`dfd optimize {uri}`" in shown


def test_where_there_is_no_table_it_says_so(runtime: dfd.Runtime, tmp_path: Path) -> None:
    with pytest.raises(dfd.QueryError, match="No Delta table could be read"):
        runtime.advise(tmp_path / "none")
