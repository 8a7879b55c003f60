"""Folders that deltalake takes for others: what is refused, and that it would go wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import GuardedTable, UnsupportedTable, audit
from dfd_storage import canonical_uri

# An escape that is part of the name, and a backslash, are decoded once too often.
MISTAKEN = ["a%20b", "%41", "a%2Fb", "back\\slash"]
TAKEN = [
    "plain",
    "a b",
    "100%",
    "%zz",
    "a#b",
    "a?b",
    "ä 日本",
    "e\u0301",
    "~t",
    "c:d",
    "{x}",
    "*",
    "'\"`",
]


@pytest.mark.parametrize("name", [*MISTAKEN, "[a]", "a^b", "a|b"])
def test_a_folder_that_deltalake_takes_for_another_is_refused(tmp_path: Path, name: str) -> None:
    for uri in (tmp_path / name, canonical_uri(tmp_path / name), tmp_path / name / "t"):
        with pytest.raises(UnsupportedTable, match="Rename the folder"):
            GuardedTable(uri)
        with pytest.raises(UnsupportedTable, match="Rename the folder"):
            audit(uri)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MISTAKEN)
def test_deltalake_writes_what_it_cannot_read_there(tmp_path: Path, name: str) -> None:
    """The reason why it is refused here."""
    uri = canonical_uri(tmp_path / name)
    with pytest.raises(Exception, match="File not found"):
        write_deltalake(uri, pa.table({"id": [1]}))
    # It is written; the folder can't be told from one of another name since.
    assert list((tmp_path / name / "_delta_log").glob("*.json"))
    with pytest.raises(Exception, match="File not found"):
        DeltaTable(uri)


@pytest.mark.parametrize("name", TAKEN)
def test_other_names_are_kept(tmp_path: Path, name: str) -> None:
    table = GuardedTable(tmp_path / name)
    table.append(pa.table({"id": [1, 2]}))
    table.append(pa.table({"id": [3]}))
    table.delete("id = 1")
    table.optimize()
    assert table.audit().is_sound
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sorted(pa.table(DeltaTable(tmp_path / name).scan())["id"].to_pylist()) == [2, 3]
