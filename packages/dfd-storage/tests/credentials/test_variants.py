"""Credentials are whole."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_storage import InvalidProfile, Secret, StaticCredentials


@pytest.mark.parametrize(
    "fields",
    [("", Secret("s")), ("id", "plain text"), ("id", Secret("s"), "plain text"), ("id", None)],
)
def test_refuses_and_never_repeats_a_secret(fields: Any) -> None:
    with pytest.raises(InvalidProfile) as caught:
        StaticCredentials(*fields)
    assert "plain text" not in str(caught.value)
