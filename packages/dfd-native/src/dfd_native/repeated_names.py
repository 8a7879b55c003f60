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

_FILTERS = re.compile(r"\w+ Join:|Sort: .*, fetch=\d+ \[", re.DOTALL)
_SWITCHES = re.compile(r"(\.enable_(?:join|topk)_dynamic_filter_pushdown = )true")


class WithoutDynamicFilters:
    """A session as the engine asks it, with the dynamic filters of joins and sorts off."""

    def __init__(self, session_context: SessionContext) -> None:
        self._session_context = session_context

    @property
    def ctx(self) -> Any:
        return self._session_context.ctx

    def __datafusion_logical_extension_codec__(self, session: Any = None) -> Any:
        return self._session_context.__datafusion_logical_extension_codec__(session)

    def __repr__(self) -> str:
        """The settings, one a line: the engine reads these switches here."""
        return _SWITCHES.sub(r"\1false", repr(self._session_context))


def confuses_filters(plan: LogicalPlan | bytes) -> bool:
    """True where two columns of one name lie below what pushes a filter down; also where that can't be seen."""
    if isinstance(plan, bytes):
        return True
    above: list[tuple[int, bool]] = []
    for node in _nodes(plan.display_indent_schema()):
        text = node.lstrip(" ")
        depth = len(node) - len(text)
        while above and above[-1][0] >= depth:
            above.pop()
        names = _names(text)
        if names is None or (above and not depth):
            return True
        if any(filters for _, filters in above) and len(set(names)) < len(names):
            return True
        above.append((depth, _FILTERS.match(text) is not None))
    return bool(above) and above[0][0] != 0


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
    fields = _last_brackets(node)
    if fields is None or not re.match("[A-Z]", node):
        return None
    names: list[str] = []
    depth, begin = 0, 0
    for end, sign in enumerate(f"{fields}, "):
        depth += (sign in "([{") - (sign in ")]}")
        if depth < 0:
            return None
        if depth == 0 and sign == "," and (field := fields[begin:end].strip()):
            names.append(_name(field))
            begin = end + 1
    return names if depth == 0 else None


def _last_brackets(node: str) -> str | None:
    """What stands in the brackets that the text ends with."""
    depth = 0
    for n in range(len(node) - 1, -1, -1):
        depth += (node[n] == "]") - (node[n] == "[")
        if depth == 0:
            return node[n + 1 : -1] if node.endswith("]") else None
    return None


def _name(field: str) -> str:
    """What stands before the first colon that is in no parentheses."""
    depth = 0
    for n, sign in enumerate(field):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0 and sign == ":":
            return field[:n]
    return field
