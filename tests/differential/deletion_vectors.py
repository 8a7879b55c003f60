"""Deletion vectors as the protocol has them (section Deletion Vector Format), in the log or in a file."""

from __future__ import annotations

import base64
import struct
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_B85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_TO_Z85 = str.maketrans(_B85, _Z85)


def deletion_vector(rows: Sequence[int], root: Path, storage: str) -> dict[str, Any]:
    """The descriptor of a vector; `storage` is `i` (in the log), `u` (a file of the table) or `p` (any file)."""
    data = _bitmap(sorted(rows))
    found: dict[str, Any] = {
        "storageType": storage,
        "sizeInBytes": len(data),
        "cardinality": len(rows),
    }
    if storage == "i":
        return {**found, "pathOrInlineDv": _z85(data + b"\0" * (-len(data) % 4))}
    name = uuid.uuid4()
    path = root / f"deletion_vector_{name}.bin"
    # Its version, then another vector's bytes that aren't ours, then the size, the bytes and their checksum.
    head = b"\x01" + b"\xff" * 9
    path.write_bytes(
        head + struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    )
    where = path.as_uri() if storage == "p" else _z85(name.bytes)
    return {**found, "pathOrInlineDv": where, "offset": len(head)}


def unique_id(vector: dict[str, Any] | None) -> str | None:
    """What tells the vectors of one file apart."""
    if vector is None:
        return None
    offset = f"@{vector['offset']}" if "offset" in vector else ""
    return f"{vector['storageType']}{vector['pathOrInlineDv']}{offset}"


def _bitmap(rows: Sequence[int]) -> bytes:
    """One array container of the Roaring format, in its portable form for 64 bits."""
    bitmap = struct.pack("<IIHH", 12346, 1, 0, len(rows) - 1) + struct.pack("<I", 16)
    bitmap += b"".join(struct.pack("<H", row) for row in rows)
    return struct.pack("<IQI", 1681511377, 1, 0) + bitmap


def _z85(data: bytes) -> str:
    return base64.b85encode(data).decode().translate(_TO_Z85)
