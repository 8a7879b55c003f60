"""What is said where a query can't be planned: DataFusion's words, and the next step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from dfd.suggestions import nearest
from dfd.table_reference import as_written

if TYPE_CHECKING:
    from datafusion import SessionContext

# DataFusion's words for a table that isn't there; the name is whole, and without quotes.
_NO_TABLE = re.compile(r"table '([^']+)' not found")
_PREFIX = re.compile(
    r"^(?:DataFusion error: )?(?:Error during planning|Schema error|Plan error|Execution error): "
)
_PARSER = re.compile(r'^SQL error: ParserError\("(.*)"\)$', re.DOTALL)
_NEXT = (
    "A table gets its name by `runtime.register`, `dfd sql -t name=uri` or [[table]] of the "
    "profile; delta.`uri` stands for one without a name."
)


def planning_message(
    error: BaseException,
    session_context: SessionContext,
    refusal: Callable[[tuple[str, str, str]], str | None],
) -> str:
    """The message of an error of planning.

    - `refusal`: why a table of the profile isn't there, by its parts; None of every other.
    """
    said = _PARSER.sub(r"\1", _PREFIX.sub("", str(error)).strip())
    found = _NO_TABLE.search(said)
    if found is None:
        return f"The query can't be planned: {said}"
    catalog, _, rest = found[1].partition(".")
    schema, _, table = rest.partition(".")
    reason = refusal((catalog, schema, table))
    if reason is not None:
        return f"The query can't be planned: {table!r} is a table of the profile. {reason}"
    near = nearest(table, _tables(session_context, catalog, schema))
    meant = f"Did you mean {as_written(near)}? " if near else ""
    shown = table if schema == "public" else f"{schema}.{table}"
    return f"The query can't be planned: table {shown!r} not found. {meant}{_NEXT}"


def _tables(session_context: SessionContext, catalog: str, schema: str) -> set[str]:
    """The names of a schema's tables; none where there is no such schema."""
    try:
        return set(session_context.catalog(catalog).schema(schema).table_names())
    except Exception:  # noqa: BLE001  datafusion raises KeyError, or Exception itself.
        return set()
