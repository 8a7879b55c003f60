"""Texts of deltalake and what they mean; provoked for real, so that a change is noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from dfd_delta_policy import Action, Conflict, classify

PREFIX = "Failed to commit transaction: "
GOLDEN = [
    (
        PREFIX + "Commit failed: a concurrent transactions added new data.\nHelp: ...",
        "ConcurrentAppendException",
        Action.REPLAN,
        Action.REPLAN,
    ),
    (
        PREFIX + "Commit failed: a concurrent transaction deleted data this operation read.",
        "ConcurrentDeleteReadException",
        Action.REPLAN,
        Action.RECOMMIT,
    ),
    (
        PREFIX
        + "Commit failed: a concurrent transaction deleted the same data your transaction deletes.",
        "ConcurrentDeleteDeleteException",
        Action.REPLAN,
        Action.REPLAN,
    ),
    (
        PREFIX + "Metadata changed since last commit.",
        "MetadataChangedException",
        Action.ABORT,
        Action.ABORT,
    ),
    (
        PREFIX + "Protocol changed since last commit: reader 3",
        "ProtocolChangedException",
        Action.ABORT,
        Action.ABORT,
    ),
    (
        PREFIX + "Concurrent transaction failed.",
        "ConcurrentTransactionException",
        Action.VERIFY,
        Action.VERIFY,
    ),
    (PREFIX + "15", "ConcurrentWriteException", Action.REPLAN, Action.RECOMMIT),
    (PREFIX + "0", "ConcurrentWriteException", Action.REPLAN, Action.RECOMMIT),
    (
        "The transaction includes Remove action with data change but Delta table is append-only",
        "DeltaUnsupportedOperationException",
        Action.ABORT,
        Action.ABORT,
    ),
    (
        PREFIX + "Transaction failed: No space left on device (os error 28)",
        "CommitFailedException",
        Action.ABORT,
        Action.ABORT,
    ),
    (
        PREFIX + "Transaction failed: error sending request",
        "CommitFailedException",
        Action.VERIFY,
        Action.VERIFY,
    ),
]


@pytest.mark.parametrize(("text", "name", "update", "append"), GOLDEN)
def test_golden_texts(text: str, name: str, update: Action, append: Action) -> None:
    verdict = classify(CommitFailedError(text), "update")
    assert (verdict.spark_name, verdict.action) == (name, update)
    assert classify(CommitFailedError(text), "append").action is append
    assert verdict.reason


@pytest.mark.parametrize(
    "error", [OSError("connection reset"), DeltaError("?"), RuntimeError(""), ValueError("12")]
)
def test_whatever_is_unknown_is_looked_up_first(error: Exception) -> None:
    verdict = classify(error, "merge")
    assert (verdict.conflict, verdict.action) == (Conflict.COMMIT_FAILED, Action.VERIFY)


ONCE = CommitProperties(max_commit_retries=0)
DATA = pa.table({"id": [0, 1, 2, 3]})


def raced(
    path: Path, first: Callable[[DeltaTable], object], then: Callable[[DeltaTable], object]
) -> str:
    """The text with which `then`, on the older snapshot, is refused after `first`."""
    for part in (DATA.slice(0, 2), DATA.slice(2)):
        write_deltalake(path, part, mode="append")
    stale = DeltaTable(path)
    first(DeltaTable(path))
    with pytest.raises(DeltaError) as caught:
        then(stale)
    return str(caught.value)


@pytest.mark.parametrize(
    ("first", "then", "conflict"),
    [
        pytest.param(
            lambda t: t.delete(),
            lambda t: t.update({"id": "id + 1"}),
            Conflict.CONCURRENT_DELETE_READ,
            id="delete-update",
        ),
        pytest.param(
            lambda t: write_deltalake(t, DATA, mode="append"),
            lambda t: t.update({"id": "id + 1"}),
            Conflict.CONCURRENT_APPEND,
            id="append-update",
        ),
        pytest.param(
            lambda t: t.alter.set_table_properties(
                {"delta.logRetentionDuration": "interval 9 days"}
            ),
            lambda t: t.delete("id = 2"),
            Conflict.METADATA_CHANGED,
            id="property-delete",
        ),
        pytest.param(
            lambda t: t.alter.add_constraint({"positive": "id >= 0"}),
            lambda t: t.delete("id = 2"),
            Conflict.PROTOCOL_CHANGED,
            id="constraint-delete",
        ),
        pytest.param(
            lambda t: write_deltalake(
                t,
                DATA,
                mode="append",
                commit_properties=CommitProperties(app_transactions=[Transaction("a", 1)]),
            ),
            lambda t: write_deltalake(
                t,
                DATA,
                mode="append",
                commit_properties=CommitProperties(app_transactions=[Transaction("a", 2)]),
            ),
            Conflict.CONCURRENT_TRANSACTION,
            id="same-app-id",
        ),
        pytest.param(
            lambda t: write_deltalake(t, DATA, mode="append"),
            lambda t: write_deltalake(t, DATA, mode="append", commit_properties=ONCE),
            Conflict.CONCURRENT_WRITE,
            id="append-append-without-retries",
        ),
    ],
)
def test_deltalake_still_says_so(
    tmp_path: Path,
    first: Callable[[DeltaTable], object],
    then: Callable[[DeltaTable], object],
    conflict: Conflict,
) -> None:
    text = raced(tmp_path / "t", first, then)
    assert classify(CommitFailedError(text), "update").conflict is conflict, text


def test_deltalake_still_says_append_only(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "t", DATA, configuration={"delta.appendOnly": "true"})
    with pytest.raises(DeltaError) as caught:
        DeltaTable(tmp_path / "t").delete()
    assert classify(caught.value, "delete").conflict is Conflict.APPEND_ONLY
