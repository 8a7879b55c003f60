"""Buckets behind the S3 protocol: one profile, the same meaning to both libraries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from datafusion import SessionContext
from deltalake import DeltaTable
from dfd_storage import (
    AnonymousCredentials,
    DuplicateOption,
    DynamoDBLock,
    InvalidProfile,
    S3Profile,
    Secret,
    StaticCredentials,
    StorageProfile,
)

KEY = StaticCredentials("AKIDEXAMPLE", Secret("hunter2-secret"))


def s3(**settings: Any) -> S3Profile:
    profile = StorageProfile.from_uri("s3://bucket/t", **{"credentials": KEY, **settings})
    assert isinstance(profile, S3Profile)
    return profile


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
    ("settings", "code"),
    [
        ({"endpoint": "http://host", "allow_http": False}, "http_refused"),
        ({"endpoint": "https://10.0.0.1", "virtual_hosted": True}, "virtual_host_of_address"),
    ],
)
def test_validate_finds(settings: dict[str, Any], code: str) -> None:
    assert [issue.code for issue in s3(**settings).validate()] == [code]
    assert s3(endpoint="https://host").validate() == []


def test_doubled_settings_are_refused() -> None:
    with pytest.raises(DuplicateOption):
        s3(extra={"aws_endpoint": "https://host"})


@pytest.mark.parametrize(
    ("endpoint", "rendered"),
    [
        ("https://host:9000", "https://b.host:9000"),
        ("https://b.host", "https://b.host"),
        (None, None),
    ],
)
def test_a_virtual_host_has_the_bucket_in_it(endpoint: str | None, rendered: str | None) -> None:
    profile = S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint, virtual_hosted=True)
    assert profile.to_deltalake_options().get("aws_endpoint") == rendered


@pytest.mark.parametrize(
    ("endpoint", "needs"),
    [
        (None, False),
        ("https://s3.eu-west-1.amazonaws.com", False),
        ("https://s3.example.com", True),
        ("https://amazonaws.com.example.com", True),
    ],
)
def test_who_is_vouched_for(endpoint: str | None, needs: bool) -> None:
    assert S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint).needs_proof is needs
    lock = S3Profile(uri="s3://b", credentials=KEY, endpoint=endpoint, commits=DynamoDBLock())
    assert (lock.needs_proof, lock.mechanism) == (False, "dynamodb")


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
