"""Times that nanoseconds can't hold, as DataFusion says it: before 1677, and after 2262."""

from __future__ import annotations

import re

# What Arrow and DataFusion say of one.
_BEYOND_NANOSECONDS = re.compile(r"to Nanosecond|to Timestamp\(ns\)")
_ADVICE = (
    "Nanoseconds, which `now()` and `timestamp '...'` are of, hold no time before 1677 or after 2262. "
    "Where such a time meets one of them, write `cast(now() as timestamp(6))` and `timestamp(6) '...'`."
)


def is_beyond_nanoseconds(error: BaseException) -> bool:
    """Whether an error is that of a time which nanoseconds can't hold."""
    return _BEYOND_NANOSECONDS.search(str(error)) is not None


def with_advice(error: BaseException) -> str:
    """What an error says, and what helps."""
    said = str(error)
    return f"{said.rstrip('.')}. {_ADVICE}" if is_beyond_nanoseconds(error) else said
