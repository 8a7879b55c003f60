"""What an operation stands on beside the rows: protocol, schema, partitioning and properties."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from dfd_delta_policy.conflict import Conflict
from dfd_delta_policy.errors import UnsupportedTable

# What deltalake leaves as it is in the path of an action (its `serde_path`).
_LITERAL = "/!$&'()+,;=:@~"
_ODD = r"[^A-Za-z0-9/!$&'()+,;=:@~_.\-]"


class Rules(NamedTuple):
    """The rules of one version of a table."""

    table: str
    protocol: tuple[int, int, frozenset[str], frozenset[str]]
    schema: Any
    partition_by: list[str]
    properties: Mapping[str, Any]

    @classmethod
    def of(cls, table: DeltaTable) -> Rules:
        """The rules of the version that a handle stands on."""
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

    def change(self, now: Rules) -> tuple[Conflict, str] | None:
        """What another commit changed, as a conflict and in words; None where nothing."""
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

    def broken_by(self, now: Rules) -> str | None:
        """Why what was asked of the table may mean something else now; None where it can't.

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
        return is_supported and self.properties.get("delta.appendOnly") == "true"


def _identity(field: Mapping[str, Any]) -> tuple[Any, Any]:
    """The type of a column, and what tells it from another of its name (column mapping)."""
    return field["type"], field["metadata"].get("delta.columnMapping.id")


def refuse_odd_paths(table: DeltaTable) -> None:
    """Refuse an operation by which deltalake may remove files: it can't under odd names.

    deltalake encodes the path of a remove its own way, and log replay compares paths as they
    stand: the remove of `y=ä/...`, as Spark writes it, would name `y=%C3%A4/...`.

    Raises:
        UnsupportedTable: the table has such a file.
    """
    paths = pa.array(pa.table(table.get_add_actions())["path"]).cast(pa.string())
    for path in paths.filter(pc.match_substring_regex(paths, _ODD)).to_pylist():
        if quote(unquote_to_bytes(path), safe=_LITERAL) != path:
            raise UnsupportedTable(
                f"deltalake can't remove the file {path}: its removal would name it otherwise, and "
                "its rows would stay. Nothing was committed. Delta-Spark can change this table."
            )


def refuse_binary_partitions(fields: Iterable[Field], partition_by: Sequence[str]) -> None:
    """Refuse to let deltalake write to a table that is partitioned by binary values.

    It writes the value `a` as the six bytes of its escape, `\\u0061`.

    Raises:
        UnsupportedTable: the table is, or would be, partitioned so.
    """
    for field in fields:
        if field.name in partition_by and field.type == PrimitiveType("binary"):
            raise UnsupportedTable(
                f"deltalake can't write to the table, whose partition column {field.name} is binary: it would "
                "write other values. Nothing was committed. Appends and full overwrites through dfd-native can."
            )
