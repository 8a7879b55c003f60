"""Secrets of DuckDB: every value quoted, or refused."""

from __future__ import annotations

import base64

import duckdb
import pytest
from dfd_storage import (
    AccountKeyCredentials,
    AzureProfile,
    ClientSecretCredentials,
    InvalidProfile,
    S3Profile,
    Secret,
    StaticCredentials,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), min_size=1)


def pairs(statement: str) -> dict[str, str]:
    """The values of a CREATE SECRET statement, as DuckDB's own lexer reads them."""
    inside = statement[statement.index("(") + 1 : -1]
    connection = duckdb.connect()
    found: dict[str, str] = {}
    for pair in split(inside):
        name, _, literal = pair.partition(" ")
        row = connection.execute(f"select {literal}").fetchone()
        assert row is not None
        found[name] = str(row[0])
    return found


def split(text: str) -> list[str]:
    """At the commas outside of quotes."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == "'"
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


@given(TEXT, TEXT, TEXT)
def test_no_value_leaves_its_quotes(name: str, key: str, secret: str) -> None:
    profile = S3Profile(
        uri="s3://bucket/t",
        endpoint="http://127.0.0.1:9000",
        allow_http=True,
        credentials=StaticCredentials(key, Secret(secret)),
    )
    statement = profile.to_duckdb_secret(name)
    assert len(duckdb.extract_statements(statement)) == 1
    assert pairs(statement[statement.index("(TYPE") :]) == {
        "TYPE": "s3",
        "PROVIDER": "config",
        "SCOPE": "s3://bucket/t",
        "KEY_ID": key,
        "SECRET": secret,
        "REGION": "us-east-1",
        "URL_STYLE": "path",
        "ENDPOINT": "127.0.0.1:9000",
        "USE_SSL": "False",
    }


def test_azure_for_duckdb() -> None:
    key = base64.b64encode(b"k").decode()
    by_key = AzureProfile(
        uri="az://lake", account="acc", credentials=AccountKeyCredentials(Secret(key))
    )
    assert f"AccountKey={key};" in by_key.to_duckdb_secret("s")
    by_client = AzureProfile(
        uri="az://lake",
        account="acc",
        credentials=ClientSecretCredentials(
            tenant_id="t", client_id="c", client_secret=Secret("it's")
        ),
    )
    assert "CLIENT_SECRET 'it''s'" in by_client.to_duckdb_secret("s")


def test_what_duckdb_cannot_hold_is_refused() -> None:
    profile = S3Profile(uri="s3://b", credentials=StaticCredentials("k", Secret("a\x00b")))
    with pytest.raises(InvalidProfile, match="null character"):
        profile.to_duckdb_secret("s")
