"""The runtime's doors take a location as people have it, and keep a folder's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dfd
import dfd_delta_policy
import polars
import pyarrow as pa
import pytest
from dfd_native.location import table_uri
from dfd_storage import canonical_uri

Door = Callable[[dfd.Runtime, Any], object]

# Names that deltalake opens; what it takes for another is refused.
NAMES = ["a b", "100%", "a#b", "a?b", "ä 日本", "c:d", "~t", "-t", "{x}", "a&b=c", "'q'\"", "*"]
ODD = ["a%20b", "%41", "a%2Fb", "back\\slash", "[a]", "a^b", "a|b"]
ROWS = pa.table({"id": [1, 2, 3]})


def registered(runtime: dfd.Runtime, location: Any) -> None:
    runtime.register("t", location)
    assert runtime.sql("select count(*) n from t").to_arrow_table().to_pydict() == {"n": [3]}


def read_in_sql(runtime: dfd.Runtime, location: Any) -> None:
    text = str(location).replace("'", "''")
    found = runtime.sql(f"select sum(id) s from read_delta('{text}')").to_arrow_table()
    assert found.to_pydict() == {"s": [6]}


def restored(runtime: dfd.Runtime, location: Any) -> None:
    runtime.write(location, pa.table({"id": [4]}))
    runtime.restore(location, 0)


DOORS: dict[str, Door] = {
    "register": registered,
    "read_delta": read_in_sql,
    "write": lambda runtime, location: runtime.write(location, ROWS, mode="overwrite"),
    "delete": lambda runtime, location: runtime.delete(location, "id > 9"),
    "update": lambda runtime, location: runtime.update(location, {"id": "id"}, "id > 9"),
    "optimize": lambda runtime, location: runtime.optimize(location),
    "vacuum": lambda runtime, location: runtime.vacuum(location),
    "restore": restored,
    "table": lambda runtime, location: runtime.table(location).version(),
    "abandoned_stages": lambda runtime, location: runtime.abandoned_stages(location),
    "GuardedTable": lambda runtime, location: dfd_delta_policy.GuardedTable(location).history(),
    "audit": lambda runtime, location: dfd_delta_policy.audit(location),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_every_spelling(
    runtime: dfd.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    home = tmp_path / "home"
    root = home / "a table"
    runtime.write(root, ROWS)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    for location in (root, str(root), root.as_uri(), Path("a table"), "a table", "~/a table"):
        DOORS[door](runtime, location)
    assert [path.name for path in home.iterdir()] == ["a table"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("name", ["plain", *NAMES, *ODD, "~", "~/t", "../up", "./a//b/", "é\u0301"])
def test_the_two_halves_mean_the_same_folder(name: str) -> None:
    """dfd-native does without dfd-storage, and takes a path as that does."""
    mine, theirs = urlsplit(table_uri(name)), urlsplit(canonical_uri(name))
    assert (mine.scheme, mine.netloc, unquote(mine.path)) == ("file", "", unquote(theirs.path))
    assert canonical_uri(table_uri(name)) == canonical_uri(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_keeps_its_name(runtime: dfd.Runtime, tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    runtime.write(root, ROWS)
    runtime.write(str(root), pa.table({"id": [4]}))
    runtime.register("t", root)
    runtime.delete(root, "id = 1")
    runtime.update(root, {"id": "id + 10"}, "id = 4")
    runtime.optimize(root)
    runtime.vacuum(root, dry_run=False)
    found = runtime.sql("select id from t order by id").to_arrow_table()
    assert found.to_pydict() == {"id": [2, 3, 14]}
    assert [path.name for path in tmp_path.iterdir()] == [name]
    commits = sorted((root / "_delta_log").glob("*.json"))
    actions = [json.loads(line) for line in commits[-1].read_text().splitlines()]
    files = [root / action["add"]["path"] for action in actions if "add" in action]
    rows = [row for file in files for row in polars.read_parquet(file.read_bytes()).rows()]
    assert sorted(rows) == [(2,), (3,), (14,)]


@pytest.mark.parametrize("name", ODD)
def test_what_deltalake_takes_for_another_folder_is_refused_and_read(
    runtime: dfd.Runtime, tmp_path: Path, name: str
) -> None:
    root = tmp_path / name
    with pytest.raises(dfd_delta_policy.UnsupportedTable, match="Rename the folder"):
        runtime.write(root, ROWS)
    assert list(tmp_path.iterdir()) == []
    runtime.write(tmp_path / "plain", ROWS)
    (tmp_path / "plain").rename(root)
    runtime.register("t", root)
    assert runtime.sql("select sum(id) s from t").to_arrow_table().to_pydict() == {"s": [6]}
