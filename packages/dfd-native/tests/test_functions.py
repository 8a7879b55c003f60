"""The functions as SQL calls them; their values are held by the crate's own gate."""

from __future__ import annotations

import math
from pathlib import Path

import dfd_native
import pyarrow as pa
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st

CONTEXT = SessionContext()
README = Path(__file__).parents[1] / "README.md"
NAMES = dfd_native.register_functions(CONTEXT)


def one(sql: str) -> object:
    (batch,) = CONTEXT.sql(f"select {sql} as x").collect()
    return batch["x"][0].as_py()


def test_names_are_those_of_the_snapshot() -> None:
    assert sorted(NAMES) == sorted(dfd_native.capabilities_snapshot()["functions"])


def test_the_readme_has_every_function() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}(" not in text] == []


@given(
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
def test_haversine_is_a_distance(a: tuple[float, float], b: tuple[float, float]) -> None:
    def distance(p: tuple[float, float], q: tuple[float, float]) -> float:
        there = f"dfd_haversine_km({p[0]!r}, {p[1]!r}, {q[0]!r}, {q[1]!r})"
        value = one(there)
        assert isinstance(value, float)
        return value

    forth, back = distance(a, b), distance(b, a)
    assert math.isclose(forth, back, rel_tol=1e-9, abs_tol=1e-6)
    assert 0 <= forth <= math.pi * 6372
    assert distance(a, a) == 0


def test_columns_and_nulls() -> None:
    CONTEXT.from_arrow(pa.table({"t": [0, 59, 100, 2359, None]}), name="clock")
    got = CONTEXT.sql("select dfd_hhmm_minutes(t) as m from clock").to_arrow_table()
    assert got["m"].to_pylist() == [0, 59, 60, 1439, None]


def test_integers_coerce_and_null_is_null() -> None:
    assert one("dfd_haversine_km(0, 0, 0, 180)") == one("dfd_haversine_km(0.0, 0.0, 0.0, 180.0)")
    assert one("dfd_haversine_km(0, 0, 0, null)") is None
