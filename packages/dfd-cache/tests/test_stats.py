"""Statistics come from dfd-native; without it they are refused, with what to install."""

from __future__ import annotations

import dfd_cache
import pytest


def test_without_dfd_native_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dfd_native", None)
    with pytest.raises(dfd_cache.StatisticsUnavailable, match="pip install dfd-native"):
        dfd_cache.cache_stats()
