"""Old names work for one release, and warn."""

from __future__ import annotations

import importlib

import dfd_storage
import pytest
from dfd_storage import capabilities

RENAMED = [
    ("dfd_storage.Refreshing", "dfd_storage.CredentialCache"),
    ("dfd_storage.explain", "dfd_storage.classify_failure"),
    ("dfd_storage.support.LIBRARIES", "dfd_storage.capabilities.LIBRARIES"),
    ("dfd_storage.support.SUPPORT", "dfd_storage.capabilities.CAPABILITIES"),
    ("dfd_storage.support.installed", "dfd_storage.capabilities.installed_version"),
    ("dfd_storage.support.require", "dfd_storage.capabilities.require"),
    ("dfd_storage.support.table", "dfd_storage.capabilities.table"),
]


@pytest.mark.parametrize(("old", "new"), RENAMED)
def test_an_old_name_works_and_warns(old: str, new: str) -> None:
    (old_module, _, old_name), (new_module, _, new_name) = old.rpartition("."), new.rpartition(".")
    module = importlib.import_module(old_module)
    with pytest.warns(DeprecationWarning, match=f"`{old}` is called `{new}` now") as caught:
        found = getattr(module, old_name)
    assert found is getattr(importlib.import_module(new_module), new_name)
    assert caught[0].filename == __file__


def test_a_star_import_has_no_old_name() -> None:
    assert not {old.rpartition(".")[2] for old, _ in RENAMED} & set(dfd_storage.__all__)


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dfd_storage.nonsense  # type: ignore[attr-defined]


def test_an_old_name_can_be_imported() -> None:
    with pytest.warns(DeprecationWarning, match="support.SUPPORT"):
        from dfd_storage.support import SUPPORT
    with pytest.warns(DeprecationWarning, match="Refreshing"):
        from dfd_storage import Refreshing
    assert (SUPPORT, Refreshing) == (capabilities.CAPABILITIES, dfd_storage.CredentialCache)


def test_the_old_name_of_a_property_works_and_warns() -> None:
    profile = dfd_storage.LocalProfile(uri="/t")
    with pytest.warns(DeprecationWarning, match="credentials_generation") as caught:
        found = profile.generation
    assert found == profile.credentials_generation
    assert caught[0].filename == __file__
