"""The head of a report: what it is opened for, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dfd_obs.record import OperationRecord, QueryRecord

_MOST_TABLES = 5


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """How many queries and operations there were, what became of them, and the newest versions of tables.

    `retried`: operations that took more than one attempt to commit.
    """

    queries: int
    queries_failed: int
    queries_slow: int
    queries_abandoned: int
    operations: int
    operations_failed: int
    operations_retried: int
    newest_versions: dict[str, int]

    @classmethod
    def of(
        cls,
        queries: Iterable[QueryRecord],
        operations: Iterable[OperationRecord],
        tables: Iterable[Mapping[str, Any]],
    ) -> Headline:
        """The head of a report of these."""
        asked, done = list(queries), list(operations)
        return cls(
            queries=len(asked),
            queries_failed=sum(one.status == "error" for one in asked),
            queries_slow=sum(one.slow for one in asked),
            queries_abandoned=sum(one.status == "abandoned" for one in asked),
            operations=len(done),
            operations_failed=sum(one.status == "error" for one in done),
            operations_retried=sum(attempts_of(one) > 1 for one in done),
            newest_versions=_newest(done, tables),
        )

    def __str__(self) -> str:
        asked = _told(
            self.queries,
            ("query", "queries"),
            {
                "failed": self.queries_failed,
                "slow": self.queries_slow,
                "abandoned": self.queries_abandoned,
            },
        )
        done = _told(
            self.operations,
            ("write", "writes"),
            {"failed": self.operations_failed, "retried": self.operations_retried},
        )
        return "; ".join(filter(None, (asked, done, self.versions)))

    @property
    def versions(self) -> str:
        """The newest versions, of the first tables by their names."""
        if not self.newest_versions:
            return ""
        shown = list(self.newest_versions.items())[:_MOST_TABLES]
        left = len(self.newest_versions) - len(shown)
        told = ", ".join(f"{name} at version {version}" for name, version in shown)
        return f"{told} and {left} more" if left else told


def attempts_of(record: OperationRecord) -> int:
    """How often an operation tried to commit; 0 where that isn't known."""
    found = record.details.get("attempts")
    return found if isinstance(found, int) else 0


def _newest(
    operations: Iterable[OperationRecord], tables: Iterable[Mapping[str, Any]]
) -> dict[str, int]:
    """The newest version that is known of each table, under its name or the end of its location."""
    names: dict[str, str] = {}
    newest: dict[str, int] = {}
    for table in tables:
        if not table.get("pinned"):
            uri = str(table.get("uri", ""))
            names.setdefault(uri, str(table.get("name", uri)))
            _raise(newest, uri, table.get("version"))
    for operation in operations:
        names.setdefault(operation.uri, operation.uri.rstrip("/").rpartition("/")[2])
        _raise(newest, operation.uri, operation.details.get("version"))
    return dict(sorted((names[uri], version) for uri, version in newest.items()))


def _raise(newest: dict[str, int], uri: str, version: object) -> None:
    if isinstance(version, int):
        newest[uri] = max(version, newest.get(uri, 0))


def _told(count: int, word: tuple[str, str], of_them: Mapping[str, int]) -> str:
    parts = [f"{count:,} {word[0] if count == 1 else word[1]}"]
    parts += [f"{number:,} {what}" for what, number in of_them.items() if number]
    return ", ".join(parts)
