"""Explicit credentials of Azure: a signature knows its own end."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from dfd_storage import AccountKeyCredentials, AmbientCredentials, SasCredentials, Secret
from dfd_storage.credentials.azure import resolve, signature_has_ended

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("token", "has_ended"),
    [
        ("se=2026-06-01T11%3A59%3A59Z&sig=x", True),
        ("?sv=1&se=2026-06-01T12%3A00%3A01Z&sig=x", False),
        ("se=2026-05-31&sig=x", True),
        ("se=2026-06-02&sig=x", False),
        ("se=soon&sig=x", False),
        ("sig=x", False),
    ],
)
def test_the_end_of_a_signature(token: str, has_ended: bool) -> None:
    assert signature_has_ended(SasCredentials(Secret(token)), lambda: NOW) is has_ended


def test_only_a_signature_ends_so() -> None:
    key = AccountKeyCredentials(Secret("a2V5"))
    assert not signature_has_ended(key)
    assert resolve(key) is key
    assert resolve(AmbientCredentials()) is None
    assert not signature_has_ended(None)
