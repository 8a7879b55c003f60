"""Delta tables in a plain DataFusion session: right rows, skipped files, and clear refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dfd_native
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionConfig, SessionContext
from deltalake import write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Rows = list[tuple[Any, ...]]


def uri_of(path: Path) -> str:
    return path.as_uri()


def session(**tables: dfd_native.DeltaTable) -> SessionContext:
    context = SessionContext(SessionConfig().with_target_partitions(3))
    for name, table in tables.items():
        context.register_table(name, table)
    return context


def rows(context: SessionContext, sql: str) -> Rows:
    """The rows; in their order where the query asks for one."""
    found = context.sql(sql).to_arrow_table()
    listed = list(zip(*(c.to_pylist() for c in found.columns), strict=True))
    return listed if " order by " in sql else sorted(listed, key=repr)


PARTITIONED = pa.table(
    {
        "id": list(range(40)),
        "p": ["x", "y/z =%41", None, "w"] * 10,
        "d": [date(2020, 1, 1) + timedelta(days=n) for n in range(40)],
        "s": [f"text {n:02}" if n % 7 else None for n in range(40)],
        "t": [datetime(2020, 1, 1, n % 24, 0, 0, n, tzinfo=timezone.utc) for n in range(40)],
        "m": [Decimal(n) / 4 for n in range(40)],
        "f": [n / 8 for n in range(40)],
    }
).cast(
    pa.schema(
        [
            ("id", pa.int64()),
            ("p", pa.string()),
            ("d", pa.date32()),
            ("s", pa.string()),
            ("t", pa.timestamp("us", "UTC")),
            ("m", pa.decimal128(9, 2)),
            ("f", pa.float64()),
        ]
    )
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> SessionContext:
    """`delta`, written in four commits and partitioned, and `plain`, the same rows in memory."""
    path = tmp_path_factory.mktemp("table") / "a b%c"
    for n in range(4):
        part = PARTITIONED.slice(n * 10, 10)
        write_deltalake(path, part, mode="append", partition_by=["p"])
    context = session(delta=dfd_native.delta_table(uri_of(path)))
    context.from_arrow(PARTITIONED, name="plain")
    return context


PREDICATES = st.recursive(
    st.sampled_from(
        [
            "id > 17",
            "id between 5 and 8",
            "id in (3, 30, 99)",
            "p = 'x'",
            "p is null",
            "p <> 'w'",
            "p like 'y%'",
            "d < date '2020-01-09'",
            "d = date '2020-02-01'",
            "s >= 'text 2'",
            "s is null",
            "s = 'text 08'",
            "t > timestamp '2020-01-01 20:00:00'",
            "t = timestamp '2020-01-01 05:00:00.000005'",
            "m <= 2.25",
            "f > 4.5",
            "id * 2 = 8",
            "id > 35 or p = 'x'",
        ]
    ),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=5,
)
COLUMNS = st.lists(st.sampled_from(PARTITIONED.column_names), min_size=1, max_size=4, unique=True)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(predicate=PREDICATES, columns=COLUMNS)
def test_the_same_rows_as_plain_datafusion(
    both: SessionContext, predicate: str, columns: list[str]
) -> None:
    sql = f"select {', '.join(columns)} from {{}} where {predicate}"
    assert rows(both, sql.format("delta")) == rows(both, sql.format("plain"))


@settings(max_examples=40, deadline=None)
@given(predicate=PREDICATES)
def test_counts_and_bounds_are_those_of_the_rows(both: SessionContext, predicate: str) -> None:
    for select in (
        "count(*)",
        "count(*), count(s), min(id), max(id), min(p), max(p)",
        "min(s), max(s), min(t), max(t), min(d), max(d), min(m), max(m), min(f), max(f)",
    ):
        for where in ("", f" where {predicate}"):
            sql = f"select {select} from {{}}{where}"
            assert rows(both, sql.format("delta")) == rows(both, sql.format("plain"))


def test_joins_limits_and_orders(both: SessionContext) -> None:
    for sql in (
        "select a.id, b.p from {} a join {} b on a.id = b.id + 1 where a.id < 9",
        "select id from {} order by t desc, id limit 5",
        "select p, count(*) from {} group by p",
        "select id from {} where id in (select max(id) from {} group by p)",
    ):
        assert rows(both, sql.replace("{}", "delta")) == rows(both, sql.replace("{}", "plain"))
    assert len(rows(both, "select id from delta limit 7")) == 7


def test_a_recursive_query_scans_again_and_again(both: SessionContext) -> None:
    """A host executes one scan many times; what is left to read must not be shared."""
    sql = (
        "with recursive r as (select 0 as n union all select r.n + 1 from r"
        " join {} t on t.id = r.n where r.n < 30) select count(*), max(n) from r"
    )
    assert rows(both, sql.format("delta")) == rows(both, sql.format("plain")) == [(31, 30)]


def test_one_plan_runs_twice(both: SessionContext) -> None:
    frame = both.sql("select id from delta where id >= 0")
    for _ in range(2):
        assert sum(batch.to_pyarrow().num_rows for batch in frame.execute_stream()) == 40


def test_types_and_order_of_columns_are_the_tables(both: SessionContext) -> None:
    assert both.sql("select * from delta").to_arrow_table().schema.equals(PARTITIONED.schema)


def plan_text(context: SessionContext, sql: str) -> str:
    return context.sql(sql).execution_plan().display_indent()


def test_files_are_skipped(both: SessionContext) -> None:
    assert "files=16 of 16, columns=[id]" in plan_text(both, "select id from delta")
    for predicate, files in (
        ("p = 'x'", 4),
        ("p is null", 4),
        ("id = 3", 4),
        ("id = 3 and p = 'x'", 1),
        ("d > date '2020-01-30'", 4),
        ("s = 'text 39'", 1),
        ("t > timestamp '2021-01-01'", 0),
    ):
        text = plan_text(both, f"select id from delta where {predicate}")
        assert f"files={files} of 16" in text, (predicate, text)


def test_the_scan_is_one_leaf_with_all_partitions(both: SessionContext) -> None:
    plan = both.sql("select id from delta").execution_plan()
    assert plan.partition_count == 3
    assert "DeltaScanExec" in plan.display_indent()


def test_metrics_of_the_scan_come_back(both: SessionContext) -> None:
    frame = both.sql("select id from delta where id < 10")
    assert sum(b.to_pyarrow().num_rows for b in frame.execute_stream()) == 10
    found = [
        m for _, m in frame.execution_plan().collect_metrics() if m.sum_by_name("bytes_scanned")
    ]
    assert found, "no operator told how many bytes it read"


def test_versions_times_and_refreshing(tmp_path: Path) -> None:
    for n in range(3):
        write_deltalake(tmp_path, pa.table({"id": [n]}), mode="append")
    uri = uri_of(tmp_path)
    newest, first = dfd_native.delta_table(uri), dfd_native.delta_table(uri, version=0)
    assert (newest.version, first.version) == (2, 0)
    assert newest.refreshed() is None
    for version in range(3):
        os.utime(tmp_path / f"_delta_log/{version:020}.json", (0, 1_600_000_000 + version * 60))
    at = datetime.fromtimestamp(1_600_000_090, timezone(timedelta(hours=2)))
    assert dfd_native.delta_table(uri, timestamp=at).version == 1
    write_deltalake(tmp_path, pa.table({"id": [3]}), mode="append")
    newer = newest.refreshed()
    assert newer is not None
    context = session(newest=newest, first=first, newer=newer)
    counts = [rows(context, f"select count(*) from {n}") for n in ("newest", "first", "newer")]
    assert counts == [[(3,)], [(1,)], [(4,)]]


def test_an_empty_table_and_one_with_new_columns(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "e", pa.table({"id": pa.array([], pa.int64())}))
    write_deltalake(tmp_path / "c", pa.table({"id": [1]}))
    write_deltalake(
        tmp_path / "c", pa.table({"id": [2], "n": ["b"]}), mode="append", schema_mode="merge"
    )
    context = session(
        e=dfd_native.delta_table(uri_of(tmp_path / "e")),
        c=dfd_native.delta_table(uri_of(tmp_path / "c")),
    )
    assert rows(context, "select * from e") == []
    assert rows(context, "select count(*) from e") == [(0,)]
    assert rows(context, "select * from c") == [(1, None), (2, "b")]
    assert rows(context, "select id from c where n is null") == [(1,)]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda p: dfd_native.delta_table(uri_of(p / "missing")), id="missing"),
        pytest.param(lambda p: dfd_native.delta_table(uri_of(p), version=9), id="version"),
        pytest.param(lambda p: dfd_native.delta_table("/no/uri"), id="path"),
        pytest.param(lambda p: dfd_native.delta_table("ftp://host/t"), id="scheme"),
        pytest.param(
            lambda p: dfd_native.delta_table("s3://b/t", {"aws_regoin": "x"}), id="option"
        ),
    ],
)
def test_what_cannot_be_opened_is_a_clear_error(
    tmp_path: Path, call: Callable[[Path], object]
) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    with pytest.raises(dfd_native.TableError):
        call(tmp_path)


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        dfd_native.delta_table(uri_of(tmp_path), timestamp=datetime(2020, 1, 1))
    with pytest.raises(ValueError, match="not both"):
        dfd_native.delta_table(uri_of(tmp_path), version=1, timestamp=datetime.now(timezone.utc))


def test_a_lost_file_is_an_error_and_no_missing_row(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1, 2]}))
    context = session(t=dfd_native.delta_table(uri_of(tmp_path)))
    next(tmp_path.glob("*.parquet")).unlink()
    with pytest.raises(Exception, match=r"which version 0 of the Delta table .* has, is gone"):
        rows(context, "select id from t where id > 0")


def test_a_file_of_which_no_row_is_left_bounds_nothing(tmp_path: Path) -> None:
    """An add action with no rows still has a partition value."""
    for part, count in (("a", 0), ("b", 2)):
        data = pa.table({"p": [part] * 2, "id": [1, 2]}).slice(0, 2)
        write_deltalake(tmp_path, data, mode="append", partition_by=["p"])
        if count == 0:
            log = tmp_path / "_delta_log" / f"{0:020}.json"
            file = next(tmp_path.glob("p=a/*.parquet"))
            pq.write_table(pa.table({"id": pa.array([], pa.int64())}), file)
            actions = [json.loads(line) for line in log.read_text().splitlines()]
            for action in actions:
                if "add" in action:
                    action["add"]["stats"] = '{"numRecords": 0}'
                    action["add"]["size"] = file.stat().st_size
            log.write_text("\n".join(map(json.dumps, actions)))
    context = session(t=dfd_native.delta_table(uri_of(tmp_path)))
    assert rows(context, "select min(p), max(p), count(*) from t") == [("b", "b", 2)]


def test_required_fields_inside_structs(tmp_path: Path) -> None:
    inside = pa.struct([pa.field("a", pa.int64(), nullable=False), ("b", pa.string())])
    kind = pa.list_(pa.field("element", inside, nullable=False))
    data = pa.table(
        {"o": pa.array([{"a": 1, "b": "x"}], inside), "l": pa.array([[{"a": 2, "b": None}]], kind)}
    )
    write_deltalake(tmp_path, data)
    optional = pa.struct([("a", pa.int64()), ("b", pa.string())])
    file = next(tmp_path.glob("*.parquet"))
    pq.write_table(
        pa.table({"o": data["o"].cast(optional), "l": data["l"].cast(pa.list_(optional))}), file
    )
    log = tmp_path / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["size"] = file.stat().st_size
    log.write_text("\n".join(map(json.dumps, actions)))
    context = session(t=dfd_native.delta_table(uri_of(tmp_path)))
    found = context.sql("select o, l, o['a'] as a from t").to_arrow_table()
    assert found.to_pylist() == [{"o": {"a": 1, "b": "x"}, "l": [{"a": 2, "b": None}], "a": 1}]


def test_statistics_that_are_missing_or_broken_skip_nothing(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1, 2]}))
    log = tmp_path / "_delta_log" / f"{0:020}.json"
    for stats in (None, "{", "{}", '{"numRecords": 2, "minValues": {"id": "x"}}'):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:
            if "add" in action:
                action["add"]["stats"] = stats
        log.write_text("\n".join(map(json.dumps, actions)))
        context = session(t=dfd_native.delta_table(uri_of(tmp_path)))
        assert rows(context, "select id from t where id = 2") == [(2,)]
        assert rows(context, "select count(*), max(id) from t") == [(2, 2)]


FORKED = """
import os, sys, dfd_native
dfd_native.delta_table(sys.argv[1])
if os.fork() == 0:
    try:
        dfd_native.delta_table(sys.argv[1])
    except dfd_native.TableError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_forked_child_is_told_and_does_not_hang(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"id": [1]}))
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, uri_of(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert "forked" in ran.stdout, ran.stderr


def test_a_store_is_asked_with_the_given_key_and_nothing_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            token = self.headers.get("x-amz-security-token")
            seen.append((self.path, self.headers.get("Authorization", ""), token))
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = _refuse  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    for name in ("AWS_SESSION_TOKEN", "TOKEN", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "TIMEOUT"):
        monkeypatch.setenv(name, "fromenv")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    options = {
        "aws_region": "us-east-1",
        "aws_endpoint": f"http://127.0.0.1:{server.server_port}",
        "allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "hunter2-secret",
        "timeout": "2500ms",
        "max_retries": "0",
    }
    try:
        with pytest.raises(dfd_native.TableError) as caught:
            dfd_native.delta_table("s3://bucket/t", options)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "hunter2" not in str(caught.value)
    assert seen
    for path, authorization, token in seen:
        assert path.startswith("/bucket")
        assert "Credential=AKIDEXAMPLE/" in authorization
        assert token is None
