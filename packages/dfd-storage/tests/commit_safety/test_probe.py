"""A probe shows what a store does with puts of one name."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_storage import (
    HTTPProfile,
    LocalProfile,
    MemoryProfile,
    UnsafeStorage,
)


def test_stores_of_this_process_are_proved(tmp_path: Any) -> None:
    for profile in (MemoryProfile(uri="memory:///proved"), LocalProfile(uri=str(tmp_path))):
        safety = profile.probe()
        assert (safety.safe, safety.winners, safety.racers) == (True, 1, 8)
        assert not profile.needs_proof
        profile.require_safe_commits(profile.uri)
    assert list(tmp_path.iterdir()) == []
    web = HTTPProfile(uri="https://127.0.0.1:9")
    for ask in (web.probe, lambda: web.require_safe_commits(web.uri)):
        with pytest.raises(UnsafeStorage, match="nothing can be written"):
            ask()
