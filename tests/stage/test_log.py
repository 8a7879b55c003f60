"""Files as the log has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import made
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_native import TableError, active_files

LEFT_OUT = {"stats", "dataChange"}
PLAIN = sorted(
    path.name
    for path in made.SUITE.iterdir()
    if (path / "delta/_delta_log/00000000000000000000.json").exists() and path.name != "widening"
)


def replayed(uri: Path, version: int) -> list[dict[str, Any]]:
    """The add actions of a version, from its commits."""
    found: dict[tuple[str, Any], dict[str, Any]] = {}

    def key(action: dict[str, Any]) -> tuple[str, Any]:
        vector = action.get("deletionVector") or {}
        return action["path"], (vector.get("pathOrInlineDv"), vector.get("offset"))

    for number in range(version + 1):
        commit = uri / f"_delta_log/{number:020}.json"
        actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
        for action in actions:
            if removed := action.get("remove"):
                found.pop(key(removed))
        for action in actions:
            if added := action.get("add"):
                named = {name: it for name, it in added.items() if name not in LEFT_OUT}
                found[key(added)] = {name: it for name, it in named.items() if it is not None}
    return list(found.values())


def ordered(actions: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(action, sort_keys=True) for action in actions)


@pytest.mark.parametrize("name", PLAIN)
def test_files_are_those_of_the_commits(name: str) -> None:
    uri = made.SUITE / name / "delta"
    newest = active_files(uri.as_uri())
    for version in range(newest.version + 1):
        found = active_files(uri.as_uri(), version=version)
        assert found.version == version
        assert ordered(found.actions) == ordered(replayed(uri, version))


def test_paths_keep_the_encoding_of_their_writer(tmp_path: Path) -> None:
    data = pa.table({"a": [1], "größe %": ["ä b%"]})
    write_deltalake(tmp_path / "t", data, partition_by=["größe %"])
    (by_deltalake,) = active_files((tmp_path / "t").as_uri()).actions
    assert by_deltalake["path"] == replayed(tmp_path / "t", 0)[0]["path"]
    assert by_deltalake["path"].isascii()
    paths = [file["path"] for file in active_files(
        (made.SUITE / "partitions_odd/delta").as_uri()).actions]  # fmt: skip
    assert any("größe%2525=" in path for path in paths)


def test_what_a_checkpoint_has_and_what_came_after() -> None:
    uri = made.SUITE / "checkpoint/delta"
    found = active_files(uri.as_uri())
    wanted = DeltaTable(str(uri)).get_add_actions(flatten=True)
    assert sorted(action["path"] for action in found.actions) == sorted(
        pa.table(wanted)["path"].to_pylist()
    )


def test_a_table_or_version_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TableError):
        active_files((tmp_path / "t").as_uri())
    write_deltalake(tmp_path / "t", pa.table({"a": [1]}))
    with pytest.raises(TableError):
        active_files((tmp_path / "t").as_uri(), version=3)
