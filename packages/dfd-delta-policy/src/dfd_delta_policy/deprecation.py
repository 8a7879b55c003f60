"""Deprecated names: the old one works for one release, and warns."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that gives what is found under old names, with a warning.

    A type checker sees the old names only where the module declares them too.

    - `module`: the module's name.
    - `names`: by old name, the new one.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{names[name]}", depth=3)
        return getattr(sys.modules[module], names[name])

    return look_up


def renamed_argument(old: str, old_value: int | None, new: str, value: int | None) -> int | None:
    """The value of an argument that may be given under its old name, with a warning.

    Raises:
        TypeError: it is given under both names.
    """
    if old_value is None:
        return value
    if value is not None:
        raise TypeError(f"`{old}` is the old name of `{new}`; give one of them.")
    _warn(old, new, depth=4)
    return old_value


def _warn(old: str, new: str, depth: int) -> None:
    """Warn that a name has changed whoever is `depth` frames up, this function's own the first."""
    warnings.warn(
        f"`{old}` is called `{new}` now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=depth,
    )
