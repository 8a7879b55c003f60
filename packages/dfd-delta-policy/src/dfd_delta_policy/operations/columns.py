"""Names of columns as users write them, and as the table spells them.

Delta's names are compared without regard to case (protocol, "Schema Serialization Format": names are
unique regardless of case). deltalake compares them with it, and ignores what it doesn't find.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from dfd_delta_policy.errors import InvalidOperation

_PART = r'`(?:[^`]|``)+`|"(?:[^"]|"")+"|[^\s.`"]+'
_NAME = re.compile(rf"(?:(?P<alias>{_PART})\.)?(?P<name>{_PART})")
_SHOWN = 20


class Columns:
    """The columns of a table, or of a source, found by name."""

    def __init__(self, of: str, names: Iterable[str]) -> None:
        self._of = of
        self._names = list(names)

    def find(self, name: str) -> str | None:
        """The column of this name in its own spelling: the same, or the one that differs in case alone.

        Raises:
            InvalidOperation: several differ in case alone.
        """
        if name in self._names:
            return name
        found = [one for one in self._names if one.lower() == name.lower()]
        if len(found) > 1:
            raise InvalidOperation(
                f"{name!r} may be {' or '.join(map(repr, found))} of {self._of}. Nothing was changed. "
                "Spell it as it is there."
            )
        return found[0] if found else None

    def named(self, given: str, alias: str | None = None) -> str:
        """The column that `given` names: as it is spelt, in quotes or backticks, after the alias or without.

        Raises:
            InvalidOperation: there is none, or several differ in case alone.
        """
        if not isinstance(given, str):
            raise InvalidOperation(f"The name of a column is text, not {type(given).__name__}.")
        parts = _NAME.fullmatch(given)
        found = None
        if parts is not None and (parts["alias"] is None or _plain(parts["alias"]) == alias):
            found = self.find(_plain(parts["name"]))
        # A name may look like one of another kind: `a.b` and `a b` are columns of some tables.
        found = found or self.find(given)
        if found is None:
            raise self._missing(given, given if parts is None else _plain(parts["name"]))
        return found

    def spelt(self, name: str) -> str:
        """The column of exactly this name.

        Raises:
            InvalidOperation: there is none.
        """
        if name not in self._names:
            raise self._missing(name, name)
        return name

    def _missing(self, given: str, name: str) -> InvalidOperation:
        by_lower = {one.lower(): one for one in self._names}
        near = difflib.get_close_matches(name.lower(), by_lower, n=1)
        meant = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
        more = ", ..." if len(self._names) > _SHOWN else ""
        return InvalidOperation(
            f"{given!r} is no column of {self._of}.{meant} Nothing was changed. "
            f"Its columns are: {', '.join(self._names[:_SHOWN])}{more}."
        )


def quoted(name: str, alias: str | None = None) -> str:
    """A column as SQL, and deltalake's updates, have it: ``alias.`name` ``."""
    before = "" if alias is None else f"{_backticked(alias)}."
    return before + _backticked(name)


def _backticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _plain(part: str) -> str:
    for quote in ("`", '"'):
        if part.startswith(quote):
            return part[1:-1].replace(quote * 2, quote)
    return part
