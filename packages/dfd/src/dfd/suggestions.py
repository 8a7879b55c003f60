"""The name that was meant where one is misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST = 10


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name most like `name`, whatever its case; None where none is like it."""
    by_folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], kind: str = "fields") -> str:
    """A sentence with the nearest name, or else with those that there are."""
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"Did you mean `{near}`?"
    if not names:
        return f"There are no {kind}."
    more = ", ..." if len(names) > _MOST else ""
    return f"The {kind} are {', '.join(f'`{known}`' for known in names[:_MOST])}{more}."
