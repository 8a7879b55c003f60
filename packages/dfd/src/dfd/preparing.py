"""Statements on their way from their text to a query: what fails there is recorded too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from datafusion import SessionContext
from dfd_obs import Observer, Preparation
from dfd_obs.scopes import observed

from dfd.errors import QueryError, ScriptError

_DEFAULTS = re.compile(r"datafusion\.catalog\.default_(?:catalog|schema) = (.*)")


def default_namespace(session_context: SessionContext) -> str:
    """The catalog and the schema that names in SQL are of."""
    # A session tells its settings without a query only so.
    return ".".join(_DEFAULTS.findall(repr(session_context)))


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
