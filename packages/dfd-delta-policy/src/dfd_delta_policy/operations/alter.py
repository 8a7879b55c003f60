"""ALTER TABLE: columns, constraints and properties, changed by deltalake; each function gives one attempt.

What the table has already is left as it is: an operation that lacks nothing commits nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from deltalake import Field

from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.deltalake_handle import existing, on_handle
from dfd_delta_policy.operations.table_properties import check_constraints, missing_fields


def add_columns(fields: Iterable[Field]) -> Callable[[Attempt], Done]:
    """Add the columns that the table lacks."""

    def attempt(attempt: Attempt) -> Done:
        missing = missing_fields(existing(attempt), fields)
        if not missing:
            return Done(None, {})
        return on_handle(
            attempt,
            lambda table: table.alter.add_columns(missing, commit_properties=attempt.commit),
        )

    return attempt


def add_constraint(
    committer: Committer, constraints: Mapping[str, str]
) -> Callable[[Attempt], Done]:
    """Add the constraints that the table lacks."""
    if not constraints:
        raise InvalidOperation("`constraints` names no constraint.")

    def attempt(attempt: Attempt) -> Done:
        there = existing(attempt).metadata().configuration
        missing = {
            name: check
            for name, check in constraints.items()
            if there.get(f"delta.constraints.{name}") != check
        }
        if not missing:
            return Done(None, {})
        check_constraints(committer, existing(attempt), missing)
        return on_handle(
            attempt,
            lambda table: table.alter.add_constraint(missing, commit_properties=attempt.commit),
        )

    return attempt


def drop_constraint(name: str) -> Callable[[Attempt], Done]:
    """Drop a constraint."""

    def attempt(attempt: Attempt) -> Done:
        return on_handle(
            attempt,
            lambda table: table.alter.drop_constraint(name, commit_properties=attempt.commit),
        )

    return attempt


def set_properties(changes: Mapping[str, str]) -> Callable[[Attempt], Done]:
    """Set the properties that the table has otherwise."""

    def attempt(attempt: Attempt) -> Done:
        there = existing(attempt).metadata().configuration
        if all(there.get(key) == value for key, value in changes.items()):
            return Done(None, {})
        return on_handle(
            attempt,
            lambda table: table.alter.set_table_properties(
                dict(changes), raise_if_not_exists=False, commit_properties=attempt.commit
            ),
        )

    return attempt
