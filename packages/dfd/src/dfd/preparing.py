"""Statements on their way from their text to a query: what fails there is recorded too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from datafusion import DataFrame, SessionContext
from datafusion.expr import EmptyRelation
from dfd_obs import Observer, Preparation
from dfd_obs.scopes import observed

from dfd.errors import QueryError, ScriptError

_DEFAULTS = re.compile(r"datafusion\.catalog\.default_(?:catalog|schema) = (.*)")


def default_namespace(session_context: SessionContext) -> str:
    """The catalog and the schema that names in SQL are of."""
    # A session tells its settings without a query only so.
    return ".".join(_DEFAULTS.findall(repr(session_context)))


def has_run(dataframe: DataFrame) -> bool:
    """Whether it is what `SessionContext.sql` leaves of a statement that it has run."""
    if dataframe.schema().names:
        return False
    try:
        return isinstance(dataframe.logical_plan().to_variant(), EmptyRelation)
    except Exception:  # noqa: BLE001  datafusion has no class for some statements; those fail when they run.
        return False


@contextlib.contextmanager
def preparing(observer: Observer, text: str, namespace: str) -> Iterator[Preparation]:
    """Prepare a statement within the block. An error that leaves it is recorded, and a `QueryError` has its id."""
    prepared = observer.prepare(text, namespace)
    try:
        with observed(), prepared.taking("plan"):
            yield prepared
    except BaseException as error:
        if not _is_recorded(error):
            query_id = observer.fail(prepared, error)
            if isinstance(error, QueryError):
                error.query_id = query_id
        raise


def _is_recorded(error: BaseException) -> bool:
    """Whether a query within the statement failed of it, or a statement of several."""
    if isinstance(error, ScriptError):
        return True
    return isinstance(error, QueryError) and error.query_id is not None
