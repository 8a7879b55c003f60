"""The line under a result: how many rows, how long, and where they come from."""

from __future__ import annotations


def foot_line(
    shown: int, seen: int, is_whole: bool, seconds: float, route: str | None, dropped: str = ""
) -> str:
    """Such as "20 of 336,776 rows, 41 ms, engine".

    - `seen`: the rows that were read; all there are where `is_whole`.
    - `dropped`: what is said of columns that aren't shown.
    """
    if is_whole:
        rows = f"{shown:,} of {seen:,} rows" if shown < seen else _rows(seen)
    else:
        rows = f"{shown:,} of at least {seen:,} rows"
    return ", ".join(part for part in (rows, dropped, time_taken(seconds), route) if part)


def time_taken(seconds: float) -> str:
    """A duration to read: `41 ms`, `1.53 s`, `2 min 5 s`."""
    if seconds < 0.0095:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
