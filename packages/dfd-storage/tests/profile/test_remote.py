"""How to connect is said whole, to each library in its own words."""

from __future__ import annotations

import base64

import msgspec
import pytest
from dfd_storage import (
    Encryption,
    HTTPProfile,
    ProxyAuth,
    S3Profile,
    Secret,
    StaticCredentials,
)

BASE64 = base64.b64encode(b"0" * 32).decode()
KEY = StaticCredentials("AK", Secret("hunter2-secret"))


def test_how_to_connect_is_said_whole() -> None:
    profile = S3Profile(
        uri="s3://b",
        credentials=KEY,
        retry_timeout_s=1.5,
        proxy_url="http://proxy:3128",
        proxy_auth=ProxyAuth("m e", Secret("hun:ter2")),
        ca_file="/ca.pem",
        encryption=Encryption(type="sse-c", customer_key=Secret(BASE64)),
    )
    options = profile.to_deltalake_options()
    assert options["retry_timeout"] == "1500ms"
    assert options["proxy_url"] == "http://m%20e:hun%3Ater2@proxy:3128"
    assert options["certificate_path"] == "/ca.pem"
    assert options["aws_server_side_encryption"] == "sse-c"
    assert options["aws_sse_customer_key_base64"] == BASE64
    assert "hun:ter2" not in repr(profile)


def test_dfd_native_takes_what_deltalake_takes_and_the_requests_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    profile = S3Profile(uri="s3://b", credentials=KEY, ca_file="~/ca.pem")
    options = profile.to_deltalake_options()
    assert options["certificate_path"] == "/home/me/ca.pem"
    assert profile.to_native_options() == options
    limited = msgspec.structs.replace(profile, max_concurrency=3)
    assert limited.to_native_options() == options | {"max_concurrency": "3"}
    web = HTTPProfile(uri="https://h", ca_file="/ca.pem", max_concurrency=1)
    assert web.to_native_options() == {
        "allow_http": "false", "certificate_path": "/ca.pem", "max_concurrency": "1"
    }  # fmt: skip


def test_a_proxy_of_the_environment_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@proxy")
    found = HTTPProfile(uri="https://h").validate()
    assert [issue.code for issue in found] == ["proxy_of_environment"]
    assert "hunter2" not in repr(found)
