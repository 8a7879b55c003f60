"""Ids that sort by the time they were made: version 7 of RFC 9562."""

from __future__ import annotations

import uuid

_VERSION = 7 << 76
_VARIANT = 2 << 62
_CLEARED = ~((0xF << 76) | (0x3 << 62))


def uuid7(milliseconds: int, random: bytes) -> uuid.UUID:
    """The UUID of a time since 1970 and ten random bytes.

    >>> str(uuid7(0x017F22E279B0, bytes.fromhex("0cc3" + "18c4dc0c0c07398f")))
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'
    """
    value = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(random, "big")
    return uuid.UUID(int=value & _CLEARED | _VERSION | _VARIANT)
