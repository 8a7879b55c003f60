"""dfd's scalar functions in a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dfd_native import _native
from dfd_native.handshake import ensure_compatible

if TYPE_CHECKING:
    from datafusion import SessionContext


def register_functions(session_context: SessionContext) -> tuple[str, ...]:
    """Make every function of this package callable in SQL; return their names.

    Raises:
        IncompatibleInstallation: the installed datafusion is not the one this was built for.
    """
    ensure_compatible()
    from datafusion import udf

    functions = _native.functions()
    for function in functions:
        session_context.register_udf(udf(function))
    return tuple(function.name for function in functions)
