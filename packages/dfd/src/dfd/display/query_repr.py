"""What a query says of itself in a line, without a run."""

from __future__ import annotations

import pyarrow as pa

from dfd.display.cells import type_name
from dfd.display.printable import one_line

_TEXT_CHARACTERS, _COLUMNS = 100, 8


def query_repr(text: str, schema: pa.Schema, query_id: str | None) -> str:
    """Such as `<dfd.Query "select n from t" (n: int64), not run>`."""
    shown = one_line(text)
    if len(shown) > _TEXT_CHARACTERS:
        shown = shown[: _TEXT_CHARACTERS - 1] + "…"
    columns = [
        f"{one_line(name)}: {type_name(kind)}"
        for name, kind in zip(schema.names[:_COLUMNS], schema.types[:_COLUMNS], strict=True)
    ]
    if len(schema.names) > _COLUMNS:
        columns.append(f"{len(schema.names) - _COLUMNS} more")
    ran = "not run" if query_id is None else f"run {query_id}"
    return f'<dfd.Query "{shown}" ({", ".join(columns)}), {ran}>'
