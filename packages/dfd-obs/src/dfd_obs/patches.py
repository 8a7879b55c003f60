"""Functions of other libraries, replaced by ones that call them, until that is undone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

# Given the function and the arguments of a call.
Wrapper = Callable[..., Any]


class Patches:
    """The functions that are replaced now."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def wrap(self, owner: Any, name: str, wrapper: Wrapper) -> None:
        """Let `owner.name(...)` be `wrapper(function, ...)`; of a class, a module or an instance."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            return wrapper(function, *arguments, **options)

        is_own = name in vars(owner)
        setattr(owner, name, wrapped)
        self._undo.append(
            (lambda: setattr(owner, name, function)) if is_own else (lambda: delattr(owner, name))
        )

    def undo(self) -> None:
        """Put all functions back, the newest first."""
        while self._undo:
            self._undo.pop()()
