"""Deprecated names: the old one works for one release, and warns."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


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
    - `target`: the name of the module that has the new ones; default: `module`.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home = target or module
        warn_renamed(f"{module}.{name}", f"{home}.{names[name]}")
        return getattr(sys.modules[home], names[name])

    return look_up
