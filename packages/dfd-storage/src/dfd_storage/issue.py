"""What `validate()` finds."""

from __future__ import annotations

from typing import Literal

import msgspec


class StorageIssue(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: a stable `code`, how bad it is, what it is, and what to do."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
