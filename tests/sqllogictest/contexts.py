"""What DataFusion's runner gives the session of a file beyond the default one.

As `src/test_context.rs` of the crate has it. Left out, since Python can't express it: the function
written for async (`async_udf.slt`), tables that declare a range partitioning
(`range_partitioning.slt`), a temporary table (`information_schema_table_types.slt`), the planner of
extension types (`cast_extension_type_metadata.slt`), and the Avro files (`avro.slt`), which aren't in the crate.
What asks for them fails on both routes alike.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from datafusion import SessionContext, Table, udf
from datafusion.catalog import SchemaProvider

# DataFusion's runner sets it, so that plans don't depend on the machine.
SETTINGS = {"datafusion.execution.target_partitions": "4"}


def settings(file: str) -> dict[str, str]:
    """The settings of the session for `file`."""
    if file.startswith("spark/"):
        return {**SETTINGS, "datafusion.sql_parser.dialect": "Spark"}
    return SETTINGS


def equip(session: SessionContext, file: str) -> None:
    """Give the session of `file` its functions and tables. The working directory is the file's own."""
    if file.startswith("spark/"):
        session.enable_spark_functions()
    for equipment in _EQUIPMENT.get(file, ()):
        equipment(session)


class _StrictOrders(SchemaProvider):
    """Holds `orders`, and fails of any other look-up: the name of a CTE is not looked up."""

    def __init__(self) -> None:
        batch = pa.record_batch(
            [pa.array([1, 2], pa.int32())],
            schema=pa.schema([pa.field("order_id", pa.int32(), nullable=False)]),
        )
        session = SessionContext()
        self._orders = session.create_dataframe([[batch]])

    def table_names(self) -> set[str]:
        return {"orders"}

    def table(self, name: str) -> Table | None:
        if name != "orders":
            raise LookupError(f"unexpected table lookup: {name}")
        return Table(self._orders)

    def table_exist(self, name: str) -> bool:
        return name == "orders"


def _strict_orders(session: SessionContext) -> None:
    session.catalog("datafusion").register_schema("strict_schema", _StrictOrders())


def _many_types(session: SessionContext) -> None:
    session.sql("CREATE DATABASE my_catalog").collect()
    session.sql("CREATE SCHEMA my_catalog.my_schema").collect()
    columns = {
        "int32_col": pa.array([1], pa.int32()),
        "float64_col": pa.array([1.0]),
        "utf8_col": pa.array(["foo"]),
        "large_utf8_col": pa.array(["bar"], pa.large_utf8()),
        "binary_col": pa.array([b"foo"]),
        "large_binary_col": pa.array([b"foo"], pa.large_binary()),
        "timestamp_nanos": pa.array([123], pa.timestamp("ns")),
    }
    nullable = {"float64_col", "utf8_col"}
    schema = pa.schema(
        pa.field(name, column.type, nullable=name in nullable) for name, column in columns.items()
    )
    batch = pa.record_batch(list(columns.values()), schema=schema)
    table = Table(session.create_dataframe([[batch]]))
    session.catalog("my_catalog").schema("my_schema").register_table("table_with_many_types", table)


def _map(session: SessionContext) -> None:
    schema = pa.schema([("int_field", pa.int64()), ("map_field", pa.map_(pa.int64(), pa.int64()))])
    session.register_record_batches("table_with_map", [[pa.RecordBatch.from_pylist([], schema)]])


def _example(session: SessionContext) -> None:
    types = [pa.float64(), pa.float64()]
    session.register_udf(udf(pc.add, types, pa.float64(), "immutable", "example"))


def _partitions(session: SessionContext) -> None:
    directory = Path("partitions")
    directory.mkdir()
    lines = (f"0,{i},{'true' if i % 2 == 0 else 'false'}\n" for i in range(11))
    (directory / "partition-0.csv").write_text("".join(lines))
    schema = pa.schema(
        pa.field(name, kind, nullable=False)
        for name, kind in (("c1", pa.uint32()), ("c2", pa.uint64()), ("c3", pa.bool_()))
    )
    # DataFusion's runner registers it with a header that isn't there, too.
    session.register_csv("test_partition_table", directory, schema=schema)


def _metadata(session: SessionContext) -> None:
    def field(name: str, kind: pa.DataType, told: str, nullable: bool = True) -> pa.Field:
        return pa.field(name, kind, nullable, {"metadata_key": told})

    schema = pa.schema(
        [
            field("id", pa.int32(), "the id field"),
            field("name", pa.utf8(), "the name field"),
            field("l_name", pa.utf8(), "the l_name field"),
            field("ts", pa.timestamp("ns"), "ts non-nullable field", nullable=False),
            field("nonnull_name", pa.utf8(), "the nonnull_name field", nullable=False),
        ],
        {"metadata_key": "the entire schema"},
    )
    columns = [
        pa.array([1, None, 3], pa.int32()),
        pa.array([None, "bar", "baz"]),
        pa.array([None, "l_bar", "l_baz"]),
        pa.array([1599572549190855123] * 3, pa.timestamp("ns")),
        pa.array(["no_foo", "no_bar", "no_baz"]),
    ]
    session.register_batch("table_with_metadata", pa.record_batch(columns, schema=schema))
    for table, column, told, values in (
        ("larger_table", "a", "left", range(1, 11)),
        ("smaller_table", "b", "right", [1]),
    ):
        schema = pa.schema([pa.field(column, pa.int32(), False)], {"metadata_key": told})
        batch = pa.record_batch([pa.array(values, pa.int32())], schema=schema)
        session.register_batch(table, batch)


def _union(session: SessionContext) -> None:
    array = pa.UnionArray.from_buffers(
        pa.sparse_union(
            [pa.field("int", pa.int32(), False), pa.field("string", pa.utf8(), False)], [3, 1]
        ),
        6,
        [None, pa.py_buffer(bytes([3, 1, 3, 3, 1, 3]))],
        children=[
            pa.array([1, 2, 3, 1, 5, 3], pa.int32()),
            pa.array(["foo", "bar", "baz", "qux", "bar", "quux"]),
        ],
    )
    schema = pa.schema([pa.field("union_column", array.type, nullable=False)])
    session.register_batch("union_table", pa.record_batch([array], schema=schema))


def _approx_distinct_union(session: SessionContext) -> None:
    array = pa.UnionArray.from_dense(
        pa.array([0, 0, 1, 1, 0, 0, 1, 0], pa.int8()),
        pa.array([0, 1, 0, 1, 2, 3, 2, 4], pa.int32()),
        [pa.array([1, 1, None, None, 5], pa.int32()), pa.array(["x", "y", None])],
        ["i", "s"],
    )
    groups = pa.array([1, 1, 1, 2, 2, 3, 3, 4], pa.int32())
    schema = pa.schema([pa.field("g", pa.int32(), False), pa.field("u", array.type, False)])
    session.register_batch(
        "approx_distinct_union_test", pa.record_batch([groups, array], schema=schema)
    )


def _dictionary_struct(session: SessionContext) -> None:
    fields = [pa.field("name", pa.utf8(), False), pa.field("id", pa.int32(), False)]

    def people(names: list[str], ids: list[int]) -> pa.StructArray:
        return pa.StructArray.from_arrays(
            [pa.array(names), pa.array(ids, pa.int32())], fields=fields
        )

    def encoded(keys: list[int | None], values: pa.StructArray) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(keys, pa.uint32()), values)

    names = ["Alice", "Bob", "Carol"]
    columns = [
        encoded([0, 1, 2, 0, 1], people(names, [1, 2, 3])),
        people([*names, *names[:2]], [1, 2, 3, 1, 2]),
    ]
    schema = pa.schema(
        pa.field(name, column.type, nullable=False)
        for name, column in zip(("dict_struct", "plain_struct"), columns, strict=True)
    )
    session.register_batch("dict_struct_table", pa.record_batch(columns, schema=schema))
    sparse = encoded([0, None, 1, None], people(["X", "Y"], [10, 20]))
    session.register_batch("dict_struct_nullable", pa.record_batch({"ds": sparse}))


_EQUIPMENT: dict[str, tuple[Callable[[SessionContext], None], ...]] = {
    "aggregate.slt": (_approx_distinct_union,),
    "arrow_field.slt": (_metadata,),
    "cte.slt": (_strict_orders,),
    "dictionary_struct.slt": (_dictionary_struct,),
    "information_schema_columns.slt": (_many_types,),
    "joins.slt": (_example, _partitions, _many_types),
    "map.slt": (_map,),
    "metadata.slt": (_metadata,),
    "union_function.slt": (_union,),
}
