"""Errors have one root, a code of their own, and survive the way between processes."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import dfd
import dfd_base
import dfd_cache
import dfd_delta_policy
import dfd_native
import dfd_obs
import dfd_storage
import pytest
from dfd import errors

PARTS = (dfd, dfd_base, dfd_storage, dfd_delta_policy, dfd_cache, dfd_obs, dfd_native)

ERRORS = [
    errors.ConfigurationError("x"),
    errors.QueryError("x", "q1"),
    errors.DemoError("x"),
    errors.SourceError("x.csv", "no CSV"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_round_trip(error: errors.DfdError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_codes_are_distinct() -> None:
    assert len({error.code for error in ERRORS}) == len(ERRORS)


def modules() -> Iterator[ModuleType]:
    """Every module of every part, but for those that run when they are imported."""
    for part in PARTS:
        yield part
        for found in pkgutil.walk_packages(part.__path__, f"{part.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


# Every exception that a module of ours makes, but for private names.
PUBLIC: dict[str, type[Exception]] = {
    f"{module.__name__}.{name}": value
    for module in modules()
    for name, value in vars(module).items()
    if inspect.isclass(value) and issubclass(value, Exception)
    if value.__module__ == module.__name__ and not name.startswith("_")
}


def test_the_root_is_one() -> None:
    assert dfd.DfdError is errors.DfdError is dfd_base.DfdError
    assert len(PUBLIC) > 50
    assert [name for name, error in PUBLIC.items() if not issubclass(error, dfd.DfdError)] == []


def test_codes_of_all_parts_are_distinct() -> None:
    codes = {name: vars(error).get("code") for name, error in PUBLIC.items()}
    assert [name for name, code in codes.items() if not code] == []
    assert len(set(codes.values())) == len(codes)


def test_wrong_arguments_are_value_errors() -> None:
    wrong = {name for name in PUBLIC if ".Invalid" in name} | {"dfd.errors.ConfigurationError"}
    assert len(wrong) >= 8
    assert [name for name in sorted(wrong) if not issubclass(PUBLIC[name], ValueError)] == []
