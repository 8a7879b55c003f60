"""Delta tables on a web server, which has no listing: the names of the log are asked for."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from dfd_delta_policy import GuardedTable
from dfd_storage import (
    AccessRefused,
    ConnectionRefused,
    ConnectionStalled,
    StorageFailure,
    UnsupportedSetting,
    classify_failure,
)
from lake import Lake, Route, engine, leaf, on_disk, on_web, rows
from orders import write
from recording_proxy import recording_proxy
from servers import Server, web
from test_conformance import DAT, SPARK, TABLES, assert_same, read, versions
from test_failures import nowhere, silent
from test_queries import QUERIES


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is served."""
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[Server]:
    with web(directory) as made:
        yield made


def test_queries_run_in_the_engine(
    directory: Path, server: Server, expected: dict[str, pa.Table]
) -> None:
    disk = on_disk(directory / "a b/süd")
    write(disk)
    place = on_web(server.endpoint)
    with place.connect() as runtime, disk.connect() as local:
        for name in ("orders", "customers"):
            runtime.register(name, f"{server.endpoint}/a b/süd/{name}")
            local.register(name, disk.uri(name))
        for name, sql in QUERIES.items():
            query = runtime.sql(sql)
            found = query.to_arrow_table()
            assert rows(found) == rows(local.sql(sql).to_arrow_table()), name
            assert (query.route, query.route_reason) == ("engine", None), name


@pytest.mark.parametrize("suite", [SPARK, DAT], ids=lambda suite: suite.name)
def test_the_conformance_suites(suite: Path) -> None:
    with web(suite) as server:
        place = on_web(server.endpoint)
        for parameter in TABLES:
            table = parameter.values[0]
            assert isinstance(table, Path)
            if table.parents[1] != suite:
                continue
            for version in versions(table):
                wanted = read(on_disk(suite), table, version, engine)
                for route in (leaf, engine):
                    assert_same(read(place, table, version, route), wanted)


def commits(table: Path, count: int) -> None:
    for number in range(count):
        write_deltalake(table, pa.table({"n": [number]}), mode="append")


def total(place: Lake, name: str, route: Route, **at: object) -> list[int]:
    found = route({"t": place.table(name, **at)})("select count(*) as c, sum(n) as s from t")
    return [found["c"][0].as_py(), found["s"][0].as_py()]


@pytest.mark.parametrize("route", [leaf, engine])
def test_every_version_of_a_log_with_checkpoints(
    directory: Path, server: Server, route: Route
) -> None:
    table = directory / f"checkpoints_{route.__name__}"
    for _ in range(3):
        commits(table, 9)
        DeltaTable(table).create_checkpoint()
    commits(table, 2)
    place = on_web(server.endpoint)
    for version in (None, *range(29)):
        at = {} if version is None else {"version": version}
        assert total(place, table.name, route, **at) == total(
            on_disk(directory), table.name, route, **at
        )


def test_a_log_that_was_cleaned_up(directory: Path, server: Server) -> None:
    """The older checkpoint is found by its name, and what was before it is gone."""
    table, log = directory / "cleaned", directory / "cleaned/_delta_log"
    for _ in range(3):
        commits(table, 9)
        DeltaTable(table).create_checkpoint()
    for version in range(17):
        (log / f"{version:020}.json").unlink()
    (log / f"{8:020}.checkpoint.parquet").unlink()
    place = on_web(server.endpoint)
    for version in (17, 20, 26):
        assert total(place, "cleaned", engine, version=version)[0] == version + 1
    with pytest.raises(dfd_native.TableError):
        place.table("cleaned", version=12)
    commits(table, 1)
    (log / f"{26:020}.json").unlink()
    assert total(place, "cleaned", engine)[0] == 28


def hinted(table: Path, **said: object) -> Path:
    """A table of three commits with a checkpoint, of which `_last_checkpoint` says `said` too; the log."""
    commits(table, 3)
    DeltaTable(table).create_checkpoint()
    hint = table / "_delta_log/_last_checkpoint"
    hint.write_text(json.dumps(json.loads(hint.read_text()) | said))
    return hint.parent


def test_a_checkpoint_in_parts(directory: Path, server: Server) -> None:
    log = hinted(directory / "parts", parts=1)
    whole = log / f"{2:020}.checkpoint.parquet"
    whole.rename(log / f"{2:020}.checkpoint.{1:010}.{1:010}.parquet")
    for version in range(3):
        (log / f"{version:020}.json").unlink()
    assert total(on_web(server.endpoint), "parts", engine) == [3, 3]


def test_a_broken_hint(directory: Path, server: Server) -> None:
    """What can't be read is none, and neither is a checkpoint that isn't there, as on disk."""
    (hinted(directory / "unreadable") / "_last_checkpoint").write_text("nonsense")
    (hinted(directory / "gone") / f"{2:020}.checkpoint.parquet").unlink()
    hinted(directory / "endless", parts=10**18)
    hinted(directory / "later", version=2**63 - 1)
    for place in (on_disk(directory), on_web(server.endpoint)):
        for name in ("unreadable", "gone", "endless", "later"):
            assert total(place, name, engine) == [3, 3]


def test_new_commits_are_seen_and_pinned_tables_stay(directory: Path, server: Server) -> None:
    table = directory / "growing"
    commits(table, 2)
    with on_web(server.endpoint).connect() as runtime:
        runtime.register("newest", f"{server.endpoint}/growing")
        runtime.register("pinned", f"{server.endpoint}/growing", pinned=True)
        for added in (0, 1, 20):
            commits(table, added)
            if added == 1:
                DeltaTable(table).create_checkpoint()
            expected = len(DeltaTable(table).file_uris())
            for name, wanted in (("newest", expected), ("pinned", 2)):
                query = runtime.sql(f"select count(n) as c from {name}")
                assert query.to_arrow_table()["c"].to_pylist() == [wanted]


def test_history_and_times(directory: Path, server: Server) -> None:
    table = directory / "history"
    for number in range(3):
        properties = CommitProperties(custom_metadata={"by": f"writer {number}"})
        write_deltalake(
            table, pa.table({"n": [number]}), mode="append", commit_properties=properties
        )
    place = on_web(server.endpoint)
    with place.connect() as runtime, on_disk(directory).connect() as local:
        sql = "select version, operation from delta_history('{}') order by version"
        found = runtime.sql(sql.format(place.uri("history"))).to_arrow_table()
        assert found.num_rows == 3
        assert found.equals(local.sql(sql.format(table.as_uri())).to_arrow_table())


def test_what_is_asked_of_the_server(directory: Path, server: Server) -> None:
    """The last checkpoint, what comes after it, and no name twice; nothing is listed."""
    table = directory / "asked"
    commits(table, 12)
    DeltaTable(table).create_checkpoint()
    commits(table, 2)
    with recording_proxy(server.endpoint) as recording:
        on_web(recording.endpoint).table("asked")
        requests = recording.take()
        names = {request.path.rpartition("/")[2] for request in requests}
        assert {request.method for request in requests} == {"GET", "HEAD"}
        # A checkpoint may stand for the newest commit that was cleaned up: one look at the version before.
        before = {name for name in names if name < f"{11:020}" and name[0] == "0"}
        assert before <= {f"{10:020}.checkpoint.parquet"}
        assert {f"{version:020}.json" for version in (11, 12, 13, 14)} <= names


def test_nothing_is_written(directory: Path, server: Server) -> None:
    commits(directory / "read", 1)
    before = {path: path.stat().st_mtime_ns for path in directory.rglob("*")}
    place = on_web(server.endpoint)
    uri = place.uri("read")
    with pytest.raises(dfd_native.StageError, match="a web server is only read"):
        dfd_native.stage(uri, pa.table({"n": [1]}), place.options)
    assert place.profile is not None
    with pytest.raises(UnsupportedSetting, match="kind"):
        GuardedTable(uri, storage=place.profile)
    with place.connect() as runtime, pytest.raises(UnsupportedSetting, match="kind"):
        runtime.write(uri, pa.table({"n": [1]}))
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*")} == before


@contextlib.contextmanager
def answering(status: int) -> Iterator[str]:
    """A server with one answer for every name."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "4")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"page")

        do_GET = do_HEAD = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def refusal(place: Lake) -> tuple[str, StorageFailure | None]:
    """What a runtime says of a table that isn't there, within seconds; and what failure that is."""
    started = time.monotonic()
    with place.connect() as runtime, pytest.raises(dfd.QueryError) as caught:
        runtime.register("t", place.uri("absent"))
    assert time.monotonic() - started < 8.0
    text = str(caught.value)
    assert place.uri("absent") in text
    return text, classify_failure(caught.value, place.uri("absent"))


def test_no_table_and_no_log_to_speak_of(server: Server) -> None:
    text, failure = refusal(on_web(server.endpoint))
    assert re.search("No files in log segment|[Nn]ot a Delta table|[Nn]o such table", text), text
    assert failure is None
    with answering(200) as endpoint:
        text, failure = refusal(on_web(endpoint))
    assert "an answer for every name" in text
    assert failure is None


def test_failures_are_those_of_every_store(server: Server) -> None:
    times = {"timeout_s": 1.0, "connect_timeout_s": 1.0, "max_retries": 1}
    for status in (401, 403):
        with answering(status) as endpoint:
            assert type(refusal(on_web(endpoint, **times))[1]) is AccessRefused
    assert type(refusal(on_web(nowhere(), **times))[1]) is ConnectionRefused
    with silent() as endpoint:
        assert type(refusal(on_web(endpoint, **times))[1]) is ConnectionStalled


def test_plain_http_needs_to_be_allowed(server: Server) -> None:
    text, _ = refusal(on_web(server.endpoint, allow_http=False))
    assert "allow_http" in text or "URL scheme is not allowed" in text


def test_options_are_strict(server: Server) -> None:
    place = on_web(server.endpoint)
    for wrong in ({"aws_region": "x"}, {"timeuot": "1s"}, {"max_concurrency": "0"}):
        with pytest.raises(dfd_native.TableError, match="can't be used"):
            replace(place, options=place.options | wrong).table("t")
