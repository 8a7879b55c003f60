"""Dates, times and durations as ISO 8601, of any year and with all their digits.

Python's own end with the year 9999 and have no nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

OffsetOf = Callable[[int], int]
"""The seconds that a zone is ahead of UTC, at a number of seconds since 1970."""

_DAY_S = 86_400
# The Gregorian calendar repeats itself after 400 years.
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A day within what Python's datetime can be: 0001-01-02 to 9999-12-30.
_FIRST_S, _LAST_S = -62_135_510_400, 253_402_214_400


def date_text(days: int) -> str:
    """A date by its days since 1970."""
    cycles, day = divmod(days + _EPOCH_DAY - 1, _CYCLE_DAYS)
    found = date.fromordinal(day + 1)
    year = found.year + cycles * _CYCLE_YEARS
    shown = f"{year:04}" if 0 <= year <= 9999 else f"{year:+05}"
    return f"{shown}-{found.month:02}-{found.day:02}"


def time_text(count: int, digits: int) -> str:
    """A time of day by its seconds since midnight, as a count of `digits` decimals."""
    seconds, fraction = divmod(count, 10**digits)
    rest = f".{fraction:0{digits}}".rstrip("0") if fraction else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{rest}"


def timestamp_text(count: int, digits: int, offset_of: OffsetOf | None = None) -> str:
    """A moment by its seconds since 1970, as a count of `digits` decimals; local to the zone, with its offset."""
    per_second = 10**digits
    offset = 0 if offset_of is None else offset_of(count // per_second)
    days, rest = divmod(count + offset * per_second, _DAY_S * per_second)
    suffix = "" if offset_of is None else _offset_text(offset)
    return f"{date_text(days)}T{time_text(rest, digits)}{suffix}"


def duration_text(count: int, digits: int) -> str:
    """A duration by its seconds, as a count of `digits` decimals."""
    return f"PT{_decimal(count, digits)}S"


def interval_text(months: int, days: int, nanoseconds: int) -> str:
    """An interval of the calendar by its parts."""
    return f"P{months}M{days}DT{_decimal(nanoseconds, 9)}S"


def zone_offset(name: str) -> OffsetOf:
    """The offsets of a time zone; UTC's where the zone isn't known here, or the year isn't Python's."""
    fixed = re.fullmatch(r"([+-])(\d\d):?(\d\d)", name)
    if fixed is not None:
        seconds = int(fixed[2]) * 3600 + int(fixed[3]) * 60
        return lambda _: -seconds if fixed[1] == "-" else seconds
    try:
        zone = ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return lambda _: 0

    def offset(seconds: int) -> int:
        if not _FIRST_S <= seconds < _LAST_S:
            return 0
        ahead = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
        return round((ahead or timedelta()).total_seconds())

    return offset


def _offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _decimal(count: int, digits: int) -> str:
    text = format(Decimal(count).scaleb(-digits), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
