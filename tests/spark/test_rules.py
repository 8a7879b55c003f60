"""What dfd appends to tables with rules is what Spark reads, and by Spark's own rules right."""

from __future__ import annotations

import json
from pathlib import Path

import made
import pyarrow as pa
import pytest
from dfd_delta_policy import GuardedTable
from dfd_native import stage
from readers import Read, comparable

NAMES = sorted(path.name for path in made.SUITE.glob("rules_*"))
# What deltalake refuses to commit to.
BY_HAND = {"rules_defaults"}
GENERATION = "delta.generationExpression"


def fields(uri: Path) -> list[dict[str, object]]:
    """The columns of the newest metadata."""
    logs = sorted((uri / "_delta_log").glob("*.json"))
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    newest = [found for line in lines if (found := json.loads(line).get("metaData"))][-1]
    columns: list[dict[str, object]] = json.loads(newest["schemaString"])["fields"]
    return columns


def append(name: str, uri: Path, data: pa.Table) -> None:
    if name not in BY_HAND:
        GuardedTable(uri).append(data)
        return
    staged = stage(uri.as_uri(), data)
    assert staged.read_version is not None
    adds = [
        {
            "add": {
                "path": action["path"],
                "partitionValues": action["partition_values"],
                "size": action["size"],
                "modificationTime": action["modification_time"],
                "dataChange": True,
                "stats": action["stats"],
            }
        }
        for action in staged.actions
    ]
    log = uri / f"_delta_log/{staged.read_version + 1:020}.json"
    log.write_text("".join(f"{json.dumps(add)}\n" for add in adds), encoding="utf-8")
    staged.release()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_appended_is_read(with_spark: Read, tmp_path: Path, name: str) -> None:
    uri = made.spark(name, tmp_path / "t")
    rows = made.rows_of(name)
    computed = [str(column["name"]) for column in fields(uri) if GENERATION in column["metadata"]]  # type: ignore[operator]
    append(name, uri, rows.drop_columns(computed))
    append(name, uri, rows)
    wanted = pa.concat_tables([rows] * 3)
    assert comparable(with_spark(uri), rows.column_names) == comparable(wanted, rows.column_names)


def test_defaults_are_filled_in_for_spark(with_spark: Read, tmp_path: Path) -> None:
    uri = made.spark("rules_defaults", tmp_path / "t")
    append("rules_defaults", uri, pa.table({"id": [5]}))
    rows = {row["id"]: row for row in with_spark(uri).to_pylist()}
    assert rows[5] == rows[1] | {"id": 5}
