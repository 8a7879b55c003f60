"""Methods for callers that the garbage collector can't see into."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def weakly(function: Function) -> Function:
    """`function`, but that a bound method doesn't keep its object alive.

    A session holds what it calls from within Rust: an object that has the session, and of which the
    session has a method, would never be freed.
    """
    if not inspect.ismethod(function):
        return function
    try:
        method = weakref.WeakMethod(function)
    except TypeError:  # An object that can't be referred to weakly.
        return function
    name = function.__qualname__

    def call(*arguments: Any, **keywords: Any) -> Any:
        alive = method()
        if alive is None:
            raise ReferenceError(
                f"The object of {name}() is gone. Keep it as long as the session that calls it."
            )
        return alive(*arguments, **keywords)

    return call  # type: ignore[return-value]
