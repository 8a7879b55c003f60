"""MERGE with deltalake's verbs, kept and replayed on a fresh snapshot for every attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deltalake import DeltaTable
from deltalake.table import TableMerger

from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.loop import Attempt, Done
from dfd_delta_policy.mutation import WRITER, on_handle
from dfd_delta_policy.outcome import Outcome
from dfd_delta_policy.source import Source


class MergeBuilder:
    """deltalake's `when_...` verbs; made by `GuardedTable.merge`."""

    def __init__(
        self,
        run: Callable[[Callable[[Attempt], Done], bool], Outcome],
        source: Source,
        predicate: str,
        source_alias: str | None,
        target_alias: str | None,
    ) -> None:
        self._run = run
        self._source = source
        self._predicate = predicate
        self._source_alias = source_alias
        self._target_alias = target_alias
        self._verbs: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _then(self, verb: str, *args: Any, **kwargs: Any) -> MergeBuilder:
        self._verbs.append((verb, args, kwargs))
        return self

    def when_matched_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of matched rows to SQL expressions."""
        return self._then("when_matched_update", dict(updates), predicate=predicate)

    def when_matched_update_all(
        self, predicate: str | None = None, except_cols: list[str] | None = None
    ) -> MergeBuilder:
        """Set all columns of matched rows to those of the source."""
        return self._then("when_matched_update_all", predicate=predicate, except_cols=except_cols)

    def when_matched_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete matched rows."""
        return self._then("when_matched_delete", predicate=predicate)

    def when_not_matched_insert(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match, with these columns."""
        return self._then("when_not_matched_insert", dict(updates), predicate=predicate)

    def when_not_matched_insert_all(
        self, predicate: str | None = None, except_cols: list[str] | None = None
    ) -> MergeBuilder:
        """Insert source rows without a match."""
        return self._then(
            "when_not_matched_insert_all", predicate=predicate, except_cols=except_cols
        )

    def when_not_matched_by_source_update(
        self, updates: Mapping[str, str], predicate: str | None = None
    ) -> MergeBuilder:
        """Set columns of target rows that the source lacks."""
        return self._then("when_not_matched_by_source_update", dict(updates), predicate=predicate)

    def when_not_matched_by_source_delete(self, predicate: str | None = None) -> MergeBuilder:
        """Delete target rows that the source lacks."""
        return self._then("when_not_matched_by_source_delete", predicate=predicate)

    def execute(self) -> Outcome:
        """Run the merge.

        Raises:
            InvalidOperation: it has no `when_...` verb.
        """
        if not self._verbs:
            raise InvalidOperation("The MERGE has no when_... verb.")
        removes_rows = any("insert" not in verb for verb, _, _ in self._verbs)
        with self._source:
            return self._run(self._attempt, removes_rows)

    def _attempt(self, attempt: Attempt) -> Done:
        def work(handle: DeltaTable) -> dict[str, Any]:
            merger: TableMerger = handle.merge(
                self._source.open(),
                self._predicate,
                source_alias=self._source_alias,
                target_alias=self._target_alias,
                writer_properties=WRITER,
                commit_properties=attempt.commit,
            )
            for verb, args, kwargs in self._verbs:
                merger = getattr(merger, verb)(*args, **kwargs)
            return merger.execute()

        return on_handle(attempt, work)
