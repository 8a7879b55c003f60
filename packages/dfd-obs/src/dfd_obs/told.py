"""Values as a report tells them to a reader: times, durations, numbers, short ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Any


def short_id(whole: str) -> str:
    """The end of an id: its beginning is the time, which its neighbours share.

    >>> short_id("01a23a3654a177c2a8be8fbafad5716c"), short_id("nightly-7")
    ('fad5716c', 'nightly-7')
    """
    is_made = len(whole) == 32 and all(c in "0123456789abcdef" for c in whole)
    return whole[-8:] if is_made else whole


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def time_of_day(at: datetime, day: date) -> str:
    """A time in UTC, with its date where that is another than `day`."""
    utc = at.astimezone(timezone.utc)
    clock = f"{utc:%H:%M:%S}.{utc.microsecond // 1000:03d}"
    return clock if utc.date() == day else f"{utc:%m-%d} {clock}"


def seconds(value: float) -> str:
    """A duration, in the unit that it is read best in.

    >>> seconds(0.0000123), seconds(0.0451), seconds(2.5), seconds(75)
    ('12 µs', '45.1 ms', '2.50 s', '1 min 15 s')
    """
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.3g} ms" if value < 0.9995 else "1.00 s"
    if value < 60:
        return f"{value:.2f} s"
    whole = round(value)
    return f"{whole // 60} min {whole % 60} s"


def byte_size(value: float) -> str:
    """A number of bytes.

    >>> byte_size(512), byte_size(1536), byte_size(5 * 1024**3)
    ('512 B', '1.5 KiB', '5.0 GiB')
    """
    if value < 1024:
        return f"{value:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def text(value: object) -> str:
    """A plain value; nothing where it is None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{round(value, 3):g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def pairs(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, ...]]:
    """The values of a nested mapping, each with its path."""
    rows: list[tuple[str, ...]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += pairs(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", text(value) or "not set"))
    return rows
