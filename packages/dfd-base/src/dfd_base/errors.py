"""The root of the errors of every distribution of dfd."""

from __future__ import annotations

from typing import Any, ClassVar


class DfdError(Exception):
    """Root of the errors of dfd and of its parts.

    `code` is stable across releases, and each class has its own. An error comes out of a pickle, or
    a copy, with its class, text and fields; its constructor isn't run again.
    """

    code: ClassVar[str] = "dfd"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, vars(self))


def _restore(kind: type[DfdError], args: tuple[Any, ...], fields: dict[str, Any]) -> DfdError:
    """Make an error again on the other side of a process border."""
    error = kind.__new__(kind, *args)
    # An OSError takes them from its constructor alone.
    error.args = args
    vars(error).update(fields)
    return error
