"""Tables on disk, and time that a test owns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from dfd_delta_policy import Clock, GuardedTable

Rows = list[tuple[Any, ...]]


class FakeClock:
    """Time passes by sleeping only; chance always takes the upper bound."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def as_clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep, uniform=lambda low, high: high)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(tmp_path: Path, clock: FakeClock) -> GuardedTable:
    """A table of `id` 0 to 3 and `s`, one row to each."""
    made = GuardedTable(tmp_path / "t", clock=clock.as_clock())
    made.append(pa.table({"id": [0, 1, 2, 3], "s": ["a", "b", "c", "d"]}))
    return made


@pytest.fixture
def rows() -> Callable[[GuardedTable], Rows]:
    def read(table: GuardedTable) -> Rows:
        found = pa.table(DeltaTable(table.uri).scan())
        return sorted(
            zip(*(column.to_pylist() for column in found.columns), strict=True),
            key=repr,
        )

    return read
