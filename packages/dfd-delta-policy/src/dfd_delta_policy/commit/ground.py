"""What an attempt stands on: a version of the table, its metadata, and the caller's transaction in it.

Every attempt stands on the metadata that the operation first saw, or under
`on_metadata_change="replan"` on metadata that keeps its meaning. A commit is strict, so that deltalake
never compares them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from deltalake import DeltaTable

from dfd_delta_policy.commit.metadata import TableMetadata
from dfd_delta_policy.commit.operation import Operation
from dfd_delta_policy.conflict import Conflict, ConflictFound


class Ground(NamedTuple):
    """The table's version (None: there is no table), and what holds there.

    - `txn_version`: of the caller's application transaction when the operation began.
    - `has_transaction`: that transaction was in the table before.
    """

    version: int | None = None
    metadata: TableMetadata | None = None
    txn_version: int | None = None
    has_transaction: bool = False


def ground_on(
    table: DeltaTable | None,
    operation: Operation,
    before: Ground | None,
    fatal: Collection[Conflict],
) -> Ground:
    """The ground of the next attempt; `before` is that of the one before (None: this is the first).

    Raises:
        ConflictFound: the metadata is another, or another writer uses the transaction's id.
    """
    if table is None:
        return Ground() if before is None else before._replace(version=None)
    stored = None
    if operation.transaction is not None:
        app_id, app_version = operation.transaction
        stored = table.transaction_version(app_id)
        if before is not None and stored != before.txn_version:
            raise ConflictFound(
                Conflict.CONCURRENT_TRANSACTION,
                f"another writer committed version {stored} of application id {app_id!r} meanwhile",
                "One writer at a time may use an application id. If the other was a restart of this "
                "one, send it again: what landed is answered as already committed.",
            )
        if before is None and stored is not None and stored >= app_version:
            return Ground(table.version(), txn_version=stored, has_transaction=True)
    metadata = TableMetadata.of(table)
    if before is not None and before.metadata is not None:
        _refuse_change(before.metadata, metadata, fatal)
    if operation.removes_rows and metadata.takes_appends_only:
        raise ConflictFound(
            Conflict.APPEND_ONLY,
            "the table takes appends only (delta.appendOnly)",
            "Append instead, or unset the property.",
        )
    return Ground(table.version(), metadata, stored)


def _refuse_change(before: TableMetadata, now: TableMetadata, fatal: Collection[Conflict]) -> None:
    change = before.change(now)
    if change is None:
        return
    conflict, reason = change
    if conflict in fatal:
        advice = "Run it again: it is then worked out under the table's rules of today."
        raise ConflictFound(conflict, reason, advice)
    broken = before.broken_by(now)
    if broken is not None:
        raise ConflictFound(conflict, reason, f"It can't be worked out again: {broken}.")
