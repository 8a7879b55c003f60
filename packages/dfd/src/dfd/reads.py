"""The one place where the way to read a Delta table is chosen.

deltalake's own scan (`DeltaTable.scan`) is right on deletion vectors, column mapping
and remote stores; registering the `DeltaTable` in a session is not, and the pyarrow
dataset of deltalake returns nulls on column-mapped tables. So the scan's stream is what
enters the user's session, as a dataset that passes on projection and filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from dfd_delta_policy import plain_schema


class SnapshotDataset(ds.Dataset):  # type: ignore[misc]
    """One snapshot of a Delta table as a `pyarrow.dataset.Dataset`.

    Nothing is read until a scanner is consumed, and then batch by batch. Projection and
    filter are applied in the stream; columns that neither names are not read.
    """

    def __init__(self, table: DeltaTable) -> None:
        self._table = table
        self._schema = plain_schema(pa.schema(table.scan().schema))

    @property
    def schema(self) -> pa.Schema:
        """The table's schema, string and binary views as plain strings and binaries."""
        return self._schema

    def get_fragments(self, filter: Any = None) -> Iterator[ds.Fragment]:
        """The whole snapshot as one fragment."""
        return iter([_Fragment(self)])

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> Any:
        """A scanner without rows: the session asks it for the projected schema alone."""
        return ds.Scanner.from_batches([], schema=self._schema, columns=columns, filter=filter)

    def stream(self, columns: Sequence[str] | None, filter: Any) -> Any:
        """A scanner over the snapshot's rows."""
        needed = self._needed(columns, filter)
        schema = pa.schema([self._schema.field(name) for name in needed])
        reader = pa.RecordBatchReader.from_stream(self._table.scan(columns=needed))
        return ds.Scanner.from_batches(
            (batch.cast(schema) for batch in reader), schema=schema, columns=columns, filter=filter
        )

    def _needed(self, columns: Sequence[str] | None, filter: Any) -> list[str]:
        """The columns to read: projected, or named in the filter's text.

        A pyarrow expression doesn't tell its fields. A name found in its text is a superset
        of them as long as every name is a plain identifier; else all columns are read.
        """
        names = self._schema.names
        if columns is None or (filter is not None and not all(n.isidentifier() for n in names)):
            return list(names)
        text = "" if filter is None else str(filter)
        wanted = set(columns)
        # A scan of no columns would lose the number of rows.
        return [n for n in names if n in wanted or n in text] or names[:1]


class _Fragment(ds.Fragment):  # type: ignore[misc]
    def __init__(self, dataset: SnapshotDataset) -> None:
        self._dataset = dataset

    def scanner(
        self,
        schema: Any = None,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        **_: Any,
    ) -> Any:
        return self._dataset.stream(columns, filter)
