"""The line under a result."""

from __future__ import annotations

import pytest
from dfd.display.footer import foot_line, time_taken


def test_what_is_known_of_rows() -> None:
    assert foot_line(20, 336_776, True, 0.041, "engine") == "20 of 336,776 rows, 41 ms, engine"
    assert foot_line(1, 1, True, 0.041, None) == "1 row, 41 ms"
    assert foot_line(0, 0, True, 2, "session") == "0 rows, 2.00 s, session"
    assert foot_line(3, 9, False, 0.5, None, "4 of 6 columns") == (
        "3 of at least 9 rows, 4 of 6 columns, 500 ms"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0001, "0.1 ms"),
        (0.0094, "9.4 ms"),
        (0.0096, "10 ms"),
        (0.9996, "1.00 s"),
        (59.99, "59.99 s"),
        (59.999, "1 min 0 s"),
        (125, "2 min 5 s"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert time_taken(seconds) == said
