"""Deprecated names: the old one works for one release, and warns."""

from __future__ import annotations

import warnings


def warn_renamed(old: str, new: str) -> None:
    """Warn the caller's caller that a name has changed."""
    warnings.warn(
        f"`{old}` is called `{new}` now; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
