"""ALTER TABLE and RESTORE: columns, constraints, properties and versions; each function gives one attempt.

What the table has already is left as it is: an operation that lacks nothing commits nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from deltalake import DeltaTable, Field, Schema

from dfd_delta_policy.commit.committer import Commit, Committer, NativeCommitter
from dfd_delta_policy.commit.operation import Attempt, Done
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.check_constraints import (
    CHECKS,
    check_constraints,
    checked_constraints,
    constraint_named,
    missing_constraints,
    no_constraint,
)
from dfd_delta_policy.operations.deltalake_handle import existing, on_handle
from dfd_delta_policy.operations.new_columns import missing_fields, refuse_mapped_columns
from dfd_delta_policy.properties import refuse_kept


def add_columns(committer: Committer, fields: Iterable[Field]) -> Callable[[Attempt], Done]:
    """Add the columns that the table lacks."""

    def attempt(attempt: Attempt) -> Done:
        table = existing(attempt)
        missing = missing_fields(table, fields)
        if not missing:
            return Done(None, {})
        if isinstance(committer, NativeCommitter):
            added = [{"column": json.loads(field.to_json())} for field in missing]
            commit = Commit("ADD COLUMNS", {"columns": json.dumps(added)}, {}, keeps_rows=True)
            committer.refuse_features(table, "commit")
            definition = committer.add_columns(table.version(), Schema(missing))
            version = committer.put(table, commit, attempt.commit, definition=definition)
            return Done(version, {})
        refuse_mapped_columns(table)
        return on_handle(
            attempt,
            lambda table: table.alter.add_columns(missing, commit_properties=attempt.commit),
        )

    return attempt


def add_constraint(
    committer: Committer, constraints: Mapping[str, str]
) -> Callable[[Attempt], Done]:
    """Add the constraints that the table lacks."""
    given = checked_constraints(constraints)

    def attempt(attempt: Attempt) -> Done:
        table = existing(attempt)
        missing = missing_constraints(table, given)
        if not missing:
            return Done(None, {})
        if isinstance(committer, NativeCommitter):
            (name, check), *more = missing.items()
            parameters = {"name": name, "expr": check}
            if more:
                both = [{"name": name, "expr": check} for name, check in missing.items()]
                parameters = {"constraints": json.dumps(both)}
            changes = {f"{CHECKS}{name}": check for name, check in missing.items()}
            commit = Commit("ADD CONSTRAINT", parameters, {}, keeps_rows=True)
            return _put_properties(committer, attempt, commit, changes)
        check_constraints(committer, table, missing)
        return on_handle(
            attempt,
            lambda table: table.alter.add_constraint(missing, commit_properties=attempt.commit),
        )

    return attempt


def drop_constraint(
    committer: Committer, name: str, *, missing_ok: bool
) -> Callable[[Attempt], Done]:
    """Drop a constraint."""

    def attempt(attempt: Attempt) -> Done:
        spelt = constraint_named(existing(attempt), name)
        if spelt is None:
            if missing_ok:
                return Done(None, {})
            raise no_constraint(existing(attempt), name)
        if isinstance(committer, NativeCommitter):
            commit = Commit("DROP CONSTRAINT", {"name": spelt}, {}, keeps_rows=True)
            return _put_properties(committer, attempt, commit, {f"{CHECKS}{spelt}": None})
        return on_handle(
            attempt,
            lambda table: table.alter.drop_constraint(spelt, commit_properties=attempt.commit),
        )

    return attempt


def _put_properties(
    committer: NativeCommitter,
    attempt: Attempt,
    commit: Commit,
    changes: Mapping[str, str | None],
) -> Done:
    """Commit properties by themselves; those with None go.

    Raises:
        InvalidOperation: a constraint among them can't be followed.
        dfd_native.RuleViolation: a row breaks one.
    """
    table = existing(attempt)
    committer.refuse_features(table, "commit")
    try:
        definition = committer.change_properties(table.version(), changes)
    except ValueError as violation:
        if getattr(violation, "row", None) is not None:
            raise
        raise InvalidOperation(f"{violation}. Nothing was changed.") from violation
    return Done(committer.put(table, commit, attempt.commit, definition=definition), {})


_VECTORS = "delta.enableDeletionVectors"


def set_properties(committer: Committer, changes: Mapping[str, str]) -> Callable[[Attempt], Done]:
    """Set the properties that the table has otherwise."""

    def attempt(attempt: Attempt) -> Done:
        table = existing(attempt)
        there = table.metadata().configuration
        if all(there.get(key) == value for key, value in changes.items()):
            return Done(None, {})
        if isinstance(committer, NativeCommitter):
            parameters = {"properties": json.dumps(dict(changes))}
            commit = Commit("SET TBLPROPERTIES", parameters, {}, keeps_rows=True)
            return _put_properties(committer, attempt, commit, changes)
        if changes.get(_VECTORS) == "true":
            raise InvalidOperation(f"{_VECTORS} needs dfd-native: pip install dfd-native.")
        return on_handle(
            attempt,
            lambda table: table.alter.set_table_properties(
                dict(changes), raise_if_not_exists=False, commit_properties=attempt.commit
            ),
        )

    return attempt


def unset_properties(
    committer: Committer, names: list[str], *, missing_ok: bool
) -> Callable[[Attempt], Done]:
    """Take properties away that the table has."""
    refuse_kept(names)

    def attempt(attempt: Attempt) -> Done:
        if not isinstance(committer, NativeCommitter):
            raise InvalidOperation("`unset_properties` needs dfd-native: pip install dfd-native.")
        there = existing(attempt).metadata().configuration
        missing = [name for name in names if name not in there]
        if missing and not missing_ok:
            raise InvalidOperation(
                f"The table has no property {missing[0]}. Nothing was changed. "
                f"Its properties are: {', '.join(there) or 'none'}."
            )
        changes: dict[str, str | None] = {name: None for name in names if name in there}
        if not changes:
            return Done(None, {})
        parameters = {"properties": json.dumps(list(changes)), "ifExists": missing_ok}
        commit = Commit("UNSET TBLPROPERTIES", parameters, {}, keeps_rows=True)
        return _put_properties(committer, attempt, commit, changes)

    return attempt


def restore(committer: Committer, target: int | datetime) -> Callable[[Attempt], Done]:
    """Make an older version the newest: the one of that number, or the newest that was there then."""

    def attempt(attempt: Attempt) -> Done:
        table = existing(attempt)
        newest = table.version()
        if isinstance(committer, NativeCommitter):
            committer.refuse_features(table, "commit")
        _refuse_identity_columns(table)
        version = _restored_version(committer, target)
        if not 0 <= version <= newest:
            raise InvalidOperation(f"There is no version {version}: the newest is {newest}.")
        if version == newest:
            return Done(None, {})
        if isinstance(committer, NativeCommitter):
            planned = committer.plan_restore(newest, version)
            if planned.is_empty:
                return Done(None, dict(planned.metrics))
            is_time = isinstance(target, datetime)
            parameters = {
                "version": None if is_time else version,
                "timestamp": str(target) if is_time else None,
            }
            commit = Commit("RESTORE", parameters, planned.metrics)
            put = committer.put(table, commit, attempt.commit, restore=planned)
            return Done(put, dict(planned.metrics))
        return on_handle(
            attempt, lambda table: table.restore(version, commit_properties=attempt.commit)
        )

    return attempt


def _restored_version(committer: Committer, target: int | datetime) -> int:
    if not isinstance(target, datetime):
        return target
    if not isinstance(committer, NativeCommitter):
        raise InvalidOperation("A restore to a time needs dfd-native: pip install dfd-native.")
    return committer.version_at(target)


def _refuse_identity_columns(table: DeltaTable) -> None:
    """Their schema has the highest value that was given, and an older one would have it given twice."""
    for field in table.schema().fields:
        if "delta.identity.start" in field.metadata:
            raise UnsupportedTable(
                f"{field.name} is an identity column, whose values would be given twice after a restore. "
                "Nothing was changed."
            )
