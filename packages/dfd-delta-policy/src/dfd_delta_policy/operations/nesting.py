"""The types within a schema, at any depth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
from deltalake import Field, Schema
from deltalake.schema import ArrayType, DataType, MapType, PrimitiveType, StructType


class Place(NamedTuple):
    """A type where it stands: `r.a`, `l.element`, `m.key`, `m.value`; whether it may be null there."""

    path: str
    kind: DataType
    nullable: bool


def places(fields: Iterable[Field]) -> Iterator[Place]:
    """Every type of these columns, each before what it is made of."""
    for field in fields:
        yield from _within(Place(field.name, field.type, field.nullable))


def _within(place: Place) -> Iterator[Place]:
    yield place
    path, kind, _ = place
    if isinstance(kind, StructType):
        for field in kind.fields:
            yield from _within(Place(f"{path}.{field.name}", field.type, field.nullable))
    elif isinstance(kind, ArrayType):
        yield from _within(Place(f"{path}.element", kind.element_type, kind.contains_null))
    elif isinstance(kind, MapType):
        yield from _within(Place(f"{path}.key", kind.key_type, False))
        yield from _within(Place(f"{path}.value", kind.value_type, kind.value_contains_null))


def is_one_of(kind: DataType, *names: str) -> bool:
    """Whether a type is primitive and has one of these names."""
    return isinstance(kind, PrimitiveType) and kind.type in names


def bare(fields: Iterable[Field]) -> list[Field]:
    """Columns of the same names and types, without metadata, that all take nulls."""
    return [Field(field.name, _bare(field.type), nullable=True) for field in fields]


def _bare(kind: DataType) -> DataType:
    if isinstance(kind, StructType):
        return StructType(bare(kind.fields))
    if isinstance(kind, ArrayType):
        return ArrayType(_bare(kind.element_type), contains_null=True)
    if isinstance(kind, MapType):
        return MapType(_bare(kind.key_type), _bare(kind.value_type), value_contains_null=True)
    return kind


def from_arrow(schema: pa.Schema) -> list[Field]:
    """An Arrow schema's columns as Delta has them; as text those of a type that Delta lacks."""
    return [_from_arrow(field) for field in schema]


def _from_arrow(field: pa.Field) -> Field:
    try:
        return Schema.from_arrow(pa.schema([field])).fields[0]
    except Exception:  # noqa: BLE001  deltalake raises nothing more precise
        return Field(field.name, PrimitiveType("string"), nullable=field.nullable)


def kept_fields(new: str, given: DataType, old: str, known: DataType) -> str:
    """SQL for the struct `new`, with those fields of the struct `old` that it lacks; null where `new` is null.

    Any other type, and a struct that lacks none, is `new` alone. In lists and maps no value says which one it takes
    the place of.
    """
    if not isinstance(given, StructType) or not isinstance(known, StructType):
        return new
    types = {field.name: field.type for field in given.fields}
    values: dict[str, str] = {}
    for field in known.fields:
        name, own = field.name, _field_of(old, field.name)
        if name in types:
            own = kept_fields(_field_of(new, name), types[name], own, field.type)
        values[name] = own
    for name in types:
        values.setdefault(name, _field_of(new, name))
    if all(value == _field_of(new, name) for name, value in values.items()):
        return new
    named = ", ".join(f"{_literal(name)}, {value}" for name, value in values.items())
    return f"case when {new} is null then null else named_struct({named}) end"


def _field_of(struct: str, name: str) -> str:
    return f"get_field({struct}, {_literal(name)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
