"""The schema of one version of a table: which columns there are, and their names in queries, log and files."""

from __future__ import annotations

import json
import uuid
from typing import Any, NamedTuple

import pyarrow as pa
from columns import COLUMNS, SCHEMA
from layout import Layout

# Columns that have other names before the step "rename columns"; two of them swap theirs.
EARLIER_NAMES = {"s": "was_s", "d": "was_d", "r": "was_r", "n": "h", "h": "n"}


def first_schema(layout: Layout) -> TableSchema:
    return TableSchema(
        layout,
        is_mapped=layout.mapping in ("name", "id"),
        has_late="add columns" not in layout.steps,
        is_renamed=layout.mapping is None or "rename columns" not in layout.steps,
    )


class TableSchema(NamedTuple):
    """What the metadata of a version says."""

    layout: Layout
    is_mapped: bool
    has_late: bool
    is_renamed: bool

    def first(self) -> TableSchema:
        """The schema of the first commit."""
        return first_schema(self.layout)

    def columns(self) -> list[str]:
        return [name for name in SCHEMA.names if self.has_late or name not in self.layout.late]

    def fields_of(self, name: str) -> list[str]:
        """The fields of a struct."""
        inner = [field.name for field in SCHEMA.field(name).type]
        return [
            field for field in inner if self.has_late or f"{name}.{field}" not in self.layout.late
        ]

    def name(self, column: str) -> str:
        """As queries have it."""
        return column if self.is_renamed else EARLIER_NAMES.get(column, column)

    def physical(self, column: str, field: str | None = None) -> str:
        """As log and files have it."""
        if self.layout.mapping not in ("name", "id"):
            # Where a mapping came later, the names that columns had then.
            return field or self.first().name(column)
        name = f"col-{SCHEMA.names.index(column)}"
        return name if field is None else f"{name}-{field}"

    def number(self, column: str, field: str | None = None) -> int | None:
        """The id of a column, or of a field of it."""
        if not self.is_mapped:
            return None
        number = SCHEMA.names.index(column) + 1
        if field is None:
            return number
        return 100 * number + [inner.name for inner in SCHEMA.field(column).type].index(field)

    def exposed(self, rows: pa.Table) -> pa.Table:
        """The rows as a query has them."""
        columns = {name: rows[name] for name in self.columns()}
        for name, column in columns.items():
            if pa.types.is_struct(column.type):
                columns[name] = _with_fields(column.combine_chunks(), self.fields_of(name))
        return pa.table(list(columns.values()), [self.name(name) for name in columns])

    def metadata(self) -> dict[str, Any]:
        """The action of the log."""
        layout = self.layout
        configuration = {}
        if self.is_mapped:
            mode = "name" if layout.mapping == "upgraded" else str(layout.mapping)
            configuration = {
                "delta.columnMapping.mode": mode,
                "delta.columnMapping.maxColumnId": "10000",
            }
        schema = {"type": "struct", "fields": [self._field(name) for name in self.columns()]}
        return {
            "metaData": {
                "id": str(uuid.UUID(int=layout.seed)),
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps(schema),
                "partitionColumns": [self.name(name) for name in layout.partition_by],
                "configuration": configuration,
                "createdTime": 0,
            }
        }

    def _field(self, name: str) -> dict[str, Any]:
        kind = "long" if name == "id" else COLUMNS[name].delta
        if pa.types.is_struct(SCHEMA.field(name).type):
            kinds = {field["name"]: field["type"] for field in kind["fields"]}
            inner = [
                self._described(field, kinds[field], name, field) for field in self.fields_of(name)
            ]
            kind = {"type": "struct", "fields": inner}
        return self._described(self.name(name), kind, name)

    def _described(
        self, shown: str, kind: Any, column: str, field: str | None = None
    ) -> dict[str, Any]:
        metadata = {}
        if self.is_mapped:
            metadata = {
                "delta.columnMapping.id": self.number(column, field),
                "delta.columnMapping.physicalName": self.physical(column, field),
            }
        return {"name": shown, "type": kind, "nullable": True, "metadata": metadata}


def _with_fields(structs: pa.StructArray, names: list[str]) -> pa.StructArray:
    fields = [structs.type.field(name) for name in names]
    arrays = [structs.field(name) for name in names]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=structs.is_null())
