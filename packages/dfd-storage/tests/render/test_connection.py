"""How a client connects: the proxy with its password, and whether plain http is allowed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from dfd_storage import InvalidProfile, ProxyAuth, S3Profile, Secret, StaticCredentials
from dfd_storage.render.connection import Connection

PLAIN = Connection(
    endpoint="http://127.0.0.1:9/base",
    allow_http=False,
    timeout_s=None,
    connect_timeout_s=None,
    max_retries=None,
    retry_timeout_s=None,
    proxy_url=None,
    proxy_auth=None,
    ca_file=None,
)


def connection(**fields: Any) -> Connection:
    return msgspec.structs.replace(PLAIN, **fields)


def test_plain_http_is_refused_where_nobody_allows_it() -> None:
    with pytest.raises(InvalidProfile, match="allow_http"):
        PLAIN.allowed_endpoint()
    allowed = connection(allow_http=True).allowed_endpoint()
    assert allowed is not None
    assert (allowed.netloc, allowed.path) == ("127.0.0.1:9", "/base")
    assert connection(endpoint=None).allowed_endpoint() is None


def test_user_and_password_stand_in_the_proxys_address() -> None:
    auth = ProxyAuth("m e", Secret("hun:ter2"))
    with_auth = connection(proxy_url="http://proxy:3128", proxy_auth=auth)
    assert with_auth.proxy_with_auth() == "http://m%20e:hun%3Ater2@proxy:3128"
    assert "hun:ter2" not in repr(with_auth)
    assert connection(proxy_url="http://proxy").proxy_with_auth() == "http://proxy"
    assert PLAIN.proxy_with_auth() is None


def test_libraries_that_ask_nobody_are_asked_for() -> None:
    profile = S3Profile(
        uri="s3://b", endpoint="http://127.0.0.1:9", credentials=StaticCredentials("k", Secret("s"))
    )
    with pytest.raises(InvalidProfile, match="allow_http"):
        profile.to_pyarrow_fs()
    with pytest.raises(InvalidProfile, match="allow_http"):
        profile.to_duckdb_secret("s")
