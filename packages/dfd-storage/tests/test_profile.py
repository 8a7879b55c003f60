"""One profile, the same meaning to both libraries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from dfd_storage import (
    AnonymousCredentials,
    DuplicateOption,
    EnvironmentContradiction,
    InvalidProfile,
    InvalidUri,
    LocalProfile,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageError,
    StorageProfile,
    UnknownOption,
    UnsupportedSetting,
)

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


def test_kind_follows_the_scheme(tmp_path: Path) -> None:
    assert isinstance(StorageProfile.from_uri(tmp_path), LocalProfile)
    assert s3().kind == "s3"
    with pytest.raises(InvalidProfile):
        StorageProfile(uri="/data")
    with pytest.raises(InvalidProfile):
        LocalProfile(uri="s3://bucket")
    with pytest.raises(InvalidUri):
        StorageProfile.from_uri("ftp://host")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", ""),
        ("region", None),
        ("endpoint", "host:9000"),
        ("endpoint", "ftp://host"),
        ("endpoint", "http://host:port"),
        ("endpoint", "https://me:hunter2@host"),
        ("allow_http", "yes"),
        ("virtual_hosted", 1),
        ("timeout_s", 0),
        ("timeout_s", "5"),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("credentials", ("id", "secret")),
        ("extra", {"aws_conditional_put": 1}),
        ("nonsense", 1),
    ],
)
def test_refuses_and_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidProfile, match=field) as caught:
        s3(**{field: value})
    assert "hunter2" not in str(caught.value)


def test_deltalake_options_are_complete() -> None:
    profile = s3(
        endpoint="http://127.0.0.1:9000",
        allow_http=True,
        timeout_s=2.5,
        connect_timeout_s=1,
        max_retries=0,
        extra={"conditional_put": "etag"},
    )
    assert profile.to_deltalake_options() == {
        "aws_region": "us-east-1",
        "aws_endpoint": "http://127.0.0.1:9000",
        "allow_http": "true",
        "aws_virtual_hosted_style_request": "false",
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "hunter2-secret",
        "timeout": "2500ms",
        "connect_timeout": "1000ms",
        "max_retries": "0",
        "aws_conditional_put": "etag",
    }
    anonymous = s3(credentials=AnonymousCredentials()).to_deltalake_options()
    assert anonymous["aws_skip_signature"] == "true"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("virtual_hosted", True),
        ("timeout_s", 1),
        ("connect_timeout_s", 1),
        ("max_retries", 3),
        ("extra", {"aws_conditional_put": "etag"}),
        ("credentials", AnonymousCredentials()),
    ],
)
def test_what_datafusion_cannot_say_is_not_dropped(field: str, value: Any) -> None:
    with pytest.raises(UnsupportedSetting) as caught:
        s3(**{field: value}).to_datafusion_object_store()
    assert (caught.value.field, caught.value.library) == (field, "datafusion")


def test_fingerprints_know_meaning_and_no_secret() -> None:
    assert (
        s3().fingerprint
        == s3(credentials=StaticCredentials("AKIDEXAMPLE", Secret("x"))).fingerprint
    )
    assert len({s3().fingerprint, s3(region="r").fingerprint, s3(max_retries=1).fingerprint}) == 3


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"endpoint": "http://host", "allow_http": False}, "http_refused"),
        ({"endpoint": "https://10.0.0.1", "virtual_hosted": True}, "virtual_host_of_address"),
    ],
)
def test_validate_finds(settings: dict[str, Any], code: str) -> None:
    assert [issue.code for issue in s3(**settings).validate()] == [code]
    assert s3(endpoint="https://host").validate() == []


def test_from_env_reads_prefixed_names_only() -> None:
    environ = {
        "DFD_S3_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "DFD_S3_SECRET_ACCESS_KEY": "hunter2-secret",
        "DFD_S3_ENDPOINT": "http://127.0.0.1:9000",
        "DFD_S3_ALLOW_HTTP": "true",
        "DFD_S3_MAX_RETRIES": "2",
        "AWS_REGION": "mars",
        "TOKEN": "abc",
    }
    assert StorageProfile.from_env("s3://bucket/t", environ) == s3(
        endpoint="http://127.0.0.1:9000", allow_http=True, max_retries=2
    )
    with pytest.raises(UnknownOption, match="DFD_S3_REGOIN"):
        StorageProfile.from_env("s3://bucket", {**environ, "DFD_S3_REGOIN": "x"})
    with pytest.raises(InvalidProfile, match="MAX_RETRIES"):
        StorageProfile.from_env("s3://bucket", {**environ, "DFD_S3_MAX_RETRIES": "many"})
    with pytest.raises(InvalidProfile, match="DFD_S3_ACCESS_KEY_ID"):
        StorageProfile.from_env("s3://bucket", {})


def test_from_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2-secret")
    text = """
        kind = "s3"
        uri = "s3a://bucket/t/"
        region = "us-east-1"
        credentials = {kind = "static", access_key_id = "AKIDEXAMPLE", secret_access_key = {env = "MY_SECRET"}}
        extra = {conditional_put = "etag"}
    """
    (tmp_path / "p.toml").write_text(text)
    assert StorageProfile.from_toml(tmp_path / "p.toml") == s3(
        extra={"aws_conditional_put": "etag"}
    )


@pytest.mark.parametrize(
    "mapping",
    [
        {},
        {"uri": 3},
        {"uri": "s3://b"},
        {"uri": "s3://b", "kind": "local", "credentials": {"kind": "anonymous"}},
        {"uri": "s3://b", "credentials": {"kind": "anonymous", "x": 1}},
        {
            "uri": "s3://b",
            "credentials": {"kind": "static", "access_key_id": "a", "secret_access_key": "hunter2"},
        },
        {"uri": "s3://b", "credentials": {"kind": "anonymous"}, "regoin": "x"},
    ],
)
def test_from_toml_refuses(mapping: dict[str, Any]) -> None:
    with pytest.raises(StorageError) as caught:
        StorageProfile.from_toml(mapping)
    assert "hunter2" not in str(caught.value)


def test_from_toml_of_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("= 3")
    for path in (tmp_path / "missing.toml", tmp_path / "bad.toml"):
        with pytest.raises(InvalidProfile, match="can't be read"):
            StorageProfile.from_toml(path)


def test_doubled_settings_are_refused() -> None:
    with pytest.raises(DuplicateOption):
        s3(extra={"aws_endpoint": "https://host"})


def test_local_profile_serves_both_libraries(tmp_path: Path) -> None:
    directory = tmp_path / "a b%c ä"
    profile = StorageProfile.from_uri(directory)
    table = pa.table({"n": [1, 2]})
    write_deltalake(profile.uri, table, storage_options=profile.to_deltalake_options())
    assert DeltaTable(profile.uri).version() == 0
    assert list(directory.glob("*.parquet"))
    context = SessionContext()
    profile.register(context)
    (tmp_path / "plain").mkdir()
    pq.write_table(table, tmp_path / "plain/x.parquet")
    context.register_parquet("t", f"file://{tmp_path}/plain/")
    assert context.sql("select sum(n) as s from t").to_pydict() == {"s": [3]}


@pytest.mark.parametrize(
    "variable", ["AWS_SESSION_TOKEN", "TOKEN", "TIMEOUT", "AWS_S3_EXPRESS", "SKIP_SIGNATURE"]
)
def test_a_variable_that_deltalake_would_take_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "hunter2-value")
    with pytest.raises(EnvironmentContradiction, match=variable) as caught:
        s3().to_deltalake_options()
    assert caught.value.variables == (variable,)
    assert "hunter2" not in str(caught.value)


class Seen(NamedTuple):
    """What a request to the loopback server said."""

    path: str
    authorization: str
    token: str | None


@pytest.fixture
def server() -> Iterator[tuple[str, list[Seen]]]:
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            seen.append(
                Seen(
                    self.path,
                    self.headers.get("Authorization", ""),
                    self.headers.get("x-amz-security-token"),
                )
            )
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_PUT = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Quiet."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", seen
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_both_libraries_ask_the_same_server_with_the_same_key(
    server: tuple[str, list[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, seen = server
    for name, value in {
        "AWS_ACCESS_KEY_ID": "FROMENV",
        "AWS_SECRET_ACCESS_KEY": "FROMENV",
        "AWS_REGION": "mars-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    profile = s3(endpoint=endpoint, allow_http=True)
    with pytest.raises(Exception, match=r"(?i)403|forbidden|denied|permission"):
        DeltaTable("s3://bucket/t", storage_options=profile.to_deltalake_options())
    by_deltalake = len(seen)
    assert by_deltalake
    context = SessionContext()
    profile.register(context)
    for name, uri in (("a", "s3://bucket/t/x.parquet"), ("b", "s3a://bucket/t/x.parquet")):
        before = len(seen)
        with pytest.raises(Exception, match=r"(?i)403|forbidden|denied|permission"):
            context.register_parquet(name, uri)
        assert len(seen) > before
    for request in seen:
        assert request.path.startswith("/bucket")
        assert "Credential=AKIDEXAMPLE/" in request.authorization
        assert "/us-east-1/s3/" in request.authorization
        assert request.token is None
