"""Strings of Delta tables as views inside the engine: faster, and seen by nobody."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from datafusion import udf
from deltalake import write_deltalake
from row_order import rows

LONG = "a text of more than the twelve bytes that a view holds in itself: "
TEXTS = [None if i % 7 == 0 else f"{LONG if i % 2 else ''}{i % 50}" for i in range(3_000)]
ROWS = pa.table(
    {
        "id": pa.array(range(3_000), pa.int64()),
        "part": [f"p{i // 1_000}" for i in range(3_000)],
        "text": TEXTS,
        "bytes": pa.array([t and t.encode() for t in TEXTS], pa.binary()),
        "nested": [{"text": t, "texts": [t]} for t in TEXTS],
    }
)
VIEWED = [
    "SELECT text, count(*) FROM t GROUP BY text",
    "SELECT id, text || 'x' AS y FROM t WHERE text LIKE '%1' AND bytes > arrow_cast('3', 'Binary')",
    "SELECT a.text, b.id FROM t a JOIN u b ON a.text = b.text WHERE a.id < 40",
    "SELECT min(text), max(bytes), count(DISTINCT text), array_agg(text) FROM t WHERE id < 9",
    "SELECT text FROM t WHERE id < 9 UNION SELECT text FROM u UNION SELECT part FROM t",
    "SELECT CASE WHEN text IN ('1', '2') THEN text ELSE part END AS c, coalesce(text, 'none') FROM t",
    "SELECT named_struct('a', text, 'b', [bytes]) AS s FROM t WHERE text IS NOT NULL",
    "SELECT * FROM t ORDER BY text NULLS FIRST, id LIMIT 20",
    "SELECT text FROM t WHERE text > (SELECT min(text) FROM u)",
    "SELECT text FROM t GROUP BY text HAVING max(text) < 'b' ORDER BY 1 LIMIT 3",
    "SELECT regexp_replace(text, '[0-9]', '#'), substr(text, 2), upper(text), length(text) FROM t",
]
PLAIN = {
    "its type is asked for": "SELECT DISTINCT arrow_typeof(text) FROM t",
    "a Python function": "SELECT same(text) FROM t",
    "a window": "SELECT lag(text, 1, 'none') OVER (ORDER BY id) FROM t",
}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> dfd.Runtime:
    path = tmp_path_factory.mktemp("views") / "t"
    for part in ("p0", "p1", "p2"):
        rows = ROWS.filter(pa.compute.equal(ROWS["part"], part))
        write_deltalake(path, rows, mode="append", partition_by=["part"])
    runtime = dfd.connect()
    runtime.register("t", path)
    runtime.session.from_arrow(
        pa.table({"id": [1, 2, 3], "text": ["1", f"{LONG}3", None]}), name="u"
    )
    runtime.session.register_udf(
        udf(lambda texts: texts, [pa.string()], pa.string(), "stable", "same")
    )
    return runtime


def agree(query: dfd.Query) -> None:
    assert query.route == "engine", query.route_reason
    found, wanted = query.to_arrow_table(), query.dataframe.to_arrow_table()
    assert found.schema.types == wanted.schema.types
    assert found.schema.names == wanted.schema.names
    assert rows(found, query.dataframe) == rows(wanted, query.dataframe)


def has_views(query: dfd.Query) -> bool:
    """A cast from views stands at the plan's top, or the plan compares with them."""
    return "AS Utf8)" in query.explain() or "Utf8View" in query.explain()


@pytest.mark.parametrize("sql", VIEWED)
def test_rows_and_types_are_those_of_the_session(runtime: dfd.Runtime, sql: str) -> None:
    agree(runtime.sql(sql))


@pytest.mark.parametrize("sql", PLAIN.values(), ids=PLAIN)
def test_what_could_tell_keeps_plain_texts(runtime: dfd.Runtime, sql: str) -> None:
    query = runtime.sql(sql)
    assert not has_views(query)
    agree(query)


def test_the_setting_of_the_session_decides(runtime: dfd.Runtime) -> None:
    sql = "SELECT text FROM t WHERE text = '1'"
    assert has_views(runtime.sql(sql))
    plain = dfd.connect(session={"datafusion.execution.parquet.schema_force_view_types": "false"})
    plain.register("t", runtime.report().to_dict()["tables"][0]["uri"])
    assert not has_views(plain.sql(sql))
    agree(plain.sql(sql))


def test_files_and_bounds_are_known_as_before(runtime: dfd.Runtime, tmp_path: Path) -> None:
    for text in ("a", "b", "c"):
        rows = pa.table({"text": [text * 40, text], "id": [1, 2]})
        write_deltalake(tmp_path, rows, mode="append")
    runtime.register("sorted", tmp_path)
    query = runtime.sql("SELECT id FROM sorted WHERE text >= 'b' AND text < 'c'")
    assert sorted(query.to_arrow_table()["id"].to_pylist()) == [1, 2]
    scan = query.metrics()[-1]
    assert "files_considered=3" in scan.line()
    assert "files_scanned=1" in scan.line()
    lowest = runtime.sql("SELECT min(text) AS low, count(text) AS n FROM sorted")
    assert lowest.to_arrow_table().to_pylist() == [{"low": "a", "n": 6}]
