"""The token service: what it answers, and what is told where it doesn't."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from dfd_storage import CredentialsUnavailable, Secret, StaticCredentials
from dfd_storage.credentials.sts import request_credentials

KEY = StaticCredentials("AK", Secret("hunter2-secret"), Secret("hunter2-token"))
MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
GIVEN = """<?xml version="1.0"?>
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>hunter2-s</SecretAccessKey>
<SessionToken>hunter2-t</SessionToken><Expiration>2026-01-01T01:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
REFUSED = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hunter2</Message></Error></ErrorResponse>"


class Service:
    """A stand-in for AWS's service, whose own answers to a role need an account."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] = (200, GIVEN)
        self.asked: list[tuple[dict[str, list[str]], dict[str, str]]] = []
        self.endpoint = ""


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.asked.append((parse_qs(body), headers))
            status, text = found.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.endpoint = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def ask(endpoint: str, key: StaticCredentials | None = KEY) -> tuple[StaticCredentials, datetime]:
    parameters = {"Action": "AssumeRole", "RoleArn": "r"}
    return request_credentials(endpoint, "eu-west-1", parameters, key, 5.0, now=lambda: MOMENT)


def test_a_signed_request_gives_a_key_and_its_end(service: Service) -> None:
    credentials, end = ask(service.endpoint)
    assert credentials == StaticCredentials("ASIA", Secret("hunter2-s"), Secret("hunter2-t"))
    assert end == datetime(2026, 1, 1, 1, tzinfo=timezone.utc)
    ((parameters, headers),) = service.asked
    assert parameters == {"Action": ["AssumeRole"], "RoleArn": ["r"], "Version": ["2011-06-15"]}
    assert "Credential=AK/20260101/eu-west-1/sts/aws4_request" in headers["authorization"]
    assert headers["x-amz-security-token"] == "hunter2-token"
    assert "hunter2-secret" not in str(headers)


def test_a_request_without_a_key_is_not_signed(service: Service) -> None:
    ask(service.endpoint, None)
    assert "authorization" not in service.asked[0][1]


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (403, REFUSED, "refused AssumeRole: 403 AccessDenied"),
        (500, "hunter2", "refused AssumeRole: 500 no code"),
        (200, "<Answer/>", "no credentials in it"),
        (200, "hunter2", "no credentials in it"),
    ],
)
def test_what_is_no_answer_is_told_and_not_quoted(
    service: Service, status: int, text: str, told: str
) -> None:
    service.answer = (status, text)
    with pytest.raises(CredentialsUnavailable, match=told) as caught:
        ask(service.endpoint)
    assert caught.value.source == "token_service"
    assert "hunter2" not in str(caught.value)


def test_only_http_is_asked() -> None:
    with pytest.raises(CredentialsUnavailable, match="no http"):
        ask("file:///etc/passwd")
