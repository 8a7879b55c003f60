"""Spark reads what dfd wrote, whatever the schema, the partitions and the batches are."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import made
import pyarrow as pa
from dfd_delta_policy import GuardedTable
from dfd_native import stage
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from readers import Read, comparable
from schemas import Drawn, tables


def create_by_hand(uri: Path, drawn: Drawn) -> None:
    """Where a map has local times, deltalake makes a table without the feature that they need."""
    empty = drawn.given.schema.empty_table()
    with stage(uri.as_uri(), empty, partition_by=drawn.partition_by) as staged:
        text = staged.schema_json
    if '"map"' in text and "timestamp_ntz" in text:
        columns = json.loads(text)["fields"]
        partitions = drawn.partition_by
        made.table(
            uri, columns, partition_by=partitions, features=[], reader_features=["timestampNtz"]
        )


# No example is made smaller: each costs a second.
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(drawn=tables(), again=st.booleans())
def test_any_table_is_read(with_spark: Read, drawn: Drawn, again: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        uri = Path(directory).resolve() / "t"
        create_by_hand(uri, drawn)
        table = GuardedTable(uri)
        for _ in range(1 + again):
            table.append(drawn.given, partition_by=drawn.partition_by or None)
        expected = pa.concat_tables([drawn.stored] * (1 + again))
        names = expected.column_names
        assert comparable(with_spark(uri), names) == comparable(expected, names)


ODD = ["a b", "a/b=c%20d", "ü'\"", "[:]{}#?", ".", "..", " lead and trail ", "a\nb\tc", "e\u0301 é \U0001d11e %25 %",
       "C:\\x", "~*|<>;&$", None, "x" * 300]  # fmt: skip


def test_partitions_of_any_name(with_spark: Read, tmp_path: Path) -> None:
    table = pa.table({"id": range(len(ODD)), "key one": ODD})
    uri = tmp_path / "t"
    GuardedTable(uri).append(table, partition_by=["key one"])
    found = with_spark(uri)
    assert comparable(found, table.column_names) == comparable(table, table.column_names)
