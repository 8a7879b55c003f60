"""Issues of a profile, as `validate()` finds them."""

from __future__ import annotations

from typing import Literal

import msgspec


class StorageIssue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue of a profile: a stable `code`, how bad it is, what it is, and what to do."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
