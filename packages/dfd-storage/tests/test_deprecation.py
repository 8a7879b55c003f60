"""Old names work for one release, and warn."""

from __future__ import annotations

import dfd_storage
import pytest

RENAMED = {"Refreshing": "CredentialCache"}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_works_and_warns(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"dfd_storage.{old}.*dfd_storage.{new}") as caught:
        found = getattr(dfd_storage, old)
    assert found is getattr(dfd_storage, new)
    assert caught[0].filename == __file__
    assert old not in dfd_storage.__all__


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dfd_storage.nonsense  # type: ignore[attr-defined]
