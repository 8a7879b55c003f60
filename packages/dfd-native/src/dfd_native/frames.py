"""DataFrames of datafusion, read batch by batch.

Their own Arrow stream reads one partition after the other, so that a join whose partitions wait for one another
never gives a batch, and it has the types of the plan before coercion, so that doubles are read as
integers (`dfd_native.defects`). Here all partitions run at once, into one stream of the types that come.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from datafusion import DataFrame


def readable(data: Any) -> Any:
    """A lazy reader where `data` is a DataFrame of datafusion; `data` itself where it isn't."""
    if not _is_frame(data):
        return data
    import pyarrow as pa
    from datafusion import DataFrame

    # Some methods of datafusion 55 give what a DataFrame is made of, `select_exprs` for one.
    frame = data if isinstance(data, DataFrame) else DataFrame(data)
    schema = schema_of(frame)
    return pa.RecordBatchReader.from_batches(schema, _batches(frame, schema))


def schema_of(frame: DataFrame) -> pa.Schema:
    """Names and types of the rows that a DataFrame will give; every column may be null.

    The optimizer may gain or lose NOT NULL, so nothing is promised of it.
    """
    import pyarrow as pa
    from datafusion import SessionContext

    try:
        plan = frame.optimized_logical_plan()
    except Exception:  # noqa: BLE001 (whatever it is, the run fails of it too, and says so)
        found = frame.schema()
    else:
        # `DataFrame.schema()` is that of the plan before coercion: its types may be others.
        found = SessionContext.global_ctx().create_dataframe_from_logical_plan(plan).schema()
    return pa.schema([field.with_nullable(True) for field in found], found.metadata)


def under(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch under a schema of the same names and types, which may differ in NOT NULL and metadata."""
    import pyarrow as pa

    if batch.schema.equals(schema, check_metadata=True):
        return batch
    if batch.schema.types != schema.types:
        return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
    # pyarrow has no array for some types (intervals of months), so the columns stay untouched.
    _, data = batch.__arrow_c_array__()
    return pa.RecordBatch._import_from_c_capsule(schema.__arrow_c_schema__(), data)


def _is_frame(data: Any) -> bool:
    homes = {kind.__module__.partition(".")[0] for kind in type(data).__mro__}
    return "datafusion" in homes and hasattr(data, "execute_stream")


def _batches(frame: DataFrame, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in frame.execute_stream():
        yield under(schema, batch.to_pyarrow())
