"""Whether two results are the same: names, types and rows.

Rows are compared as sets with repetition, and by the columns of the outermost ORDER BY in order as well. Values are
compared exactly: a float by its shortest text (so 0.0 is not -0.0), except that all NaN are one; a time by the
integer that Arrow stores. What may be null and metadata may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds
from datafusion import DataFrame, SessionContext
from datafusion.expr import Limit, Projection, Sort


@dataclass(frozen=True)
class Result:
    """The rows of a query and the columns they have."""

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]

    def columns(self) -> list[tuple[str, str]]:
        """Names and types, without what may be null and metadata."""
        return [(field.name, type_text(field.type)) for field in self.schema]

    def metadata(self) -> list[dict[bytes, bytes]]:
        """What the columns and the schema carry beside names and types."""
        return [*(field.metadata or {} for field in self.schema), self.schema.metadata or {}]

    def rows(self) -> list[tuple[Any, ...]]:
        """Every row as a tuple of comparable values."""
        found: list[tuple[Any, ...]] = []
        for batch in self.batches:
            if batch.num_columns:
                found.extend(values(_readable(batch.to_struct_array())))
            else:
                found.extend([()] * batch.num_rows)
        return found


def plain_result(session: SessionContext, dataframe: DataFrame) -> Result:
    """The rows of a DataFrame, and its columns also where it has no rows."""
    batches = [pa.record_batch(batch) for batch in dataframe.collect()]
    if batches:
        return Result(batches[0].schema, batches)
    # The DataFrame's own schema is that before coercion.
    plan = dataframe.optimized_logical_plan()
    return Result(session.create_dataframe_from_logical_plan(plan).schema(), [])


def difference(
    ours: Result, theirs: Result, order: Sequence[int] = (), lists_in_any_order: bool = False
) -> str | None:
    """What differs between two results, or None; `order` numbers the columns they are sorted by."""
    if ours.columns() != theirs.columns():
        return f"columns: {ours.columns()} and {theirs.columns()}"
    return row_difference(ours, theirs, order, lists_in_any_order)


def row_difference(
    ours: Result,
    theirs: Result,
    order: Sequence[int] = (),
    lists_in_any_order: bool = False,
    rounds: bool = False,
) -> str | None:
    """As `difference`, of the rows alone; `rounds` keeps 12 digits of floats, which don't tell how they were added."""
    mine, yours = ours.rows(), theirs.rows()
    if rounds:
        mine, yours = list(map(_rounded, mine)), list(map(_rounded, yours))
    if lists_in_any_order:
        mine, yours = list(map(_with_sorted_lists, mine)), list(map(_with_sorted_lists, yours))
    if len(mine) != len(yours):
        return f"{len(mine)} and {len(yours)} rows"
    for left, right in zip(sorted(mine, key=repr), sorted(yours, key=repr), strict=True):
        if left != right:
            return f"rows: {left!r} and {right!r}"
    for number, (left, right) in enumerate(zip(mine, yours, strict=True)):
        if [left[column] for column in order] != [right[column] for column in order]:
            return f"order: row {number} is {left!r} and {right!r}"
    return None


def sort_columns(dataframe: DataFrame) -> list[int]:
    """Numbers of the result's columns that the outermost ORDER BY sorts by, up to the first other expression."""
    plan = dataframe.logical_plan()
    while isinstance(plan.to_variant(), Limit):
        plan = plan.inputs()[0]
    sort = plan.to_variant()
    if not isinstance(sort, Sort):
        return []
    names = dataframe.schema().names
    found = []
    for key in sort.sort_exprs():
        expression = key.expr()
        # `to_variant` knows few kinds of expression, and raises for the others.
        if expression.variant_name() != "Column":
            break
        name = expression.to_variant().name()
        if names.count(name) != 1:
            break
        found.append(names.index(name))
    return found


def is_sorted(dataframe: DataFrame) -> bool:
    """Whether an ORDER BY is the outermost of the query, also by what isn't in its result."""
    plan = dataframe.logical_plan()
    while isinstance(plan.to_variant(), (Limit, Projection)):
        plan = plan.inputs()[0]
    return isinstance(plan.to_variant(), Sort)


def type_text(kind: pa.DataType) -> str:
    """A type as text, without what may be null and without metadata."""
    if kinds.is_struct(kind) or kinds.is_union(kind):
        fields = (kind.field(i) for i in range(kind.num_fields))
        inner = ", ".join(f"{field.name}: {type_text(field.type)}" for field in fields)
        return f"{kind.__class__.__name__}<{inner}>"
    if kinds.is_map(kind):
        return f"map<{type_text(kind.key_type)}, {type_text(kind.item_type)}>"
    if kinds.is_fixed_size_list(kind):
        return f"fixed_size_list<{type_text(kind.value_type)}, {kind.list_size}>"
    if kinds.is_nested(kind) and hasattr(kind, "value_type"):
        return f"{kind.__class__.__name__}<{type_text(kind.value_type)}>"
    if kinds.is_dictionary(kind):
        return f"dictionary<{kind.index_type}, {type_text(kind.value_type)}>"
    if kinds.is_run_end_encoded(kind):
        return f"run_end_encoded<{kind.run_end_type}, {type_text(kind.value_type)}>"
    return str(kind)


def values(array: pa.Array) -> list[Any]:
    """The values of an array such that `==` and `repr` tell exactly the values apart that are others."""
    kind = array.type
    if kinds.is_dictionary(kind):
        return _taken(values(array.dictionary), values(array.indices))
    if kinds.is_struct(kind):
        fields = [array.field(i) for i in range(kind.num_fields)]
        inner = list(zip(*map(values, fields), strict=True)) if fields else [()] * len(array)
        return _masked(array, inner)
    if kinds.is_map(kind):
        entries = list(zip(values(array.keys), values(array.items), strict=True))
        return _sliced(array, entries, array.offsets)
    if kinds.is_fixed_size_list(kind):
        inner, size = values(array.values), kind.list_size
        start = array.offset
        lists = [inner[i * size : (i + 1) * size] for i in range(start, start + len(array))]
        return _masked(array, lists)
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return _sliced(array, values(array.values), array.offsets)
    stored = _STORED.get(kind.id)
    if stored is not None:
        return array.view(stored(kind)).to_pylist()
    if kinds.is_floating(kind):
        return [None if value is None else _float(value) for value in array.to_pylist()]
    return array.to_pylist()


def _readable(array: pa.Array) -> pa.Array:
    """Intervals that pyarrow has no class for as the integers they are."""
    kind = _without_intervals(array.type)
    return array if kind == array.type else array.view(kind)


def _without_intervals(kind: pa.DataType) -> pa.DataType:
    if kinds.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([field.with_type(_without_intervals(field.type)) for field in fields])
    if kinds.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_intervals(kind.value_type)))
    return {"month_interval": pa.int32(), "day_time_interval": pa.int64()}.get(str(kind), kind)


def _with_sorted_lists(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(map(_with_sorted_lists, value), key=repr)
    return tuple(map(_with_sorted_lists, value)) if type(value) is tuple else value


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_rounded, value))
    if type(value) is tuple:
        return tuple(map(_rounded, value))
    return value.rounded if isinstance(value, _Float) else value


class _Float(str):
    """The shortest text of a float."""

    @property
    def rounded(self) -> str:
        value = float(self)
        return "0" if abs(value) < 1e-12 else f"{value:.12g}"


def _float(value: Any) -> str:
    return _Float(repr(float(value)))


def _taken(inner: list[Any], indices: list[int | None]) -> list[Any]:
    return [None if index is None else inner[index] for index in indices]


def _masked(array: pa.Array, inner: list[Any]) -> list[Any]:
    valid = array.is_valid().to_pylist()
    return [value if is_valid else None for value, is_valid in zip(inner, valid, strict=True)]


def _sliced(array: pa.Array, inner: list[Any], offsets: pa.Array) -> list[Any]:
    ends = offsets.to_pylist()
    lists = [inner[ends[i] : ends[i + 1]] for i in range(len(array))]
    return _masked(array, lists)


def _int32(_: pa.DataType) -> pa.DataType:
    return pa.int32()


def _int64(_: pa.DataType) -> pa.DataType:
    return pa.int64()


def _bytes(kind: pa.DataType) -> pa.DataType:
    return pa.binary(kind.byte_width)


# What Python's own types may not hold, times and decimals, as the integers they are.
_STORED: dict[int, Callable[[pa.DataType], pa.DataType]] = {
    pa.date32().id: _int32,
    pa.date64().id: _int64,
    pa.time32("s").id: _int32,
    pa.time64("us").id: _int64,
    pa.timestamp("us").id: _int64,
    pa.duration("us").id: _int64,
    pa.decimal128(1).id: _bytes,
    pa.decimal256(1).id: _bytes,
}
