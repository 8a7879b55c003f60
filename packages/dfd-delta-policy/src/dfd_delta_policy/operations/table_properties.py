"""Checks of new columns, constraints and properties, before deltalake changes a table by them.

deltalake takes any text for a property, a column without nulls over rows that lack it, and a protocol
version set as a property; each breaks the table for those who read it next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema

from dfd_delta_policy.commit.committer import Committer
from dfd_delta_policy.errors import InvalidOperation, UnsupportedTable
from dfd_delta_policy.operations.expressions import Relation, over
from dfd_delta_policy.operations.faults import refuse_misread, refuse_void

_INTERVAL = re.compile(
    r"(interval )?\d+ (nano|micro|milli)?(second|minute|hour|day|week)s?", re.IGNORECASE
)


def _is_bool(value: str) -> bool:
    return value in ("true", "false")


def _is_interval(value: str) -> bool:
    return _INTERVAL.fullmatch(value) is not None


def _is_count(value: str) -> bool:
    return re.fullmatch(r"[1-9]\d*", value) is not None


# Delta's documentation, "Table properties"; those that deltalake and dfd keep or that are other
# writers' alone and change no protocol.
_PROPERTIES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "delta.appendOnly": (_is_bool, "true or false"),
    "delta.autoOptimize.autoCompact": (
        lambda value: value in ("true", "false", "auto"),
        "true, false or auto",
    ),
    "delta.autoOptimize.optimizeWrite": (_is_bool, "true or false"),
    "delta.checkpoint.writeStatsAsJson": (_is_bool, "true or false"),
    "delta.checkpoint.writeStatsAsStruct": (_is_bool, "true or false"),
    "delta.checkpointInterval": (_is_count, "a whole number from 1"),
    "delta.dataSkippingNumIndexedCols": (
        lambda value: value == "-1" or value == "0" or _is_count(value),
        "a whole number from -1",
    ),
    "delta.dataSkippingStatsColumns": (lambda value: True, "names of columns"),
    "delta.deletedFileRetentionDuration": (_is_interval, "as 'interval 7 days'"),
    "delta.enableChangeDataFeed": (_is_bool, "true or false"),
    "delta.enableExpiredLogCleanup": (_is_bool, "true or false"),
    # Every commit of dfd's is serializable; a promise of less would be kept by no one.
    "delta.isolationLevel": (lambda value: value == "Serializable", "Serializable"),
    "delta.logRetentionDuration": (_is_interval, "as 'interval 30 days'"),
    "delta.setTransactionRetentionDuration": (_is_interval, "as 'interval 30 days'"),
    "delta.targetFileSize": (_is_count, "a number of bytes"),
    "delta.tuneFileSizesForRewrites": (_is_bool, "true or false"),
}


def checked_properties(properties: Mapping[str, str]) -> dict[str, str]:
    """Properties that a table may be given.

    Names of the user's own take any text; of those that begin with `delta.` the ones that Delta
    defines and that change no protocol are taken, with values that they can have.

    Raises:
        InvalidOperation: none is given, one is unknown, or one has another value.
    """
    if not properties:
        raise InvalidOperation("`properties` names no property.")
    for key, value in properties.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidOperation(f"Properties are texts; {key!r} has {value!r}.")
        if not key.lower().startswith("delta."):
            continue
        if key.startswith("delta.constraints."):
            raise InvalidOperation(f"{key} is a constraint: `add_constraint` sets it.")
        if key not in _PROPERTIES:
            raise InvalidOperation(
                f"{key} can't be set. What can: {', '.join(_PROPERTIES)}, and names without `delta.`."
            )
        is_right, meant = _PROPERTIES[key]
        if not is_right(value):
            raise InvalidOperation(f"{key} is {meant}, not {value!r}.")
    return dict(properties)


def new_fields(fields: Any) -> list[Field]:
    """Columns as deltalake has them, from its own fields, pyarrow's, or a schema of either.

    Raises:
        InvalidOperation: none is given, one takes no nulls, which the rows that are there have, or one has
            no type.
    """
    given = [fields] if isinstance(fields, (Field, pa.Field)) else _listed(fields)
    found: list[Field] = []
    for field in given:
        if isinstance(field, pa.Field):
            found += Schema.from_arrow(pa.schema([field])).fields
        elif isinstance(field, Field):
            found.append(field)
        else:
            raise InvalidOperation(
                f"A new column is a field of deltalake or pyarrow, not {type(field).__name__}."
            )
    if not found:
        raise InvalidOperation("`fields` names no column.")
    refuse_void(found)
    for field in found:
        if not field.nullable:
            raise InvalidOperation(
                f"Column {field.name} would take no nulls, and the rows that are there have none but nulls."
            )
    return found


def _listed(fields: Any) -> Iterable[Any]:
    if isinstance(fields, Schema):
        return fields.fields
    if isinstance(fields, Iterable) and not isinstance(fields, (str, bytes)):
        return fields
    raise InvalidOperation(f"`fields` are fields or a schema, not {type(fields).__name__}.")


def missing_fields(table: DeltaTable, fields: Iterable[Field]) -> list[Field]:
    """The columns among `fields` that the table lacks.

    Raises:
        InvalidOperation: the table has one under another type, or in other case.
        UnsupportedTable: its columns are mapped: deltalake gives new ones no physical name.
    """
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise UnsupportedTable(
            "The table has column mapping, where deltalake can't add columns. Nothing was changed."
        )
    there = {field.name.lower(): field for field in table.schema().fields}
    missing = []
    for field in fields:
        found = there.setdefault(field.name.lower(), field)
        if found is field:
            missing.append(field)
        elif found.name != field.name or found.type != field.type:
            raise InvalidOperation(f"The table has column {found.name} of type {found.type}.")
    return missing


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
