"""What the SQL reference says isn't there; its examples run in `tests/docs`."""

from __future__ import annotations

import dfd
import pytest


@pytest.mark.parametrize(
    "sql",
    ["alter table t rename column a to b", "create table t clone u", "reorg table t apply (purge)"],
)
def test_what_is_not_there_is_told_in_a_line(sql: str) -> None:
    with dfd.connect() as runtime, pytest.raises(dfd.QueryError) as refused:
        runtime.sql(sql)
    assert "\n" not in str(refused.value)
