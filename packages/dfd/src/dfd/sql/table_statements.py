"""Statements that make, alter and keep tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from dfd_delta_policy import GuardedTable, Outcome, Status

from dfd.errors import QueryError
from dfd.sql.context import StatementContext
from dfd.sql.literals import literal, quoted_text
from dfd.sql.statements import (
    AlterTable,
    CreateTable,
    Detail,
    History,
    NewTable,
    Optimize,
    Restore,
    Vacuum,
)

if TYPE_CHECKING:
    from dfd.query import Query


def create(context: StatementContext, statement: CreateTable) -> Query:
    """Make a table, and give it its name in the session."""
    name, runtime = statement.table, context.runtime
    there = None if name.uri is not None else context.tables.uri(name)
    if there is not None and not statement.or_replace:
        if not statement.if_not_exists:
            raise QueryError(f"There is a table {name.text}, at {there}. Nothing was changed.")
        return context.figures({"operation": "create", "status": str(Status.NOTHING_TO_DO)})
    uri = statement.new.location or name.uri or there or runtime.folders.location(name.text)
    if uri is None:
        raise QueryError(
            f"CREATE TABLE {name.text} says no place: give it a LOCATION, a schema of `register_schema`, or name it "
            "delta.`uri`. Nothing was changed."
        )
    if name.uri is None:
        runtime.table_reference(name.text)  # Refused before anything is made.
    outcome = _created(context, statement, context.table_at(uri))
    if name.uri is None:
        runtime.register(name.text, uri)
    return context.result(outcome)


def _created(context: StatementContext, statement: CreateTable, table: GuardedTable) -> Outcome:
    new = statement.new
    data = None if new.query is None else context.plan(new.query)
    schema = data if data is not None else _schema(new)
    return table.create(
        schema,
        data=data,
        partition_by=new.partition_by or None,
        properties=dict(new.properties) or None,
        description=new.comment,
        exist_ok=statement.if_not_exists,
        or_replace=statement.or_replace,
    )


def _schema(new: NewTable) -> pa.Schema:
    return pa.schema(Schema(_fields(new.columns)).to_arrow())


def _fields(columns: list[dict[str, Any]]) -> list[Field]:
    return [Field.from_json(json.dumps(column)) for column in columns]


def alter(context: StatementContext, statement: AlterTable) -> Outcome:
    """Give a table columns, constraints and properties, or take these away."""
    table = context.table(statement.table)
    ((what, value),) = statement.change.items()
    if what == "add_columns":
        return table.add_columns(_fields(value))
    if what == "add_constraint":
        name, condition = value
        return table.add_constraint({name: condition})
    if what == "drop_constraint":
        return table.drop_constraint(value["name"], missing_ok=value["if_exists"])
    if what == "set_properties":
        return table.set_properties(dict(value))
    return table.unset_properties(value["names"], missing_ok=value["if_exists"])


def optimize(context: StatementContext, statement: Optimize) -> Outcome:
    """Compact small files of all partitions, or of some."""
    table = context.table(statement.table)
    filters: list[tuple[str, str, Any]] = []
    for column, compared, texts in statement.filters:
        values = [context.runtime.value_of(text) for text in texts]
        filters.append((column, compared, values if compared.endswith("in") else values[0]))
    if statement.z_order:
        return table.z_order(statement.z_order, partition_filters=filters)
    return table.optimize(partition_filters=filters)


def vacuum(context: StatementContext, statement: Vacuum) -> Query:
    """Remove files that no version needs; a dry run lists their paths."""
    hours = statement.retain_hours
    if hours is not None and not hours.is_integer():
        raise QueryError(f"RETAIN takes whole hours, not {hours}. Nothing was removed.")
    outcome = context.table(statement.table).vacuum(
        None if hours is None else int(hours), dry_run=statement.dry_run, full=statement.full
    )
    if not statement.dry_run:
        return context.result(outcome)
    rows = ", ".join(f"({literal(path)})" for path in outcome.metrics["files"])
    listed = f"(VALUES {rows}) AS t(path)" if rows else "(SELECT '' AS path) WHERE false"
    found = context.runtime.plan_sql(f"SELECT path FROM {listed}")
    found.outcome = outcome
    return found


def restore(context: StatementContext, statement: Restore) -> Outcome:
    """Make an older version the newest."""
    table = context.table(statement.table)
    if "version" in statement.at:
        return table.restore(context.tables.version(statement.at["version"]))
    return table.restore(timestamp=context.tables.moment(statement.at["timestamp"]))


def history(context: StatementContext, statement: History) -> Query:
    """The commits of a table, newest first."""
    uri = context.tables.target(statement.table)
    limit = "" if statement.limit is None else f" LIMIT {statement.limit}"
    return context.runtime.plan_sql(
        f"SELECT * FROM delta_history({quoted_text(uri)}) ORDER BY version DESC{limit}"
    )


def detail(context: StatementContext, statement: Detail) -> Query:
    """What a table is: its place, its size, its definition. Lists and maps are JSON."""
    table = context.table(statement.table)
    options = context.runtime.storage_options(table.uri)
    handle = DeltaTable(table.uri, storage_options=options)
    metadata, protocol = handle.metadata(), handle.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())}
    files = context.runtime.plan_sql(
        "SELECT count(*) AS files, coalesce(sum(size_bytes), 0) AS bytes "
        f"FROM delta_files({quoted_text(table.uri)})"
    )
    (counted,) = files.to_arrow_table().to_pylist()
    return context.figures(
        {
            "format": "delta",
            "id": str(metadata.id),
            "name": metadata.name,
            "description": metadata.description,
            "location": table.uri,
            "version": handle.version(),
            "partition_columns": json.dumps(metadata.partition_columns),
            "num_files": counted["files"],
            "size_in_bytes": counted["bytes"],
            "properties": json.dumps(metadata.configuration),
            "min_reader_version": protocol.min_reader_version,
            "min_writer_version": protocol.min_writer_version,
            "table_features": json.dumps(sorted(features)),
        }
    )
