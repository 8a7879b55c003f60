"""What can't be entered or reached is one clear error, soon, and without a secret."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import dfd
import dfd_native
import pytest
from deltalake import write_deltalake
from lake import Lake, Route, engine, leaf, on_azure, on_s3, s3_files
from orders import CUSTOMERS
from servers import Server, versitygw

WRONG = "b3RoZXItc2VjcmV0LW5vYm9keS1rbm93cw=="
WITHIN_S = 20.0


@contextmanager
def soon() -> Iterator[None]:
    """Fails where the block takes longer than a user waits for a refusal."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < WITHIN_S


@contextmanager
def unanswered() -> Iterator[str]:
    """An endpoint that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def nowhere() -> str:
    """An endpoint that refuses connections."""
    with unanswered() as endpoint:
        return endpoint


def assert_clear(error: BaseException, lake: Lake, pattern: str, *secrets: str) -> None:
    """It names the location and the cause, and shows no secret in any of its causes."""
    text = str(error)
    assert lake.uri("absent") in text
    assert re.search(pattern, text), text
    chain: BaseException | None = error
    while chain is not None:
        assert not any(secret in f"{chain}{chain!r}" for secret in (WRONG, *secrets))
        chain = chain.__cause__


S3 = {
    "secret": "SignatureDoesNotMatch",
    "key": "InvalidAccessKeyId",
    "bucket": "NoSuchBucket",
    "connection": "[Cc]onnection refused",
    "table": "No files in log segment|[Nn]o such table|[Nn]ot a Delta table",
}


@pytest.mark.parametrize("case", S3)
def test_s3(gateway: Server, case: str) -> None:
    given = {
        "secret": replace(gateway, secret=WRONG),
        "key": replace(gateway, key_id="nobody"),
        "connection": replace(gateway, endpoint=nowhere()),
    }.get(case, gateway)
    bucket = "missing" if case == "bucket" else "lake"
    lake = on_s3(given, bucket, max_retries=3 if case == "connection" else None)
    with soon(), pytest.raises(dfd_native.TableError) as opened:
        lake.table("absent")
    assert_clear(opened.value, lake, S3[case], gateway.secret)
    with lake.connect() as runtime, soon(), pytest.raises(dfd.QueryError) as registered:
        runtime.register("t", lake.uri("absent"))
    assert_clear(registered.value, lake, S3[case], gateway.secret)


AZURE = {
    "secret": "AuthorizationFailure",
    "account": "ResourceNotFound",
    "container": "ContainerNotFound",
    "connection": "[Cc]onnection refused",
    "table": "No files in log segment|[Nn]o such table|[Nn]ot a Delta table",
}


@pytest.mark.parametrize("case", AZURE)
def test_azure(emulator: Server, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "secret": replace(emulator, secret=WRONG),
        "account": replace(emulator, key_id="nobody"),
    }.get(case, emulator)
    if case == "connection":
        given = replace(emulator, endpoint=nowhere())
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", given.endpoint)
    container = "missing" if case == "container" else "lake"
    lake = on_azure(given, container, max_retries=3 if case == "connection" else None)
    with soon(), pytest.raises(dfd_native.TableError) as opened:
        lake.table("absent")
    assert_clear(opened.value, lake, AZURE[case], emulator.secret)


def test_a_silent_server_is_left_after_the_timeout(gateway: Server) -> None:
    with unanswered() as endpoint:
        lake = on_s3(replace(gateway, endpoint=endpoint), timeout_s=0.5, max_retries=1)
        with lake.connect() as runtime, soon(), pytest.raises(dfd.QueryError) as caught:
            runtime.register("t", lake.uri("absent"))
    assert_clear(caught.value, lake, "timed out", gateway.secret)


def test_a_silent_azure_is_left_after_the_timeout(
    emulator: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unanswered() as endpoint:
        monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint)
        lake = on_azure(replace(emulator, endpoint=endpoint), timeout_s=0.5, max_retries=1)
        with soon(), pytest.raises(dfd_native.TableError) as caught:
            lake.table("absent")
    assert_clear(caught.value, lake, "timed out", emulator.secret)


@pytest.mark.parametrize("route", [leaf, engine])
def test_a_server_that_went_away_fails_the_query(tmp_path: Path, route: Route) -> None:
    with versitygw(tmp_path) as server:
        s3_files(server).create_dir("lake")
        lake = on_s3(server, max_retries=1)
        write_deltalake(lake.uri("customers"), CUSTOMERS, storage_options=lake.options)
        read = route({"customers": lake.table("customers")})
    with soon(), pytest.raises(Exception, match=r"[Cc]onnection refused") as caught:
        read("select * from customers")
    assert "/lake/customers/" in str(caught.value)
    assert server.secret not in str(caught.value)


def test_a_server_that_went_away_fails_a_runtime(tmp_path: Path) -> None:
    with versitygw(tmp_path) as server:
        s3_files(server).create_dir("lake")
        lake = on_s3(server, max_retries=1)
        write_deltalake(lake.uri("customers"), CUSTOMERS, storage_options=lake.options)
        runtime = lake.connect()
        runtime.register("pinned", lake.uri("customers"), pinned=True)
        runtime.register("newest", lake.uri("customers"))
    with runtime:
        with soon(), pytest.raises(dfd.QueryError) as caught:
            runtime.sql("select * from pinned").to_arrow_table()
        assert caught.value.query_id is not None
        with soon(), pytest.raises(dfd.QueryError, match="up to date") as looked:
            runtime.sql("select * from newest")
    for error in (caught.value, looked.value):
        assert re.search("[Cc]onnection refused", str(error)), error
        assert "/lake/customers/" in str(error)
        assert server.secret not in str(error)
