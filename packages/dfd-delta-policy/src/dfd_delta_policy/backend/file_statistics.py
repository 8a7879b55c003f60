"""Statistics of a file that pyarrow wrote, as Delta's log has them."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_COLUMNS = 32


class FileStatistics:
    """File statistics as the protocol's JSON; of the first 32 columns that have an order."""

    def __init__(self, schema: pa.Schema) -> None:
        self._rows = 0
        self._nulls: dict[str, int] = {}
        self._least: dict[str, Any] = {}
        self._greatest: dict[str, Any] = {}
        self._columns = [f for f in schema if _is_ordered(f.type)][:_COLUMNS]

    def add(self, table: pa.Table) -> None:
        self._rows += table.num_rows
        for field in self._columns:
            name, column = field.name, table[field.name]
            self._nulls[name] = self._nulls.get(name, 0) + column.null_count
            if pa.types.is_floating(field.type) and pc.any(pc.is_nan(column)).as_py():
                # NaN has no place in JSON, nor in the order of the protocol.
                self._least[name] = self._greatest[name] = None
            bounds = pc.min_max(column).as_py()
            for kept, key, choose in (
                (self._least, "min", min),
                (self._greatest, "max", max),
            ):
                value = bounds[key]
                if value is None or (name in kept and kept[name] is None):
                    continue
                kept[name] = choose(kept[name], value) if name in kept else value

    def to_json(self) -> str:
        def bounds(values: dict[str, Any]) -> dict[str, Any]:
            return {name: _json_value(v) for name, v in values.items() if _has_bound(v)}

        return json.dumps(
            {
                "numRecords": self._rows,
                "minValues": bounds(self._least),
                "maxValues": bounds(self._greatest),
                "nullCount": self._nulls,
            }
        )


def _is_ordered(kind: pa.DataType) -> bool:
    # Text is left out: the protocol's truncation of long bounds isn't built yet.
    is_one_of = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_date,
        pa.types.is_timestamp,
    )
    return any(is_kind(kind) for is_kind in is_one_of)


def _has_bound(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc)
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return msgspec.json.decode(str(value))
    return value
