"""A table's metadata at one version, and what a change of it means to an operation at work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from deltalake import DeltaTable

from dfd_delta_policy.conflict import Conflict
from dfd_delta_policy.properties import TableProperties


class TableMetadata(NamedTuple):
    """Protocol, schema, partitioning and properties of one version of a table."""

    table: str
    protocol: tuple[int, int, frozenset[str], frozenset[str]]
    schema: Any
    partition_by: list[str]
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, table: DeltaTable) -> TableMetadata:
        """The metadata of the version that a handle stands on."""
        metadata, protocol = table.metadata(), table.protocol()
        return cls(
            str(metadata.id),
            (
                protocol.min_reader_version,
                protocol.min_writer_version,
                frozenset(protocol.reader_features or ()),
                frozenset(protocol.writer_features or ()),
            ),
            json.loads(table.schema().to_json()),
            metadata.partition_columns,
            metadata.configuration,
        )

    def change(self, now: TableMetadata) -> tuple[Conflict, str] | None:
        """The change that another commit made, as a conflict and in words; None where nothing."""
        if self.table != now.table:
            return Conflict.METADATA_CHANGED, "another process made the table anew"
        if self.protocol != now.protocol:
            return Conflict.PROTOCOL_CHANGED, "another commit changed the table's protocol"
        if self.schema != now.schema:
            return Conflict.METADATA_CHANGED, "another commit changed the table's schema"
        if self.partition_by != now.partition_by:
            return Conflict.METADATA_CHANGED, "another commit changed the table's partitioning"
        changed = {
            key
            for key in {*self.properties, *now.properties}
            if self.properties.get(key) != now.properties.get(key)
        }
        if changed:
            return Conflict.METADATA_CHANGED, f"another commit changed {', '.join(sorted(changed))}"
        return None

    def broken_by(self, now: TableMetadata) -> str | None:
        """The reason why an operation may mean something else under `now`; None where it can't.

        New columns, looser columns, constraints, features and other properties are no reason: whoever
        plans again plans under them.
        """
        if self.table != now.table:
            return "another process made the table anew"
        if self.partition_by != now.partition_by:
            return "the table is partitioned otherwise"
        fields = {field["name"]: field for field in now.schema["fields"]}
        for field in self.schema["fields"]:
            found = fields.get(field["name"])
            if found is None:
                return f"column {field['name']} is gone"
            if _identity(field) != _identity(found):
                return f"column {field['name']} is another"
            if field["nullable"] and not found["nullable"]:
                return f"column {field['name']} takes no nulls any more"
        return None

    @property
    def takes_appends_only(self) -> bool:
        """Whether the protocol forbids to remove rows (`delta.appendOnly`)."""
        _, writer, _, features = self.protocol
        is_supported = writer < 7 or "appendOnly" in features
        return is_supported and TableProperties(self.properties).appends_only


def _identity(field: Mapping[str, Any]) -> tuple[Any, Any]:
    """The type of a column, and what tells it from another of its name (column mapping)."""
    return field["type"], field["metadata"].get("delta.columnMapping.id")
