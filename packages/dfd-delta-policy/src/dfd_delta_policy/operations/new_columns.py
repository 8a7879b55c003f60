"""Checks of new columns, before a table gets them.

A column without nulls over rows that lack it breaks the table for those who read it next; deltalake takes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.schema import StructType

from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.faults import refuse_void

# Generation expressions and ids of columns, and defaults as Delta and Spark keep them: each asks for a feature.
_OF_DELTA = ("delta.", "CURRENT_DEFAULT", "EXISTS_DEFAULT")


def new_fields(fields: Any) -> list[Field]:
    """Columns as deltalake has them, from its own fields, pyarrow's, or a schema of either.

    Raises:
        InvalidOperation: none is given, one takes no nulls, which the rows that are there have, or one has
            no type.
    """
    given = [fields] if isinstance(fields, (Field, pa.Field)) else _listed(fields)
    found: list[Field] = []
    for field in given:
        if isinstance(field, pa.Field):
            found += Schema.from_arrow(pa.schema([field])).fields
        elif isinstance(field, Field):
            found.append(field)
        else:
            raise InvalidOperation(
                f"A new column is a field of deltalake or pyarrow, not {type(field).__name__}."
            )
    if not found:
        raise InvalidOperation("`fields` names no column.")
    refuse_void(found)
    for field in found:
        if path := _not_null(field):
            raise InvalidOperation(
                f"Column {path} would take no nulls, and the rows that are there have none but nulls."
            )
        if own := [key for key in field.metadata if key.startswith(_OF_DELTA)]:
            raise InvalidOperation(
                f"Column {field.name} has {own[0]}, which a new column can't have. Nothing was changed."
            )
    return found


def _not_null(field: Field) -> str | None:
    """The field that takes no nulls in a row without the column."""
    if not field.nullable:
        return field.name
    if isinstance(field.type, StructType):
        inside = next(filter(None, map(_not_null, field.type.fields)), None)
        return inside and f"{field.name}.{inside}"
    return None


def _listed(fields: Any) -> Iterable[Any]:
    if isinstance(fields, Schema):
        return fields.fields
    if isinstance(fields, Iterable) and not isinstance(fields, (str, bytes)):
        return fields
    raise InvalidOperation(f"`fields` are fields or a schema, not {type(fields).__name__}.")


def missing_fields(table: DeltaTable, fields: Iterable[Field]) -> list[Field]:
    """The columns among `fields` that the table lacks.

    Raises:
        InvalidOperation: the table has one under another type, or in other case.
    """
    there = {field.name.lower(): field for field in table.schema().fields}
    missing = []
    for field in fields:
        found = there.setdefault(field.name.lower(), field)
        if found is field:
            missing.append(field)
        elif found.name != field.name or found.type != field.type:
            raise InvalidOperation(f"The table has column {found.name} of type {found.type}.")
    return missing


def refuse_mapped_columns(table: DeltaTable) -> None:
    """Refuse a table whose new columns would need names in files, which deltalake doesn't give them.

    Raises:
        UnsupportedTable: its columns are mapped.
    """
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise UnsupportedTable(
            "The table has column mapping, where deltalake can't add columns: pip install dfd-native. "
            "Nothing was changed."
        )
