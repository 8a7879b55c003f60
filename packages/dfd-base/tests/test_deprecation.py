"""Old names give what the new ones give, and warn whoever used them."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
from dfd_base import renamed, renamed_keywords, warn_renamed


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module that calls its `old` `new` now, in the table of modules."""
    made = types.ModuleType("has_renamed")
    vars(made).update(new=object(), __getattr__=renamed("has_renamed", {"old": "new"}))
    sys.modules["has_renamed"] = made
    yield made
    del sys.modules["has_renamed"]


def old() -> int:
    warn_renamed("old", "new")
    return 1


@renamed_keywords(size="size_bytes", profile="profile_name")
def function(size_bytes: int, *, profile_name: str = "") -> tuple[int, str]:
    return size_bytes, profile_name


def test_a_function() -> None:
    with pytest.warns(DeprecationWarning, match="`old` is called `new` now") as caught:
        assert old() == 1
    assert caught[0].filename == __file__


def test_a_name_of_a_module(module: types.ModuleType) -> None:
    message = r"`has_renamed\.old` is called `has_renamed\.new` now"
    with pytest.warns(DeprecationWarning, match=message) as caught:
        assert module.old is module.new
    assert caught[0].filename == __file__
    with pytest.raises(AttributeError, match="nonsense"):
        _ = module.nonsense


def test_a_name_that_moved_to_another_module(module: types.ModuleType) -> None:
    look_up = renamed("gone", {"old": "new"}, "has_renamed")
    with pytest.warns(DeprecationWarning, match=r"`gone\.old` is called `has_renamed\.new` now"):
        assert look_up("old") is module.new


def test_keywords() -> None:
    with pytest.warns(DeprecationWarning, match="now") as caught:
        assert function(**{"size": 1, "profile": "p"}) == (1, "p")
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == 2
    assert function.__name__ == "function"


def test_new_names_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    assert function(1, profile_name="p") == (1, "p")
    assert not recwarn


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="`size` and `size_bytes` are one argument"):
        function(size_bytes=1, **{"size": 1})
    with pytest.raises(TypeError, match="multiple values"), pytest.deprecated_call():
        function(1, **{"size": 1})
