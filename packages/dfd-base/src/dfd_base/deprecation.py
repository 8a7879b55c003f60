"""Deprecated names: the old one works for one release, and warns."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def warn_renamed(old: str, new: str) -> None:
    """Warn the caller's caller that a name has changed."""
    warnings.warn(
        f"`{old}` is called `{new}` now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )


def renamed(
    module: str, names: Mapping[str, str], target: str | None = None
) -> Callable[[str], Any]:
    """A module's `__getattr__` that gives what is found under old names, with a warning.

    A type checker sees the old names only where the module declares them too.

    - `module`: the name of the module that had the old names.
    - `names`: by old name, the new one.
    - `target`: the name of the module that has the new ones, which is imported; default: `module`.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home = target or module
        warn_renamed(f"{module}.{name}", f"{home}.{names[name]}")
        return getattr(sys.modules[home], names[name])

    return look_up


def renamed_keywords(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that takes arguments under old keywords too; a type checker sees the new ones alone.

    Given under both names, an argument is a `TypeError`.

    - `names`: by old keyword, the new one.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in names.keys() & kwargs.keys():
                if names[old] in kwargs:
                    raise TypeError(f"`{old}` and `{names[old]}` are one argument.")
                warn_renamed(old, names[old])
                kwargs[names[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
