"""The chosen way to read: right rows, plain types, and only what is asked for."""

from __future__ import annotations

from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = {
    "i": pa.int64(),
    "f": pa.float64(),
    "s": pa.string(),
    "b": pa.bool_(),
    "d": pa.date32(),
    "t": pa.timestamp("us", "UTC"),
    "m": pa.decimal128(9, 2),
    "y": pa.binary(),
    "l": pa.list_(pa.int64()),
    "o": pa.struct([("x", pa.int64()), ("y", pa.string())]),
}
VALUES = {
    "i": [1, None, -3, 4],
    "f": [1.5, float("inf"), None, -0.0],
    "s": ["a", "ä'", None, ""],
    "b": [True, False, None, True],
    "d": [0, 15000, None, -1],
    "t": [0, 1_400_000_000_000_000, None, -1],
    "m": ["1.10", None, "-2.25", "9.99"],
    "y": [b"\x00", b"", None, b"x"],
    "l": [[1, None], [], None, [2]],
    "o": [{"x": 1, "y": "a"}, None, {"x": None, "y": None}, {"x": 2, "y": "b"}],
}


def everything() -> pa.Table:
    columns = {}
    for name, kind in KINDS.items():
        if name == "m":
            columns[name] = pa.array(VALUES[name], pa.string()).cast(kind)
        else:
            columns[name] = pa.array(VALUES[name], kind)
    return pa.table(columns)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dfd.Runtime:
    runtime = dfd.connect()
    table = everything()
    uri = tmp_path_factory.mktemp("reads") / "t"
    runtime.write(uri, table.slice(0, 2))
    runtime.write(uri, table.slice(2))
    runtime.register("delta", uri)
    runtime.session.from_arrow(table, name="plain")
    return runtime


def both(runtime: dfd.Runtime, sql: str) -> tuple[list[str], list[str]]:
    found = []
    for name in ("delta", "plain"):
        rows = runtime.sql(sql.replace("{t}", name)).to_arrow_table().to_pylist()
        found.append(sorted(map(repr, rows)))
    return found[0], found[1]


def test_types_come_back_as_they_were(loaded: dfd.Runtime) -> None:
    schema = loaded.sql("select * from delta").to_arrow_table().schema
    assert {field.name: field.type for field in schema} == {
        **KINDS,
        "l": pa.list_(pa.field("element", pa.int64())),
    }


PREDICATES = st.recursive(
    st.sampled_from(
        [
            "i > 0",
            "i is null",
            "f >= 1.5",
            "s = 'ä'''",
            "s like 'a%'",
            "b",
            "d < date '2000-01-01'",
            "t is not null",
            "m > 1.00",
            "i in (1, 4)",
            "coalesce(i, 0) = 0",
        ]
    ),
    lambda inner: (
        st.builds("({} and {})".format, inner, inner)
        | st.builds("({} or {})".format, inner, inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=4,
)
COLUMNS = st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4, unique=True)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(predicate=PREDICATES, columns=COLUMNS)
def test_the_same_rows_as_plain_datafusion(
    loaded: dfd.Runtime, predicate: str, columns: list[str]
) -> None:
    delta, plain = both(loaded, f"select {', '.join(columns)} from {{t}} where {predicate}")
    assert delta == plain


@settings(max_examples=25, deadline=None)
@given(predicate=PREDICATES)
def test_counts_without_columns(loaded: dfd.Runtime, predicate: str) -> None:
    delta, plain = both(loaded, f"select count(*) as n from {{t}} where {predicate}")
    assert delta == plain


def test_unreferenced_columns_are_not_read(loaded: dfd.Runtime) -> None:
    plan = loaded.sql("select s from delta where i > 0").explain()
    assert "projection=[s, i]" in plan


def test_column_names_that_are_no_identifiers(tmp_path: Path) -> None:
    with dfd.connect() as runtime:
        runtime.write(tmp_path / "t", pa.table({"a b": [1, 2], "a": [3, 4], "Größe": [5, 6]}))
        runtime.register("t", tmp_path / "t")
        query = runtime.sql('select "Größe" from t where "a b" > 1 and a > 3')
        assert query.to_arrow_table().to_pydict() == {"Größe": [6]}
