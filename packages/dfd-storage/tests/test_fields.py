"""Fields are held against their types, and what is refused is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from dfd_storage import AzureProfile, InvalidProfile, Secret
from dfd_storage.fields import Seconds, Text, check_fields, check_url


class _Checked(msgspec.Struct):
    name: Text
    wait_s: Seconds = 1

    def __post_init__(self) -> None:
        check_fields(self)


def test_a_value_takes_the_form_of_its_type() -> None:
    wait_s = _Checked(name="x", wait_s=3).wait_s
    assert (wait_s, type(wait_s)) == (3.0, float)


@pytest.mark.parametrize(
    ("values", "field"), [({"name": ""}, "name"), ({"name": "x", "wait_s": 0}, "wait_s")]
)
def test_the_refused_field_is_named(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidProfile, match=f"`{field}`") as caught:
        _Checked(**values)
    assert caught.value.field == field


def test_the_refusal_of_a_structure_inside_passes_as_it_is() -> None:
    credentials: Any = {"kind": "account_key", "account_key": Secret("no base64!")}
    with pytest.raises(InvalidProfile, match="`account_key` is no base64") as caught:
        AzureProfile(uri="az://lake", account="acc", credentials=credentials)
    assert caught.value.field == "account_key"


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://host", True),
        ("http://127.0.0.1:9000/base", True),
        ("http://[::1]:9000", True),
        ("host:9000", False),
        ("https://", False),
        ("https://host:port", False),
        ("https://me@host", False),
        ("https://host?x", False),
        ("https://host#x", False),
        ("https://host/ x", False),
        ("https://höst", False),
    ],
)
def test_urls_of_servers(url: str, is_taken: bool) -> None:
    if is_taken:
        check_url(url, "endpoint")
        return
    with pytest.raises(InvalidProfile, match="`endpoint`") as caught:
        check_url(url, "endpoint")
    assert caught.value.field == "endpoint"
