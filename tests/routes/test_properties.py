"""For any table and any query: the leaf, the engine and the same data as plain Parquet give the same rows.

`DFD_PROPERTIES=long` looks at fifty times as many tables.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from row_order import rows

EXAMPLES = 2000 if os.environ.get("DFD_PROPERTIES") == "long" else 40
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)

TEXTS = ("a", "A", " ", "ä'\"", "𝄞", "a/b=c%41 #?", "null", "\\", "_%", "\n", "z" * 70, "0")
MICROS = (0, -1, 1, 999, 1_577_836_800_000_999, -62_135_596_800_000_000, 253_402_300_799_999_999)
DAYS = (0, -1, 18262, -719_162, 2_932_896)
VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i": (pa.int64(), st.sampled_from([0, 1, -1, 7, 2**63 - 1, -(2**63)]) | st.integers(-9, 9)),
    "n": (pa.int32(), st.integers(-2, 3)),
    "b": (pa.int8(), st.sampled_from([-128, 127, 0])),
    "f": (
        pa.float64(),
        st.sampled_from(
            [0.0, -0.0, 1.5, -1e308, 5e-324] + [float(x) for x in ("nan", "inf", "-inf")]
        ),
    ),
    "e": (pa.float32(), st.sampled_from([0.0, -0.0, 0.5, float("nan"), 2.0**-149])),
    "s": (pa.string(), st.sampled_from(TEXTS)),
    "o": (pa.bool_(), st.booleans()),
    "m": (
        pa.decimal128(9, 2),
        st.sampled_from(["0.00", "1.25", "9999999.99"]).map(Decimal),
    ),
    "h": (pa.decimal128(38, 10), st.sampled_from(["0", "9" * 28, "-1e-10"]).map(Decimal)),
    "d": (pa.date32(), st.sampled_from(DAYS)),
    "t": (pa.timestamp("us", "UTC"), st.sampled_from(MICROS)),
    "z": (pa.timestamp("us"), st.sampled_from(MICROS)),
    "y": (pa.binary(), st.sampled_from([b"", b"\x00", b"\xff\xfe", b"a"])),
}
NESTED: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "l": (pa.list_(pa.int64()), st.lists(st.none() | st.integers(0, 3), max_size=3)),
    "r": (
        pa.struct([("x", pa.int64()), ("y", pa.string())]),
        st.fixed_dictionaries({"x": st.none() | st.integers(0, 3), "y": st.none() | st.just("v")}),
    ),
    "p": (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(st.sampled_from("ab"), st.integers(0, 2)),
    ),
}
ALL = {**VALUES, **NESTED}
# deltalake writes negative decimals wrong as partition values ("-1.-25"), so `m` has none.
PARTITIONED_BY = ("n", "b", "s", "o", "m", "d", "t", "z")
# Statistics of floats leave NaN out: where the other values are equal, DataFusion takes them for all.
HONEST = [name for name in VALUES if name not in ("f", "e")]
SCHEMA = pa.schema([("id", pa.int64()), *((name, kind) for name, (kind, _) in ALL.items())])


class Made(NamedTuple):
    """A table: its rows, how they are cut into commits, what is deleted, and its partition columns."""

    rows: pa.Table
    cuts: list[int]
    deleted: list[int]
    partition_by: list[str]

    def left(self) -> pa.Table:
        return self.rows.filter(
            pc.invert(pc.is_in(self.rows["id"], pa.array(self.deleted, pa.int64())))
        )

    def write(self, uri: Path) -> None:
        for start, end in zip([0, *self.cuts], [*self.cuts, len(self.rows)], strict=True):
            part = self.rows.slice(start, end - start)
            write_deltalake(uri, part, mode="append", partition_by=self.partition_by or None)
        if self.deleted:
            DeltaTable(uri).delete(f"id in ({', '.join(map(str, self.deleted))})")


@st.composite
def tables(draw: st.DrawFn) -> Made:
    count = draw(st.integers(1, 12))
    columns = {"id": pa.array(range(count), pa.int64())}
    for name, (kind, values) in ALL.items():
        # A column of few values has equal and missing ones.
        found = draw(st.lists(st.none() | values, min_size=1, max_size=4))
        columns[name] = pa.array([draw(st.sampled_from(found)) for _ in range(count)], kind)
    cuts = draw(st.lists(st.integers(1, count), max_size=2, unique=True))
    return Made(
        pa.table(columns, SCHEMA),
        sorted(cut for cut in cuts if cut < count),
        draw(st.lists(st.integers(0, count - 1), max_size=count // 2, unique=True)),
        draw(st.lists(st.sampled_from(PARTITIONED_BY), max_size=2, unique=True)),
    )


def literal(name: str, value: Any) -> str:
    """A value of the column as SQL has it, exactly."""
    kind = VALUES[name][0]
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if pa.types.is_floating(kind):
        return f"cast('{value}' as {'double' if name == 'f' else 'real'})"
    if pa.types.is_decimal(kind):
        return f"arrow_cast('{value:f}', 'Decimal128({kind.precision}, {kind.scale})')"
    if pa.types.is_date(kind):
        return f"arrow_cast(arrow_cast({value}, 'Int32'), 'Date32')"
    if pa.types.is_timestamp(kind):
        zone = 'Some("UTC")' if kind.tz else "None"
        return f"arrow_cast({value}, 'Timestamp(Microsecond, {zone})')"
    return str(value).lower()


@st.composite
def comparisons(draw: st.DrawFn, table: str = "a") -> str:
    # Floats more often than others: their NaN is what bounds of files and row groups leave out.
    name = draw(st.sampled_from([*VALUES, "f", "f", "e"]))
    column = f"{table}.{name}"
    value = VALUES[name][1].map(lambda value: literal(name, value))
    form = draw(st.sampled_from(["compare", "null", "in", "between", "distinct", "special"]))
    if form == "compare":
        operator = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
        return f"{column} {operator} {draw(value)}"
    if form == "null":
        return f"{column} is {draw(st.sampled_from(['', 'not ']))}null"
    if form == "in":
        listed = ", ".join(draw(st.lists(value, min_size=1, max_size=3)))
        return f"{column} {draw(st.sampled_from(['', 'not ']))}in ({listed})"
    if form == "between":
        return f"{column} between {draw(value)} and {draw(value)}"
    if form == "distinct":
        return f"({column} is {draw(st.sampled_from(['', 'not ']))}distinct from {draw(value)})"
    special = ("{0}.o", "{0}.s like 'a%'", "{0}.s ilike '%a%'", "{0}.n % 2 = 0", "{0}.id > 4")
    special += ("coalesce({0}.n, 1) = 1", "{0}.r['x'] = 1", "array_has({0}.l, 1)", "{0}.n = {0}.b")
    special += ("date_part('year', {0}.z) > 2000", "length({0}.s) > 1", "{0}.id in (1, 3, 5)")
    return draw(st.sampled_from(special)).format(table)


def predicates(table: str = "a") -> st.SearchStrategy[str]:
    return st.recursive(
        comparisons(table),
        lambda inner: (
            st.builds("({} and {})".format, inner, inner)
            | st.builds("({} or {})".format, inner, inner)
            | st.builds("(not {})".format, inner)
        ),
        max_leaves=3,
    )


COLUMNS = st.lists(st.sampled_from(["id", *ALL]), min_size=1, max_size=5, unique=True)
PLAIN = st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=2, unique=True)
DIRECTION = st.sampled_from(["", " desc", " nulls first", " desc nulls last"])


@st.composite
def selects(draw: st.DrawFn) -> str:
    return f"select {', '.join(draw(COLUMNS))} from a where {draw(predicates())}"


@st.composite
def limits(draw: st.DrawFn) -> str:
    where = draw(st.just("") | predicates().map(" where {}".format))
    keys = [key + draw(DIRECTION) for key in draw(PLAIN)]
    order = ", ".join([*keys, "id"])
    end = f"limit {draw(st.integers(1, 6))} offset {draw(st.sampled_from([0, 0, 1, 5]))}"
    return f"select {', '.join(draw(COLUMNS))} from a{where} order by {order} {end}"


@st.composite
def aggregates(draw: st.DrawFn) -> str:
    where = draw(st.just("") | predicates().map(" where {}".format))
    given = draw(st.just([]) | PLAIN)
    # In groups DataFusion's min and max of NaN depend on the order of the rows.
    names = [name for name in draw(PLAIN) if not (given and name in ("f", "e"))]
    found = [f"{verb}({name})" for name in names for verb in ("min", "max", "count")]
    found += draw(st.sampled_from([["count(*)"], ["sum(n)", "sum(m)"], ["count(distinct s)"]]))
    named = [*given, *(f"{text} as c{number}" for number, text in enumerate(found))]
    group = f" group by {', '.join(given)}" if given else ""
    return f"select {', '.join(named)} from a{where}{group}"


@st.composite
def joins(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["inner", "left", "right", "full", "left semi", "left anti"]))
    key = draw(st.sampled_from(list(VALUES)))
    on = f"(a.{key} {draw(st.sampled_from(['=', '=', 'is not distinct from']))} b.{key})"
    on += draw(st.sampled_from(["", " and a.id <= b.id"]))
    both = "a.id as ai, a.s as s" + (
        "" if kind.endswith(("semi", "anti")) else ", b.id as bi, b.l as l"
    )
    where = draw(st.just("") | predicates().map(" where {}".format))
    return f"select {both} from a {kind} join b on {on}{where}"


QUERIES = st.lists(selects() | limits() | aggregates() | joins(), min_size=4, max_size=8)


@pytest.fixture(scope="module")
def runtime() -> Iterator[dfd.Runtime]:
    with dfd.connect() as connected:
        yield connected


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(a=tables(), b=tables(), queries=QUERIES)
def test_the_same_rows(runtime: dfd.Runtime, a: Made, b: Made, queries: list[str]) -> None:
    directory = Path(tempfile.mkdtemp())
    plain, leaf = SessionContext(), SessionContext()
    try:
        for name, made in (("a", a), ("b", b)):
            uri = directory / name
            made.write(uri)
            pq.write_table(made.left(), directory / f"{name}.parquet", write_statistics=HONEST)
            plain.register_parquet(name, directory / f"{name}.parquet")
            leaf.register_table(name, dfd_native.delta_table(uri.as_uri()))
            runtime.register(name, uri)
        for sql in queries:
            wanted = rows(plain.sql(sql).to_arrow_table(), sql)
            assert rows(leaf.sql(sql).to_arrow_table(), sql) == wanted, f"the leaf: {sql}"
            query = runtime.sql(sql)
            event(query.route)
            assert rows(query.to_arrow_table(), sql) == wanted, f"the {query.route}: {sql}"
    finally:
        shutil.rmtree(directory)
