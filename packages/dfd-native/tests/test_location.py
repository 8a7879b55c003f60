"""Every door takes a table's location as people have it, and every folder opens by its own name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dfd_native
import polars
import pyarrow as pa
import pytest
from datafusion import SessionContext
from dfd_native.location import table_uri

Door = Callable[[Any], object]

NAMES = [
    "plain", "a b", "a%20b", "%41", "100%", "a%2Fb", "back\\slash", "a#b", "a?b=c", "[a]", "a^b|c",
    "ä 日本", "é\u0301", "c:d", "~t", "-t", "a&b+c", "{x}", "'q'\"", "*",
]  # fmt: skip

SCHEMA = {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}}]}  # fmt: skip


def commit(root: Path, version: int, *actions: dict[str, Any]) -> None:
    (root / "_delta_log").mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(action) + "\n" for action in actions)
    (root / f"_delta_log/{version:020}.json").write_text(lines)


def adds(staged: dfd_native.StagedFiles) -> list[dict[str, Any]]:
    return [
        {
            "add": {
                "path": action["path"],
                "partitionValues": {},
                "size": action["size"],
                "modificationTime": action["modification_time"],
                "dataChange": True,
                "stats": action["stats"],
            }
        }
        for action in staged.actions
    ]


def make(root: Path) -> Path:
    """A table of three rows whose log is written by hand, and whose file is staged."""
    protocol = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    made = {
        "metaData": {
            "id": "0",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(SCHEMA),
            "partitionColumns": [],
            "configuration": {},
        }
    }
    commit(root, 0, protocol, made)
    staged = dfd_native.stage(root, pa.table({"id": [1, 2, 3]}))
    commit(root, 1, *adds(staged))
    staged.release()
    return root


def staged_and_dropped(location: Any) -> None:
    dfd_native.stage(location, pa.table({"id": [1]})).drop()


def rewritten(location: Any) -> None:
    (file,) = dfd_native.active_files(location).actions
    dfd_native.rewrite(location, version=1, paths=[file["path"]]).drop()


def committed(location: Any) -> None:
    with pytest.raises(FileExistsError):
        dfd_native.commit(location, version=1, actions=b"")


def in_sql(location: Any) -> None:
    context = SessionContext()
    dfd_native.register_table_functions(context)
    text = os.fspath(location).replace("'", "''")
    found = context.sql(f"select sum(id) s from read_delta('{text}')").to_pydict()
    assert found == {"s": [6]}


DOORS: dict[str, Door] = {
    "delta_table": dfd_native.delta_table,
    "active_files": dfd_native.active_files,
    "misread_columns": lambda location: dfd_native.misread_columns(location, version=1),
    "live_stages": dfd_native.live_stages,
    "abandoned_stages": dfd_native.abandoned_stages,
    "stage": staged_and_dropped,
    "rewrite": rewritten,
    "commit": committed,
    "register_store": lambda location: dfd_native.Engine().register_store(location, {}),
    "read_delta": in_sql,
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_every_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    root = make(tmp_path / "home/a table")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")
    elsewhere = tmp_path / "home/other"
    elsewhere.mkdir()
    for location in (
        root, str(root), f"{root}/", root.as_uri(), f"{root.as_uri()}/", Path("a table"), "a table",
        "./a table", "other/../a table", "~/a table", Path("~/a table"), f"file://localhost{root.as_uri()[7:]}",
    ):  # fmt: skip
        DOORS[door](location)
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


@pytest.mark.parametrize("door", sorted({*DOORS} - {"read_delta"}))
def test_what_is_no_location_is_refused_by_every_door(door: str) -> None:
    for location in ("", "  "):
        with pytest.raises(dfd_native.TableError, match="empty"):
            DOORS[door](location)
    for odd in (7, None, b"/t"):
        with pytest.raises(TypeError):
            DOORS[door](odd)
    with pytest.raises(dfd_native.TableError, match="no query and no fragment"):
        DOORS[door]("file:///data/a#b")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_the_one_of_its_name(tmp_path: Path, name: str) -> None:
    root = make(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    table = dfd_native.delta_table(root)
    assert table.version == 1
    context = SessionContext()
    context.register_table("t", table)
    assert context.sql("select id from t where id > 1 order by id").to_pydict() == {"id": [2, 3]}
    # What was staged there is where the log says, to whoever reads by the system's own names.
    (file,) = dfd_native.active_files(str(root)).actions
    assert polars.read_parquet((root / file["path"]).read_bytes()).rows() == [(1,), (2,), (3,)]
    again = dfd_native.stage(root.as_uri(), pa.table({"id": [4]}))
    dfd_native.commit(root, version=2, actions=json.dumps(adds(again)[0]).encode())
    again.release()
    (newer,) = dfd_native.refresh([table])
    assert newer is not None
    context.register_table("newer", newer)
    assert context.sql("select sum(id) s, count(*) n from newer").to_pydict() == {
        "s": [10],
        "n": [4],
    }
    in_engine = dfd_native.Engine()
    session = SessionContext().with_extensions(dfd_native.DeltaExtension())
    session.register_table("t", newer)
    plan = session.sql("select sum(id) s from t where id < 4").optimized_logical_plan()
    assert pa.table(in_engine.run(plan, session)).to_pydict() == {"s": [6]}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_uri_is_taken_as_it_is() -> None:
    for uri in ("s3://b/t", "abfss://c@a.dfs.core.windows.net/t", "memory:///t", "file:///a%20b"):
        assert table_uri(uri) == uri
    # Neither is a scheme.
    assert table_uri("a:b") == f"{Path.cwd().as_uri()}/a%3Ab"
    assert table_uri("C:/t").endswith("/C%3A/t")
