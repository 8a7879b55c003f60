"""dfd: Delta Lake tables queried with Apache DataFusion, made dependable.

What takes time to import is imported when it is first asked for.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dfd.errors import (
    ConfigurationError,
    DfdError,
    QueryError,
    ScriptError,
    SnapshotGone,
    SourceError,
)

if TYPE_CHECKING:
    from dfd import dbapi as dbapi
    from dfd import profile as profile
    from dfd import query as query
    from dfd import runtime as runtime
    from dfd.advice import Advice
    from dfd.pins import Pin, Staleness
    from dfd.profile import DataFusionRuntimeProfile
    from dfd.progress import Progress
    from dfd.query import Query
    from dfd.runtime import Runtime, connect
    from dfd.session_tables import RegisteredTable
    from dfd.table_entries import SchemaEntry, TableEntry

    __version__: str

__all__ = [
    "Advice",
    "ConfigurationError",
    "DataFusionRuntimeProfile",
    "DfdError",
    "Pin",
    "Progress",
    "Query",
    "QueryError",
    "RegisteredTable",
    "Runtime",
    "SchemaEntry",
    "ScriptError",
    "SnapshotGone",
    "SourceError",
    "Staleness",
    "TableEntry",
    "connect",
]

_MODULES = ("dbapi", "profile", "query", "runtime")
_HOMES = {
    "Advice": "dfd.advice",
    "DataFusionRuntimeProfile": "dfd.profile",
    "Pin": "dfd.pins",
    "Progress": "dfd.progress",
    "Query": "dfd.query",
    "RegisteredTable": "dfd.session_tables",
    "Runtime": "dfd.runtime",
    "SchemaEntry": "dfd.table_entries",
    "Staleness": "dfd.pins",
    "TableEntry": "dfd.table_entries",
    "connect": "dfd.runtime",
}


def __getattr__(name: str) -> Any:
    found: Any
    if name == "__version__":
        from importlib.metadata import version

        found = version("dfd")
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        found = import_module(f"dfd.{name}")
    else:
        raise AttributeError(f"module 'dfd' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES, "__version__"})


logging.getLogger(__name__).addHandler(logging.NullHandler())
