"""Checks of new columns, before deltalake changes a table by them.

deltalake takes a column without nulls over rows that lack it, which breaks the table for those who read
it next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema

from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.faults import refuse_void


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
        if not field.nullable:
            raise InvalidOperation(
                f"Column {field.name} would take no nulls, and the rows that are there have none but nulls."
            )
    return found


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
        UnsupportedTable: its columns are mapped: deltalake gives new ones no physical name.
    """
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise UnsupportedTable(
            "The table has column mapping, where deltalake can't add columns. Nothing was changed."
        )
    there = {field.name.lower(): field for field in table.schema().fields}
    missing = []
    for field in fields:
        found = there.setdefault(field.name.lower(), field)
        if found is field:
            missing.append(field)
        elif found.name != field.name or found.type != field.type:
            raise InvalidOperation(f"The table has column {found.name} of type {found.type}.")
    return missing
