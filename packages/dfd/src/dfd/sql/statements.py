"""Statements, as `dfd_native.sql_script` takes them apart.

Each has a `verb`, and `is_shared` where DataFusion has one like it, for tables of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import dfd_native
import msgspec

from dfd.errors import QueryError


class Name(msgspec.Struct, frozen=True):
    """A table: as it is written, its last part, and its URI where it is named by that."""

    text: str
    last: str
    uri: str | None = None


class Clause(msgspec.Struct, frozen=True):
    """A clause of a MERGE: its `action` is "delete", `{"set": [[column, value]]}` or `{"set_all": {"except": []}}`."""

    rows: Literal["matched", "not_matched", "not_matched_by_source"]
    predicate: str | None
    action: Any


class NewTable(msgspec.Struct, frozen=True):
    """A table to be made: its `columns` are fields of Delta's schema, or none where a query has them."""

    columns: list[dict[str, Any]]
    location: str | None
    partition_by: list[str]
    comment: str | None
    properties: list[tuple[str, str]]
    query: str | None


class Other(msgspec.Struct, frozen=True, tag="other", tag_field="kind"):
    """All that DataFusion knows alone."""


class Unread(msgspec.Struct, frozen=True, tag="unread", tag_field="kind"):
    """A statement that can't be read; DataFusion may, where its table is none of Delta's."""

    is_shared: ClassVar[bool] = True
    table: Name | None = None


class Insert(msgspec.Struct, frozen=True, tag="insert", tag_field="kind"):
    """INSERT INTO, INSERT OVERWRITE, INSERT ... REPLACE WHERE."""

    verb: ClassVar[str] = "INSERT"
    is_shared: ClassVar[bool] = True
    table: Name
    columns: list[str]
    by_name: bool
    overwrite: bool
    partition: list[tuple[str, str | None]]
    replace_where: str | None
    query: str


class Delete(msgspec.Struct, frozen=True, tag="delete", tag_field="kind"):
    """DELETE FROM, TRUNCATE TABLE."""

    verb: ClassVar[str] = "DELETE"
    is_shared: ClassVar[bool] = True
    table: Name
    predicate: str | None


class Update(msgspec.Struct, frozen=True, tag="update", tag_field="kind"):
    """UPDATE ... SET ... [FROM ...]: `source` is a query and its name in texts."""

    verb: ClassVar[str] = "UPDATE"
    is_shared: ClassVar[bool] = True
    table: Name
    alias: str
    assignments: list[tuple[str, str]]
    source: tuple[str, str] | None
    predicate: str | None


class Merge(msgspec.Struct, frozen=True, tag="merge", tag_field="kind"):
    """MERGE [WITH SCHEMA EVOLUTION] INTO."""

    verb: ClassVar[str] = "MERGE"
    is_shared: ClassVar[bool] = True
    table: Name
    alias: str
    source: str
    source_alias: str
    condition: str
    clauses: list[Clause]
    merge_schema: bool


class CreateTable(msgspec.Struct, frozen=True, tag="create_table", tag_field="kind"):
    """CREATE [OR REPLACE] TABLE [IF NOT EXISTS] ... USING DELTA."""

    verb: ClassVar[str] = "CREATE TABLE"
    is_shared: ClassVar[bool] = False
    table: Name
    if_not_exists: bool
    or_replace: bool
    new: NewTable


class AlterTable(msgspec.Struct, frozen=True, tag="alter_table", tag_field="kind"):
    """ALTER TABLE: `change` has one key, which says what is done."""

    verb: ClassVar[str] = "ALTER TABLE"
    is_shared: ClassVar[bool] = False
    table: Name
    change: dict[str, Any]


class Optimize(msgspec.Struct, frozen=True, tag="optimize", tag_field="kind"):
    """OPTIMIZE: `filters` are a partition column, an operator and literals."""

    verb: ClassVar[str] = "OPTIMIZE"
    is_shared: ClassVar[bool] = False
    table: Name
    filters: list[tuple[str, str, list[str]]]
    z_order: list[str]


class Vacuum(msgspec.Struct, frozen=True, tag="vacuum", tag_field="kind"):
    """VACUUM."""

    verb: ClassVar[str] = "VACUUM"
    is_shared: ClassVar[bool] = False
    table: Name
    retain_hours: float | None
    dry_run: bool
    full: bool


class Restore(msgspec.Struct, frozen=True, tag="restore", tag_field="kind"):
    """RESTORE: `at` is `{"version": "3"}` or `{"timestamp": expression}`."""

    verb: ClassVar[str] = "RESTORE"
    is_shared: ClassVar[bool] = False
    table: Name
    at: dict[str, str]


class History(msgspec.Struct, frozen=True, tag="history", tag_field="kind"):
    """DESCRIBE HISTORY."""

    verb: ClassVar[str] = "DESCRIBE HISTORY"
    is_shared: ClassVar[bool] = False
    table: Name
    limit: int | None


class Detail(msgspec.Struct, frozen=True, tag="detail", tag_field="kind"):
    """DESCRIBE DETAIL."""

    verb: ClassVar[str] = "DESCRIBE DETAIL"
    is_shared: ClassVar[bool] = False
    table: Name


RowStatement = Delete | Update | Merge
DeltaStatement = (
    Insert
    | RowStatement
    | CreateTable
    | AlterTable
    | Optimize
    | Vacuum
    | Restore
    | History
    | Detail
)
Statement = Other | Unread | DeltaStatement


class Parsed(msgspec.Struct, frozen=True):
    """One statement of a text.

    - `text`, `line`: as it is written, and where it begins.
    - `explain`: it is to be shown what it would do.
    - `error`: why it can't be read.
    - `dotted`: all in it that may be the name of a table in a schema.
    - `lists_tables`: it asks which tables there are.
    """

    text: str
    line: int
    explain: bool
    error: str | None
    dotted: list[str]
    lists_tables: bool
    statement: Statement


def parse(text: str, literals: Mapping[str, str]) -> list[Parsed]:
    """The statements of a text.

    Raises:
        QueryError: one that only Delta has can't be read.
    """
    try:
        found = dfd_native.sql_script(text, literals)
    except dfd_native.SqlSyntaxError as error:
        raise QueryError(f"The statement can't be read: {error}") from error
    return msgspec.convert(found, list[Parsed])
