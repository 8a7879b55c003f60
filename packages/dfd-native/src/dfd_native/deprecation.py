"""Deprecated names: the old one works for one release, and warns."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def warn_renamed(old: str, new: str) -> None:
    """Warn the caller's caller that a name has changed."""
    warnings.warn(
        f"`{old}` is called `{new}` now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )


def renamed_keywords(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that takes arguments under old keywords too; a type checker sees the new ones alone.

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
