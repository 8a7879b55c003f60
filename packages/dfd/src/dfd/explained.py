"""Plans that are shown, and must not be made: of a table in memory, rows change while the physical plan is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from datafusion.expr import Analyze, CopyTo, DmlStatement, Explain

if TYPE_CHECKING:
    from datafusion.plan import LogicalPlan

# Rows are put in when the plan runs, as everything else is done.
_INSERTS = {"Insert Into", "Insert Overwrite", "Replace Into"}


def changes_rows(plan: LogicalPlan) -> bool:
    """Whether to make the physical plan may be to change rows: it is DELETE, UPDATE, MERGE or TRUNCATE."""
    statement = plan.to_variant()
    return isinstance(statement, DmlStatement) and not _is_insert(statement)


def _is_insert(statement: DmlStatement) -> bool:
    try:
        return statement.op().name() in _INSERTS
    except Exception:  # noqa: BLE001  datafusion has no name for MERGE.
        return False


def explained_change(plan: LogicalPlan) -> LogicalPlan | None:
    """The statement that an EXPLAIN is about, if it is one that changes rows; None of everything else."""
    if not isinstance(plan.to_variant(), Explain):
        return None
    (statement,) = plan.inputs()
    return statement if changes_rows(statement) else None


def is_logical_alone(plan: LogicalPlan) -> bool:
    """Whether no physical plan may be made of it to show it: it changes rows, or explains what does."""
    is_about = isinstance(plan.to_variant(), (Analyze, Explain))
    return any(map(changes_rows, plan.inputs() if is_about else [plan]))


def writes_files(plan: LogicalPlan) -> bool:
    """Whether it is an INSERT or COPY that runs, by itself or under EXPLAIN ANALYZE."""
    statement = plan.to_variant()
    if isinstance(statement, Analyze):
        return any(map(writes_files, plan.inputs()))
    return isinstance(statement, (CopyTo, DmlStatement))


def explanation(statement: LogicalPlan, schema: pa.Schema) -> pa.RecordBatch:
    """The rows of an EXPLAIN that shows the logical plan alone."""
    rows = [["logical_plan"], [statement.display_indent()]]
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(rows, schema, strict=True)],
        schema=schema,
    )
