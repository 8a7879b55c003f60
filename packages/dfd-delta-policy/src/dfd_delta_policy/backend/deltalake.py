"""Tables to which deltalake would commit other paths or values, refused before it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from dfd_delta_policy.errors import UnsupportedTable

# What deltalake leaves as it is in the path of an action (its `serde_path`).
_LITERAL = "/!$&'()+,;=:@~"
_ODD = r"[^A-Za-z0-9/!$&'()+,;=:@~_.\-]"


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
