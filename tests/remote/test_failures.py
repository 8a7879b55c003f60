"""What a store refuses is one class, whichever library asked, and within the profile's time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dfd
import dfd_native
import msgspec
import pyarrow as pa
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_delta_policy import GuardedTable
from dfd_storage import (
    AccountKeyCredentials,
    AzureProfile,
    BucketNotFound,
    ConnectionRefused,
    ConnectionStalled,
    DirectoryRefused,
    ExpiredCredentials,
    LocalProfile,
    S3Profile,
    SasCredentials,
    Secret,
    StaticCredentials,
    StorageFailure,
    StorageProfile,
    UnknownKey,
    UnsupportedSetting,
    WrongSecret,
    classify_failure,
)
from lake import on_azure, on_disk, on_s3
from servers import Server

WRONG = "b3RoZXItc2VjcmV0LW5vYm9keS1rbm93cw=="
TIMES = {"timeout_s": 1.0, "connect_timeout_s": 1.0, "max_retries": 1}
# Two requests of a second each and their waits, twice: HEAD tells nothing, and a listing is asked for.
WITHIN_S = 8.0


@contextmanager
def silent() -> Iterator[str]:
    """An endpoint that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def nowhere() -> str:
    with silent() as endpoint:
        return endpoint


@contextmanager
def expiring() -> Iterator[str]:
    """A stand-in: none of the S3 servers here ends a session, so this one answers as AWS does."""
    body = (
        b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>ExpiredToken</Code>'
        b"<Message>The provided token has expired.</Message></Error>"
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(400)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def expired_sas(server: Server) -> str:
    """A signature for the whole account, rightly signed, that ended in 2020."""
    fields = {
        "sv": "2019-12-12", "ss": "b", "srt": "sco", "sp": "rwdlac",
        "st": "2019-01-01T00:00:00Z", "se": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    order = (server.key_id, fields["sp"], fields["ss"], fields["srt"], fields["st"], fields["se"])
    text = "\n".join([*order, "", "", fields["sv"], ""])
    digest = hmac.new(base64.b64decode(server.secret), text.encode(), hashlib.sha256).digest()
    signed = fields | {"sig": base64.b64encode(digest).decode()}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in signed.items())


def delta_read(profile: StorageProfile, uri: str) -> None:
    DeltaTable(uri, storage_options=profile.to_deltalake_options())


def delta_write(profile: StorageProfile, uri: str) -> None:
    write_deltalake(uri, pa.table({"a": [1]}), storage_options=profile.to_deltalake_options())


def guarded_write(profile: StorageProfile, uri: str) -> None:
    GuardedTable(uri, storage=profile).append(pa.table({"a": [1]}))


def staged(profile: StorageProfile, uri: str) -> None:
    """The files of a write, which dfd-native puts there before any commit."""
    dfd_native.stage(uri, pa.table({"a": [1]}), profile.to_native_options())


def probe(profile: StorageProfile, uri: str) -> None:
    profile.probe()


def datafusion(profile: StorageProfile, uri: str) -> None:
    """DataFusion's own store, which can't be told of times."""
    known = dict.fromkeys(TIMES)
    session = SessionContext()
    msgspec.structs.replace(profile, **known).register(session)
    session.register_parquet("t", f"{uri}/x.parquet")


def engine(profile: StorageProfile, uri: str) -> None:
    with dfd.connect(dfd.DataFusionRuntimeProfile(storage=(profile,))) as runtime:
        runtime.register("t", uri)


WAYS: list[Callable[[Any, str], None]] = [
    delta_read, delta_write, guarded_write, staged, probe, datafusion, engine
]  # fmt: skip
S3_CASES: dict[str, type[StorageFailure]] = {
    "secret": WrongSecret,
    "key": UnknownKey,
    "bucket": BucketNotFound,
    "refused": ConnectionRefused,
    "stalled": ConnectionStalled,
    "expired": ExpiredCredentials,
}
AZURE_CASES: dict[str, type[StorageFailure]] = S3_CASES


@contextmanager
def broken(case: str, server: Server, patch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What of the server's place is wrong in a case."""
    if case == "stalled":
        with silent() as endpoint:
            patch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint)
            yield {"endpoint": endpoint}
    elif case == "refused":
        endpoint = nowhere()
        patch.setenv("AZURITE_BLOB_STORAGE_URL", endpoint)
        yield {"endpoint": endpoint}
    else:
        yield {}


def asserted(
    way: Callable[[Any, str], None],
    profile: StorageProfile,
    kind: type[StorageFailure],
    server: Server,
) -> None:
    uri = f"{profile.uri}/absent"
    if way is datafusion and kind in (ConnectionRefused, ConnectionStalled):
        # Its store would try for minutes, and can't be told of times: so it is told of none.
        with pytest.raises(UnsupportedSetting, match="timeout_s"):
            profile.register(SessionContext())
        return
    started = time.monotonic()
    with pytest.raises((StorageFailure, dfd.QueryError)) as caught, profile.failures(uri):
        way(profile, uri)
    assert time.monotonic() - started < WITHIN_S
    failure = classify_failure(caught.value, uri)
    assert type(failure) is kind, repr(caught.value)
    if way is engine:
        assert isinstance(caught.value.__cause__, kind)
        assert failure.summary in str(caught.value)
    else:
        assert caught.value is failure
    assert profile.uri in str(failure)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert not any(secret in f"{chain}{chain!r}" for secret in (WRONG, server.secret))
        chain = chain.__cause__


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", S3_CASES)
def test_s3(
    gateway: Server, case: str, way: Callable[[Any, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken(case, gateway, monkeypatch) as place, expiring() as ending:
        credentials = {
            "secret": StaticCredentials(gateway.key_id, Secret(WRONG)),
            "key": StaticCredentials("nobody", Secret(WRONG)),
        }.get(case)
        if credentials is not None:
            place |= {"credentials": credentials}
        if case == "expired":
            place |= {"endpoint": ending}
        bucket = "missing" if case == "bucket" else "lake"
        profile = on_s3(gateway, bucket, **TIMES, **place).profile
        assert isinstance(profile, S3Profile)
        asserted(way, profile, S3_CASES[case], gateway)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", AZURE_CASES)
def test_azure(
    emulator: Server, case: str, way: Callable[[Any, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken(case, emulator, monkeypatch) as place:
        changes = {
            "secret": {"credentials": AccountKeyCredentials(Secret(WRONG))},
            "key": {"account": "nobody"},
            "expired": {"credentials": SasCredentials(Secret(expired_sas(emulator)))},
        }.get(case, {})
        container = "missing" if case == "bucket" else "lake"
        profile = on_azure(emulator, container, **TIMES, **place, **changes).profile
        assert isinstance(profile, AzureProfile)
        asserted(way, profile, AZURE_CASES[case], emulator)


@pytest.mark.parametrize(("kind", "key"), [(WrongSecret, "gateway"), (UnknownKey, "nobody")])
def test_writers_are_refused_alike_where_the_store_was_proved_before(
    gateway: Server, kind: type[StorageFailure], key: str
) -> None:
    """No probe comes before the write: the table is opened, and staged to, with what is wrong."""
    assert on_s3(gateway).profile.probe().safe
    wrong = on_s3(gateway, credentials=StaticCredentials(key, Secret(WRONG))).profile
    with pytest.raises(kind):
        guarded_write(wrong, f"{wrong.uri}/absent")


def test_a_directory_that_cant_be_used(tmp_path: Path) -> None:
    """A file is in the way of what is to be made: of a stage, and of the probe."""
    profile = LocalProfile(uri=tmp_path.as_uri())
    uri = f"{profile.uri}/t"
    write_deltalake(tmp_path / "t", pa.table({"a": [1]}))
    table = GuardedTable(uri, storage=profile)
    (tmp_path / "t/_dfd").write_text("in the way")
    for work in (
        lambda: table.append(pa.table({"a": [2]})),
        LocalProfile(uri=f"{uri}/_dfd/x").probe,
    ):
        with pytest.raises(DirectoryRefused) as caught:
            work()
        assert uri in str(caught.value)
    assert table.version() == 0


def reading_on_fails() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({"a": [1]})
    raise OSError(13, "Generic S3 error: Permission denied, connection timed out", "/elsewhere")


@pytest.mark.parametrize("kind", ["disk", "azure"])
def test_a_source_that_fails_is_no_failure_of_the_store(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    lake = on_azure(request.getfixturevalue("emulator")) if kind == "azure" else on_disk(tmp_path)
    stream = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), reading_on_fails())
    with pytest.raises(dfd_native.StageError, match="the stream failed") as caught:
        GuardedTable(lake.uri("source"), storage=lake.profile).append(stream)
    assert "/elsewhere" in str(caught.value)


@pytest.mark.parametrize("kind", ["disk", "azure"])
def test_a_violated_rule_is_no_failure_of_the_store(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever words the rule has."""
    lake = on_azure(request.getfixturevalue("emulator")) if kind == "azure" else on_disk(tmp_path)
    uri = lake.uri("rules")
    write_deltalake(uri, pa.table({"note": ["fine"]}), storage_options=lake.options)
    rule = "note <> 'Generic S3 error: 403 Forbidden, operation timed out'"
    DeltaTable(uri, storage_options=lake.options).alter.add_constraint({"words": rule})
    table = GuardedTable(uri, storage=lake.profile)
    bad = pa.table({"note": ["Generic S3 error: 403 Forbidden, operation timed out"]})
    with pytest.raises(dfd_native.RuleViolation, match="words"):
        table.append(bad)
    assert table.append(pa.table({"note": ["timed out"]})).version == 2
