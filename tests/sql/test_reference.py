"""Every example of the SQL reference, in order, on tables of its own."""

from __future__ import annotations

import re
from pathlib import Path

import dfd
import pytest
from deltalake import DeltaTable

REFERENCE = Path(__file__).parents[2] / "docs/sql.md"
BLOCKS = re.findall(r"```sql\n(.*?)```", REFERENCE.read_text(), re.DOTALL)


def test_the_examples_run(tmp_path: Path) -> None:
    assert len(BLOCKS) > 6
    with dfd.connect() as runtime:
        runtime.register_schema("lake", tmp_path)
        for block in BLOCKS:
            for statement in block.replace("/data/lake", str(tmp_path)).split(";\n"):
                if statement.strip():
                    result = runtime.sql(statement)
                    assert result.to_arrow_table() is not None, statement
        history = runtime.sql("describe history lake.orders").to_arrow_table()
    operations = history["operation"].to_pylist()[::-1]
    assert operations == [
        "CREATE TABLE",
        "ADD COLUMNS",
        "ADD CONSTRAINT",
        "DROP CONSTRAINT",
        "SET TBLPROPERTIES",
        "UNSET TBLPROPERTIES",
        *["WRITE"] * 6,
        "UPDATE",
        "MERGE",
        "DELETE",
        "MERGE",
        "MERGE",
        "RESTORE",
        "OPTIMIZE",
    ]
    assert DeltaTable(tmp_path / "daily").version() == 1


@pytest.mark.parametrize(
    "sql",
    ["alter table t rename column a to b", "create table t clone u", "reorg table t apply (purge)"],
)
def test_what_is_not_there_is_told_in_a_line(sql: str) -> None:
    with dfd.connect() as runtime, pytest.raises(dfd.QueryError) as refused:
        runtime.sql(sql)
    assert "\n" not in str(refused.value)
