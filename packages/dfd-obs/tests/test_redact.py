"""No secret gets into a report, whatever it is nested in."""

from __future__ import annotations

import json

import pytest
from dfd_obs.redact import redact
from hypothesis import given
from hypothesis import strategies as st

SECRET = "hunter2-0123456789"


@pytest.mark.parametrize(
    "value",
    [
        {"aws_secret_access_key": SECRET},
        {"Password": SECRET},
        {"nested": [{"sas_token": SECRET}]},
        {"uri": f"https://me:{SECRET}@host/path"},
        {"url": f"https://host/t?sig={SECRET}&x=1"},
        {"url": f"https://host/t?X-Amz-Signature={SECRET}"},
        {"message": f"GET https://host/t?token={SECRET} failed"},
        {"accountKey": SECRET},
        {"pwd": SECRET},
        {"passphrase": SECRET},
        {"cookie": SECRET},
        {"auth": f"Basic {SECRET}"},
        {"headers": {"x-api-key": SECRET}},
        {"connection_string": f"AccountName=a;AccountKey={SECRET};"},
        f"AccountName=a;AccountKey={SECRET};EndpointSuffix=b",
        f"aws_secret_access_key={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f'{{"secret_access_key": "{SECRET}"}}',
        f"s3://key:part@{SECRET}@bucket/t",
        {"blob": SECRET.encode()},
    ],
)
def test_hides(value: object) -> None:
    assert SECRET not in json.dumps(redact(value))


@pytest.mark.parametrize(
    "text",
    ["the author signed 7 tokens", "signal=on", "SELECT flights", "s3://bucket/a@b/t", "key=7"],
)
def test_keeps_what_is_none_of_them(text: str) -> None:
    assert redact(text) == text


def test_keeps_what_is_none() -> None:
    plain = {"access_key_id": "AKIA", "max_token_count": 7, "rows": [1, 2.5, None, True, "text"]}
    assert redact(plain) == plain


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet="abc /.", max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(alphabet="xyz", max_size=4), inner, max_size=3)
        ),
    )
)
def test_keeps_the_shape_of_plain_values(value: object) -> None:
    assert redact(value) == value
