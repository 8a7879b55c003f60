"""The running of operations on one table: observed, through the commit loop, what a store refuses said as such."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from dfd_storage import StorageProfile

from dfd_delta_policy.backend.protocol import installed
from dfd_delta_policy.backend.pyarrow import PlainTables
from dfd_delta_policy.commit.committer import Committer, NativeCommitter, PlainCommitter
from dfd_delta_policy.commit.handles import Handles
from dfd_delta_policy.commit.loop import CommitLoop
from dfd_delta_policy.commit.operation import Attempt, Done, Operation
from dfd_delta_policy.errors import DeltaPolicyError
from dfd_delta_policy.operations.creation import Creation
from dfd_delta_policy.operations.deltalake_handle import writing_files
from dfd_delta_policy.operations.optimize import Optimize
from dfd_delta_policy.operations.staged_changes import StagedChange
from dfd_delta_policy.operations.staged_writes import StagedWrite
from dfd_delta_policy.outcome import Outcome
from dfd_delta_policy.policy import OperationName

Observe = Callable[[str, str], AbstractContextManager[Callable[[Outcome], None]]]


class OperationRunner:
    """What all operations of a `GuardedTable` share."""

    _loop: CommitLoop

    def __init__(
        self,
        uri: str,
        profile: StorageProfile,
        commit_metadata: Callable[[], Mapping[str, str]] | None,
        observe: Observe | None,
    ) -> None:
        profile.to_deltalake_options()  # refused here, and not in the first operation
        self.uri = uri
        self._profile = profile
        self._commit_metadata = commit_metadata
        self._observe = observe or _unobserved
        self._native = installed()
        self._handles = Handles(uri, profile.to_deltalake_options)

    def _committer(self) -> Committer:
        if self._native is None:
            return PlainCommitter(PlainTables(), self.uri, self._profile, self._handles.open)
        return NativeCommitter(self._native, self.uri, self._profile, self._handles.open)

    def _run_staged(
        self,
        name: OperationName,
        work: StagedWrite | Creation | StagedChange | Optimize,
        **more: Any,
    ) -> Outcome:
        """Run an operation whose files are written once, and leave none that isn't in the log."""
        return self._run(
            name,
            work.commit,
            stage=work.stage,
            metrics=lambda: work.metrics,
            close=work.close,
            **more,
        )

    def _run_by_deltalake(
        self,
        name: OperationName,
        attempt: Callable[[Attempt], Done],
        *,
        removes_rows: bool,
        **more: Any,
    ) -> Outcome:
        """Run an operation in which deltalake writes data files."""
        checked = writing_files(attempt, removes_rows=removes_rows)
        return self._run(name, checked, removes_rows=removes_rows, **more)

    def _once(self, operation: OperationName) -> bool:
        """Whether there is one attempt only, so that a stream may go straight through."""
        return self._loop.target.policy.bounds_of(operation).attempts == 1

    def _run(
        self,
        name: OperationName,
        attempt: Callable[[Attempt], Done],
        *,
        removes_rows: bool,
        **more: Any,
    ) -> Outcome:
        """Run an operation; `more` are fields of `Operation`."""
        with self._observe(name, self.uri) as done, self._guarded():
            outcome = self._loop.run(
                Operation(
                    name=name,
                    operation_id=uuid.uuid4().hex,
                    removes_rows=removes_rows,
                    attempt=attempt,
                    metadata={} if self._commit_metadata is None else dict(self._commit_metadata()),
                    **more,
                )
            )
            done(outcome)
        return outcome

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Raise what a store refuses as `StorageFailure`."""
        with self._profile.failures(self.uri, "deltalake", passing=(DeltaPolicyError,)):
            yield


@contextlib.contextmanager
def _unobserved(name: str, uri: str) -> Iterator[Callable[[Outcome], None]]:
    yield lambda outcome: None
