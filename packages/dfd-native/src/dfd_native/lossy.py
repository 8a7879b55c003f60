"""The old name of `dfd_native.plan_roundtrip`."""

from __future__ import annotations

from typing import Any

from dfd_native import plan_roundtrip
from dfd_native.deprecation import warn_renamed


def __getattr__(name: str) -> Any:
    if name != "lost":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed("dfd_native.lossy.lost", "dfd_native.plan_roundtrip.unsupported")
    return plan_roundtrip.unsupported
