"""Any words in any order: no panic, no half-done change, every error one of ours.

For a minute; `DFD_SQL_FUZZ=600` goes on for so many seconds.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path

import dfd
import pyarrow as pa
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("DFD_SQL_FUZZ", "60"))
WORDS = [
    "select",
    "insert",
    "into",
    "overwrite",
    "table",
    "partition",
    "by",
    "name",
    "values",
    "delete",
    "from",
    "where",
    "update",
    "set",
    "merge",
    "using",
    "on",
    "when",
    "matched",
    "not",
    "then",
    "and",
    "or",
    "source",
    "target",
    "create",
    "replace",
    "if",
    "exists",
    "delta",
    "location",
    "partitioned",
    "tblproperties",
    "alter",
    "add",
    "columns",
    "column",
    "constraint",
    "check",
    "drop",
    "unset",
    "optimize",
    "zorder",
    "vacuum",
    "retain",
    "hours",
    "dry",
    "run",
    "restore",
    "to",
    "version",
    "timestamp",
    "as",
    "of",
    "describe",
    "history",
    "detail",
    "explain",
    "truncate",
    "with",
    "schema",
    "evolution",
    "except",
    "limit",
    "*",
    "(",
    ")",
    ",",
    ";",
    ".",
    "=",
    "<",
    ">",
    "+",
    "-",
    "''",
    "'x'",
    '"id"',
    "`p`",
    "1",
    "-1",
    "1.5",
    "null",
    "true",
    "t",
    "t",
    "u",
    "id",
    "p",
    "v",
    "t.id",
    "s.v",
    "$a",
    "$",
    "'",
    '"',
    "`",
    "(",
    ")",
    "(",
    ")",
    "select",
    "1",
    "t",
    "id",
    "now()",
    "bigint",
    "string",
    "array<int>",
    "in",
    "(select",
    "id",
    "from",
    "t)",
    "(1)",
    "(1,",
    "2)",
    "id=1",
    "max(id)",
    ">>",
    "<=",
    "/*",
    "--",
    "*/",
    "é",
    "̈",
]
STATEMENTS = (
    """
select * from t|insert into t values (1, 'x', 2)|insert overwrite t partition (p = 'a') select 1, 2
delete from t where id = 1|update t set v = v + 1 where id in (select id from t)
merge into t using (select 1 as id) s on t.id = s.id when matched then update set v = 0 when not matched then insert (id) values (s.id)
create table u (a int, b array<struct<c: int>>) using delta location 'LOCATION' partitioned by (a)
create or replace table u using delta location 'LOCATION' as select 1 as a|alter table t add columns (w int)
alter table t set tblproperties ('a' = 'b')|alter table t add constraint c check (id >= 0)|alter table t drop constraint c
optimize t where p = 'a' zorder by (id)|vacuum t retain 200 hours dry run|restore t to version as of 0
describe history t limit 1|describe detail t|explain delete from t|select * from t version as of 1 x
select count(*) from delta.`LOCATION` timestamp as of '2026-01-01'|truncate table t
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A statement with words taken out, put in, and changed; or a few words."""
    words = draw(st.sampled_from(STATEMENTS)).split(" ") if draw(st.integers(0, 4)) else []
    for _ in range(draw(st.integers(0, 4)) if words else draw(st.integers(1, 12))):
        place = draw(st.integers(0, len(words)))
        kept = place + draw(st.integers(0, 2))
        words[place:kept] = draw(st.lists(st.sampled_from(WORDS), max_size=2))
    return draw(st.sampled_from([" ", " ", "\n"])).join(words)


def test_no_text_does_half_of_anything() -> None:
    """After each the table can be read, and the log has a version more where the statement says so, and none else."""
    done = failed = 0
    with tempfile.TemporaryDirectory() as folder, dfd.connect() as runtime:
        root, other = Path(folder, "t"), Path(folder, "u")
        runtime.write(
            root,
            pa.table({"id": [1, 2, 3], "p": ["a", "b", None], "v": [1.0, 2.0, 3.0]}),
            partition_by=["p"],
        )
        runtime.register("t", root)

        def holds(text: str) -> None:
            nonlocal done, failed
            before = DeltaTable(root).version()
            text = text.replace("LOCATION", str(other))
            try:
                result = runtime.sql(text, {"a": 1})
                result.to_arrow_table()
            except (dfd.DfdError, ValueError) as error:
                failed += 1
                told = str(error)
                assert "panicked" not in told, (text, told)
                is_one = text.count(";") == 0
                assert not is_one or DeltaTable(root).version() == before, text
            else:
                done += 1
                outcome = result.outcome
                if outcome is not None and outcome.version is not None and ";" not in text:
                    newest = [DeltaTable(one).version() for one in (root, other) if one.is_dir()]
                    assert outcome.version in newest, text
            if "t" not in [table.name for table in runtime.tables()]:
                runtime.register("t", root)
            DeltaTable(root).to_pyarrow_table()

        bounds = settings(
            max_examples=300,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        until = time.monotonic() + SECONDS
        for number in itertools.count():
            seed(number)(bounds(given(texts())(holds)))()
            if time.monotonic() >= until:
                break
    # Most are wrong, and some are right: else it would prove nothing.
    assert done > 20
    assert failed > 20
