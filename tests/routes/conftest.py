"""The same rows as tables of every kind, and functions written in Python."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import dfd
import dfd_native
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from datafusion import Accumulator, SessionContext, udaf, udf, udwf
from datafusion.user_defined import WindowEvaluator
from deltalake import write_deltalake

sys.path.insert(0, str(Path(__file__).parent))

# Written by Spark: partitioned, with deletion vectors, at its third version.
SUITE = Path(__file__).parents[1] / "conformance/spark/dv_partitioned"
NAN = float("nan")
U = pa.table(
    {
        "k": pa.array([1, 2, 2, 5, 5, None, None, 84, 1000, 7], pa.int64()),
        "g": pa.array([1, 2, 2, 2, None, 1, None, 0, 3, 1], pa.int32()),
        "v": pa.array([1.5, NAN, -0.0, 0.0, None, float("inf"), 2.5, -1.5, None, 1e300]),
        "w": pa.array(["a", "row 2", None, "", "ü", "row 5", None, "A", "b", "it's"]),
        "at": pa.array(
            [0, 1_577_836_800_000_001, None, -1, 1_580_000_000_000_000, None, None, 1, 2, 3],
            pa.timestamp("us"),
        ),
    }
)


def decimals(texts: list[str | None], kind: pa.DataType) -> pa.Array:
    return pa.array([None if text is None else Decimal(text) for text in texts], kind)


WIDE = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "dict": pa.array(["a", "b", None, "a"]).dictionary_encode(),
        "numbers": pa.array([1, 2, None, 1]).dictionary_encode(),
        "large": pa.array(["a", None, "ü", ""], pa.large_string()),
        "text_view": pa.array(["a", None, "a long text that fits no view", ""], pa.string_view()),
        "large_bytes": pa.array([b"a", None, b"\x00", b""], pa.large_binary()),
        "view_bytes": pa.array([b"a", None, b"\x00", b""], pa.binary_view()),
        "fixed": pa.array([b"ab", None, b"\x00a", b"cc"], pa.binary(2)),
        "half": pa.array([1.5, None, -0.0, NAN], pa.float32()).cast(pa.float16()),
        "small": decimals(["1.10", None, "-9.99", "0.00"], pa.decimal32(5, 2)),
        "middle": decimals(["1.10", None, "-9.99", "0.00"], pa.decimal64(15, 2)),
        "big": decimals(["9" * 36 + ".99", None, "-9.99", "0.00"], pa.decimal128(38, 2)),
        "huge": decimals(["9" * 60 + ".99", None, "-9.99", "0.00"], pa.decimal256(70, 2)),
        "months": pa.array([(1, 2, 3), None, (0, -1, 0), (0, 0, 0)], pa.month_day_nano_interval()),
        "elapsed": pa.array([1, None, -1, 0], pa.duration("us")),
        "clock": pa.array([1, None, 2, 0], pa.time32("s")),
        "clock_ns": pa.array([1, None, 2, 0], pa.time64("ns")),
        "seconds": pa.array([1, None, -2, 0], pa.timestamp("s")),
        "nanos": pa.array([1, None, -2, 0], pa.timestamp("ns")),
        "berlin": pa.array([1, None, -2, 0], pa.timestamp("us", "Europe/Berlin")),
        "day_ms": pa.array([86_400_000, None, 0, -86_400_000], pa.date64()),
        "byte": pa.array([-128, None, 0, 1], pa.int8()),
        "ubyte": pa.array([255, None, 0, 1], pa.uint8()),
        "ulong": pa.array([2**64 - 1, None, 0, 1], pa.uint64()),
        "list": pa.array([[1, None], None, [], [2]], pa.list_(pa.int64())),
        "large_list": pa.array([[1, None], None, [], [2]], pa.large_list(pa.int64())),
        "fixed_list": pa.array([[1, None], None, [0, 0], [2, 3]], pa.list_(pa.int64(), 2)),
        "pair": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": None}, {"x": 2, "y": "b"}]),
        "map": pa.array([[("a", 1)], None, [], [("b", None)]], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(4),
        "list_view": pa.array([[1, None], None, [], [2]], pa.list_view(pa.int64())),
        "encoded": pa.RunEndEncodedArray.from_arrays([2, 4], ["a", "b"]),
    }
)


def twice(values: pa.Array) -> pa.Array:
    return pc.multiply(values, 2)


def shadowed(values: pa.Array) -> pa.Array:
    """Another `upper` than the built-in one."""
    return pc.binary_join_element_wise("SHADOWED", values, " ")


class Product(Accumulator):
    def __init__(self) -> None:
        self.product = 1

    def update(self, values: pa.Array) -> None:
        self.product *= pc.product(values).as_py() or 1

    def merge(self, states: list[pa.Array]) -> None:
        self.update(states[0])

    def state(self) -> list[pa.Scalar]:
        return [pa.scalar(self.product, pa.int64())]

    def evaluate(self) -> pa.Scalar:
        return pa.scalar(self.product, pa.int64())


class Numbered(WindowEvaluator):
    def evaluate_all(self, values: list[pa.Array], num_rows: int) -> pa.Array:
        return pa.array(range(100, 100 + num_rows), pa.int64())


def register_functions(session: SessionContext) -> None:
    big = pa.int64()
    session.register_udf(udf(twice, [big], big, "immutable", "twice"))
    session.register_udf(udf(shadowed, [pa.string()], pa.string(), "immutable", "upper"))
    session.register_udaf(udaf(Product, [big], big, [big], "immutable", "product"))
    session.register_udwf(udwf(Numbered, [big], big, "immutable", "numbered"))


def over_delta(session: SessionContext, directory: Path) -> None:
    table = dfd_native.delta_table((SUITE / "delta").as_uri(), version=3)
    session.register_table("t", table)
    for part in (U.slice(0, 4), U.slice(4)):
        write_deltalake(directory / "u", part, mode="append", partition_by=["g"])
    session.register_table("u", dfd_native.delta_table((directory / "u").as_uri()))


def over_memory(session: SessionContext, _: Path) -> None:
    session.from_arrow(pq.read_table(SUITE / "expected/3.parquet"), name="t")
    session.from_arrow(U, name="u")


def write_u(path: Path) -> None:
    # Statistics of `v` would leave its NaN out, and DataFusion would trust them.
    columns = [name for name in U.column_names if name != "v"]
    pq.write_table(U, path, row_group_size=3, write_statistics=columns)


def over_parquet(session: SessionContext, directory: Path) -> None:
    session.register_parquet("t", SUITE / "expected/3.parquet")
    write_u(directory / "u.parquet")
    session.register_parquet("u", directory / "u.parquet")


def over_datasets(session: SessionContext, directory: Path) -> None:
    session.register_dataset("t", ds.dataset(SUITE / "expected/3.parquet"))
    write_u(directory / "u.parquet")
    session.register_dataset("u", ds.dataset(directory / "u.parquet"))


Fill = Callable[[SessionContext, Path], None]
KINDS: dict[str, Fill] = {
    "delta": over_delta,
    "memory": over_memory,
    "parquet": over_parquet,
    "dataset": over_datasets,
}


Connect = Callable[[str], dfd.Runtime]


@pytest.fixture(scope="session")
def connect_over(tmp_path_factory: pytest.TempPathFactory) -> Connect:
    """Makes a runtime with the functions, `wide`, and the tables `t` and `u` of a kind; always the same rows."""

    def connect(kind: str) -> dfd.Runtime:
        runtime = dfd.connect()
        KINDS[kind](runtime.session, tmp_path_factory.mktemp(kind))
        runtime.session.from_arrow(WIDE, name="wide")
        register_functions(runtime.session)
        return runtime

    return connect


@pytest.fixture(scope="session")
def over(connect_over: Connect) -> Connect:
    """The one runtime of a kind, for statements that leave it as it is."""
    return functools.cache(connect_over)


@pytest.fixture
def runtime(connect_over: Connect) -> dfd.Runtime:
    """A runtime of one test, over Delta tables."""
    return connect_over("delta")
