"""The columns of a Delta table, as its own schema has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from deltalake import DeltaTable

if TYPE_CHECKING:
    from dfd.runtime import Runtime


class TableColumn(msgspec.Struct, frozen=True):
    """A column: its type as Spark's SQL writes it, whether it may be null, whether it partitions the table."""

    name: str
    type: str
    nullable: bool
    is_partition: bool
    comment: str | None


def columns_of(
    runtime: Runtime, uri: str, version: int | None = None, timestamp: datetime | None = None
) -> list[TableColumn]:
    """The columns of a version of the table at `uri`, or of that name; of the newest by default.

    Raises:
        deltalake.exceptions.DeltaError, QueryError: there is no such table or version.
    """
    table = runtime.table(uri)
    options = runtime.storage_options(table.uri)
    if timestamp is not None:
        version = runtime.version_at(table.uri, timestamp)
    handle = DeltaTable(table.uri, version=version, storage_options=options)
    partitions = set(handle.metadata().partition_columns)
    return [
        TableColumn(
            field["name"],
            type_text(field["type"]),
            field["nullable"],
            field["name"] in partitions,
            field["metadata"].get("comment"),
        )
        for field in json.loads(handle.schema().to_json())["fields"]
    ]


_NAMES = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}


def type_text(kind: str | Mapping[str, Any]) -> str:
    """A type of a Delta schema as Spark's SQL writes it, like `array<struct<n: int>>`."""
    if isinstance(kind, str):
        return _NAMES.get(kind, kind)
    if kind["type"] == "array":
        return f"array<{type_text(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"map<{type_text(kind['keyType'])}, {type_text(kind['valueType'])}>"
    fields = (f"{field['name']}: {type_text(field['type'])}" for field in kind["fields"])
    return f"struct<{', '.join(fields)}>"
