"""The summary of a query, `SELECT flights`: what it does, and to which tables. No literal is ever in it.

Taken from the logical plan, and not from the text. Works on anything shaped like
`datafusion.plan.LogicalPlan`; datafusion is not imported.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

from dfd_obs.redact import redact

# The conventions cut it there.
_LIMIT = 255
# The name that DataFusion makes for a table that was given none: another one each time.
_NAMELESS = re.compile(r"c[0-9a-f]{32}")
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_VERBS = frozenset(
    [
        "ALTER",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "COPY",
        "CREATE",
        "DEALLOCATE",
        "DELETE",
        "DESCRIBE",
        "DROP",
        "EXECUTE",
        "EXPLAIN",
        "INSERT",
        "MERGE",
        "OPTIMIZE",
        "PREPARE",
        "RESET",
        "RESTORE",
        "ROLLBACK",
        "SELECT",
        "SET",
        "SHOW",
        "TRUNCATE",
        "UPDATE",
        "USE",
        "VACUUM",
        "VALUES",
    ]
)
_SAME = {"WITH": "SELECT", "FROM": "SELECT", "TABLE": "SELECT", "DESC": "DESCRIBE"}
_OF_NODES = {"CopyTo": "COPY", "DescribeTable": "DESCRIBE"}
# By how datafusion names them.
_OF_CHANGES = {"Insert": "INSERT", "Replace": "INSERT", "Delete": "DELETE", "Update": "UPDATE"}


class Plan(Protocol):
    """The part of `datafusion.plan.LogicalPlan` that is looked at."""

    def inputs(self) -> list[Any]:
        """The plans it reads from."""
        ...

    def to_variant(self) -> Any:
        """The node itself, of a class of its kind."""


class QuerySummary(NamedTuple):
    """What a query does, in SQL's word for it, and the tables that it names; None and none where it isn't known."""

    verb: str | None = None
    tables: tuple[str, ...] = ()

    @classmethod
    def of_text(cls, text: str) -> QuerySummary:
        """What a text begins to do that has no plan: its first word, if that is one of SQL's.

        >>> QuerySummary.of_text("/* nightly */ create view v as select 1").verb
        'CREATE'
        """
        found = _FIRST_WORD.match(text)
        word = "" if found is None else found[1].upper()
        word = _SAME.get(word, word)
        return cls(word if word in _VERBS else None)

    @classmethod
    def of_plan(cls, plan: Plan) -> QuerySummary:
        """The summary of a logical plan, as it is before it is optimized; of tables in subqueries it has none."""
        node = _node(plan)
        kind = type(node).__name__
        if kind in ("Explain", "Analyze"):
            (explained,) = plan.inputs()
            inner = cls.of_plan(explained)
            return cls(f"EXPLAIN {inner.verb}", inner.tables)
        if kind == "DmlStatement":
            return cls(_verb_of_change(node), _unique([str(node.table_name()), *_tables(plan)]))
        return cls(_OF_NODES.get(kind, "SELECT"), _unique(_tables(plan)))

    def __str__(self) -> str:
        """The text, cut at a whole name."""
        text = self.verb or ""
        for table in self.tables:
            if len(text) + 1 + len(table) > _LIMIT:
                break
            text += f" {table}"
        return text


def column_names(plan: Plan) -> frozenset[str]:
    """The columns of the tables that a plan reads."""
    found: set[str] = set()
    waiting = [plan]
    while waiting:
        next_one = waiting.pop()
        inputs = next_one.inputs()
        waiting.extend(inputs)
        node: Any = None if inputs else _node(next_one)
        if type(node).__name__ == "TableScan":
            # `t.id`, and the table may be called `s.t`.
            found.update(name.rpartition(".")[2] for name in node.schema().field_names())
    return frozenset(found)


def kind_of(plan: Plan) -> str:
    """The kind of a plan's outermost node, as datafusion calls its class."""
    return type(_node(plan)).__name__


def has_run(dataframe: Any) -> bool:
    """Whether a DataFrame is what `SessionContext.sql` leaves of a statement that it has run."""
    return not dataframe.schema().names and kind_of(dataframe.logical_plan()) == "EmptyRelation"


def _node(plan: Plan) -> Any:
    try:
        return plan.to_variant()
    except Exception:  # noqa: BLE001  datafusion has no class for some nodes.
        return None


def _verb_of_change(node: Any) -> str:
    try:
        name = str(node.op().name())
    except Exception:  # noqa: BLE001  datafusion has no name for MERGE.
        return "MERGE"
    return _OF_CHANGES.get(name.partition(" ")[0], name.upper())


def _tables(plan: Plan) -> list[str]:
    """The tables that are scanned, in the order in which the query has them."""
    found: list[str] = []
    waiting = [plan]
    while waiting:
        next_one = waiting.pop()
        inputs = next_one.inputs()
        waiting.extend(reversed(inputs))
        # The node of a plan is a copy, of thousands of expressions perhaps: a scan has no inputs.
        node: Any = None if inputs else _node(next_one)
        if type(node).__name__ == "TableScan":
            found.append(".".join(filter(None, node.fqn())))
    return found


def _unique(tables: list[str]) -> tuple[str, ...]:
    named = (str(redact(name)) for name in tables if not _NAMELESS.fullmatch(name))
    return tuple(dict.fromkeys(named))
