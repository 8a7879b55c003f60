"""A log gets a checkpoint by its bytes too, so that opening a table stays short."""

from pathlib import Path

import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable
from dfd_delta_policy.commit import committer

pytest.importorskip("dfd_native")

MANY = pa.table({"id": range(committer._MANY_FILES), "p": range(committer._MANY_FILES)})
FEW = MANY.slice(0, 10)


def checkpoints(root: Path) -> list[int]:
    found = (root / "_delta_log").glob("*.checkpoint.parquet")
    return sorted(int(path.name[:20]) for path in found)


def test_commits_of_many_files_bring_a_checkpoint_where_the_log_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = GuardedTable(tmp_path / "t")
    table.append(MANY, partition_by=["p"])
    first = (tmp_path / "t/_delta_log" / f"{0:020}.json").stat().st_size
    monkeypatch.setattr(committer, "_LONG_LOG_BYTES", 3 * first)
    for rows in (MANY, FEW, MANY, FEW, FEW):
        table.append(rows)
    # Nothing of the log before it counts for the next.
    assert checkpoints(tmp_path / "t") == [3]
    table.append(MANY)
    assert checkpoints(tmp_path / "t") == [3]
    table.delete("id >= 0")
    assert checkpoints(tmp_path / "t") == [3, 7]
    table.optimize()


def test_a_look_that_fails_leaves_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import dfd_native

    def failing(*arguments: object) -> None:
        raise OSError("no listing")

    monkeypatch.setattr(dfd_native, "log_length", failing)
    table = GuardedTable(tmp_path / "t")
    table.append(MANY, partition_by=["p"])
    table.append(MANY)
    assert table.history(1)[0]["version"] == 1
    assert "No checkpoint of" in caplog.text
