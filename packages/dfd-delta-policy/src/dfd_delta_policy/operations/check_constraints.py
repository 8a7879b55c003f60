"""CHECK constraints: which the table has, and which are new.

Their names differ by more than case, and are written in lower case, as Delta-Spark finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from deltalake import DeltaTable, Field

from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.errors import InvalidOperation
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.faults import refuse_misread

CHECKS = "delta.constraints."


def checked_constraints(constraints: Mapping[str, str]) -> dict[str, str]:
    """The constraints by their names as they are written.

    Raises:
        InvalidOperation: there is none, one has no name or no text, or two have one name.
    """
    if not constraints:
        raise InvalidOperation("`constraints` names no constraint.")
    found: dict[str, str] = {}
    for name, check in constraints.items():
        if not isinstance(name, str) or not name.strip() or not isinstance(check, str):
            raise InvalidOperation(
                f"A constraint is a name and an SQL expression, not {name!r}: {check!r}."
            )
        if found.setdefault(name.lower(), check) is not check:
            raise InvalidOperation(f"`constraints` names {name} twice.")
    return found


def missing_constraints(table: DeltaTable, constraints: Mapping[str, str]) -> dict[str, str]:
    """Those that the table lacks.

    Raises:
        InvalidOperation: the table has one under another expression.
    """
    there = {name.lower(): check for name, check in _constraints(table).items()}
    for name, check in constraints.items():
        if there.get(name, check) != check:
            raise InvalidOperation(
                f"The table has the constraint {name} as {there[name]}. Nothing was changed. Drop it first."
            )
    return {name: check for name, check in constraints.items() if name not in there}


def constraint_named(table: DeltaTable, name: str) -> str | None:
    """A constraint of the table, as it is spelt there; None where there is none."""
    there = _constraints(table)
    found = [one for one in there if one.lower() == name.lower()]
    return name if name in found else next(iter(found), None)


def no_constraint(table: DeltaTable, name: str) -> InvalidOperation:
    """The error that there is none of this name."""
    there = _constraints(table)
    known = f"Its constraints are: {', '.join(there)}" if there else "It has none"
    return InvalidOperation(f"The table has no constraint {name}. Nothing was changed. {known}.")


def _constraints(table: DeltaTable) -> dict[str, str]:
    configuration = table.metadata().configuration
    return {
        key.removeprefix(CHECKS): check or ""
        for key, check in configuration.items()
        if key.startswith(CHECKS)
    }


def check_constraints(
    committer: Committer, table: DeltaTable, constraints: Mapping[str, str]
) -> None:
    """Refuse constraints that deltalake would read, or check, otherwise than they are.

    Raises:
        InvalidOperation: one isn't one boolean expression over the table's columns.
        UnsupportedTable: one is over a column that deltalake reads wrong.
    """
    fields = table.schema().fields
    with over(Relation("table", fields)) as expressions:
        for name, check in constraints.items():
            expressions.check_predicate(check, f"The constraint {name}")
    wrong = {path.partition(".")[0].lower() for path in committer.misread_columns(table.version())}
    right = [field for field in fields if field.name.lower() not in wrong]
    if wrong and not _can_plan(constraints.values(), right):
        refuse_misread(committer, table)


def _can_plan(texts: Iterable[str], fields: Sequence[Field]) -> bool:
    if not fields:
        return False
    with over(Relation("table", fields)) as expressions:
        return all(map(expressions.can_plan, texts))
