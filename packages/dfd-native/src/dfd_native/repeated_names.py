"""Plans whose dynamic filters would land on another column of the same name (apache/datafusion#25244).

A join and a sort with a limit push a filter down while they run. Where it passes columns of which two have one
name, `id` of two tables, DataFusion 55 finds the first by its name, and rows are lost. Such a plan runs without
these filters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datafusion import SessionContext
    from datafusion.plan import LogicalPlan

_ANY_FILTERS = re.compile(r" Join:|, fetch=\d")
_FILTERS = re.compile(r"\w+ Join:|Sort: .*, fetch=\d+ \[", re.DOTALL)
_SIGNS = re.compile(r"[(){}\[\]:,]")
_SWITCHES = re.compile(r"(\.enable_(?:join|topk)_dynamic_filter_pushdown = )true")


class WithoutDynamicFilters:
    """A session as the engine asks it, with the dynamic filters of joins and sorts off."""

    def __init__(self, session_context: SessionContext) -> None:
        self._session_context = session_context

    @property
    def ctx(self) -> Any:
        return self._session_context.ctx

    def __datafusion_logical_extension_codec__(self, *session: Any) -> Any:
        return self._session_context.__datafusion_logical_extension_codec__(*session)

    def __repr__(self) -> str:
        """The settings, one a line: the engine reads these switches here."""
        return _SWITCHES.sub(r"\1false", repr(self._session_context))


def confuses_filters(plan: LogicalPlan | bytes) -> bool:
    """True where two columns of one name lie below what pushes a filter down; also where that can't be seen."""
    if isinstance(plan, bytes):
        return True
    if not _ANY_FILTERS.search(plan.display_indent()):
        return False
    above: list[tuple[int, bool]] = []
    for node in _nodes(plan.display_indent_schema()):
        text = node.lstrip(" ")
        depth = len(node) - len(text)
        while above and above[-1][0] >= depth:
            above.pop()
        is_root = not depth
        if (is_root and above) or not re.match("[A-Z]", text):
            return True
        if any(filters for _, filters in above) and _is_repeated(_names(text)):
            return True
        above.append((depth, _FILTERS.match(text) is not None))
    return False


def _is_repeated(names: list[str] | None) -> bool:
    return names is None or len(set(names)) < len(names)


def _nodes(shown: str) -> Iterator[str]:
    """One text for each node. A literal may have lines of its own, and a node ends with its schema."""
    begun: list[str] = []
    for line in shown.split("\n"):
        begun.append(line)
        if line.endswith("]"):
            yield "\n".join(begun)
            begun.clear()
    if begun:
        yield "\n".join(begun)


def _names(node: str) -> list[str] | None:
    """The names of a node's columns, of `... [id:Int64;N, s:Struct("x": Utf8)]`; None where it reads otherwise."""
    if not node.endswith("]") or node.count("[") != node.count("]"):
        return None
    fields = node[_begin_of_schema(node) : -1]
    names: list[str] = []
    depth, begin, colon = 0, 0, None
    for found in _SIGNS.finditer(f"{fields},"):
        sign, at = found.group(), found.start()
        if sign == ":" and not depth:
            colon = at if colon is None else colon
        elif sign == "," and not depth:
            names.append(fields[begin:colon].strip())
            begin, colon = at + 1, None
        elif sign not in ":,":
            depth += 1 if sign in "([{" else -1
            if depth < 0:
                return None
    return (names if fields else []) if depth == 0 else None


def _begin_of_schema(node: str) -> int:
    """Where the brackets begin that the text ends with."""
    begin = node.rfind("[")
    while node.count("[", begin) < node.count("]", begin):
        begin = node.rfind("[", 0, begin)
    return begin + 1
