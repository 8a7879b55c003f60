"""The statements that race, each as SQL and as a law on plain rows; and one in the middle of another.

They work on the table of `tests/policy/matrix`, and some read `feed` beside it. Laws are those of the verbs there,
or stand here. A statement is that of a writer of a number, which tells two of a kind apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import dfd
from deltalake import DeltaTable
from dfd_base import DfdError
from dfd_delta_policy import (
    CommitPlan,
    ConflictError,
    DeltaRetryPolicy,
    GuardedTable,
    Outcome,
    RetriesExhausted,
)
from dfd_obs import ObservabilityConfig
from model import Refused, Row, Table
from operations import BASE, EVERY, LIMIT
from places import BEGINNING, Place

FEED: list[Row] = [{"id": 3, "key": "a", "value": 600}, {"id": 60, "key": "b", "value": 7}]

Law = Callable[[Table, int], Table]
_COLUMNS = "(id, key, value)"


class Statement(NamedTuple):
    """One kind of statement.

    - `sql`: its text, of the writer of a number.
    - `law`: what it does to a table.
    - `queries`: it plans a query before its commit.
    - `stages`: it writes files before its commit.
    - `rules`: it changes what other statements stand on.
    """

    sql: Callable[[int], str]
    law: Law
    queries: bool = True
    stages: bool = True
    rules: bool = False

    def moments(self) -> Sequence[str]:
        """When another may commit in the middle of it.

        - `planned`: it has planned its first query, on the version of then.
        - `asked`: it has read the snapshot that it works on.
        - `staged`: its files are written.
        - `committing`: after a neighbour's commit it has read the snapshot on which it commits them.
        """
        planned = ["planned"] if self.queries else []
        return [*planned, "asked", *(["staged", "committing"] if self.stages else [])]


def _verb(name: str, sql: Callable[[int, str], str], **more: bool) -> Statement:
    """What a verb of the other matrix does, said in SQL, with the rows that it brings."""
    operation = EVERY[name]

    def text(writer: int) -> str:
        rows = operation.brought(writer).to_pylist()
        return sql(writer, ", ".join(f"({r['id']}, '{r['key']}', {r['value']})" for r in rows))

    return Statement(text, operation.apply, **more)


def _insert(writer: int, rows: str) -> str:
    return f"INSERT INTO t {_COLUMNS} VALUES {rows}"


def _merge(name: str, *clauses: str) -> Statement:
    return _verb(
        name,
        lambda writer, rows: (
            f"MERGE INTO t USING (SELECT * FROM (VALUES {rows}) AS v{_COLUMNS}) AS s ON t.id = s.id "
            + " ".join(clauses)
        ),
    )


def _greatest(table: Table, column: str) -> Any:
    return max((row[column] for row in table.rows if row[column] is not None), default=None)


def _next_id(table: Table) -> Any:
    greatest = _greatest(table, "id")
    return None if greatest is None else greatest + 1


def _inserted(table: Table, *rows: Row) -> Table:
    return table.put([*table.rows, *rows], written=rows)


def _changed(table: Table, change: Callable[[Row], Row | None]) -> Table:
    """The table with other rows for those for which there are any."""
    changes = [(row, change(row)) for row in table.rows]
    rows = [row if changed is None else changed for row, changed in changes]
    return table.put(rows, written=[changed for _, changed in changes if changed is not None])


def _insert_select(table: Table, writer: int) -> Table:
    return _inserted(table, *(row | {"id": row["id"] + 1000 * writer} for row in FEED))


def _insert_next(table: Table, writer: int) -> Table:
    row = {"id": _next_id(table), "key": "b", "value": len(table.rows) + writer}
    return _inserted(table, row)


def _overwrite_from_itself(table: Table, writer: int) -> Table:
    rows = [row | {"value": row["value"] + writer} for row in table.rows if row["key"] == "b"]
    plain = [{name: row[name] for name in ("id", "key", "value")} for row in rows]
    return table.put(plain, written=plain)


def _delete_above(table: Table, writer: int) -> Table:
    above = mean(row["value"] for row in table.rows) if table.rows else None
    return table.put([row for row in table.rows if above is None or row["value"] <= above])


def _delete_fed(table: Table, writer: int) -> Table:
    return table.put([row for row in table.rows if row["id"] not in (3, 60)])


def _update_to_greatest(table: Table, writer: int) -> Table:
    greatest = _greatest(table, "value")
    return _changed(
        table, lambda row: row | {"value": greatest + writer} if row["id"] == 1 else None
    )


def _update_from(table: Table, writer: int) -> Table:
    fed = {row["id"]: row["value"] for row in FEED}
    return _changed(
        table,
        lambda row: (
            row | {"value": row["value"] + fed[row["id"]] - 550} if row["id"] in fed else None
        ),
    )


def _merge_next(table: Table, writer: int) -> Table:
    kept = [row for row in table.rows if row["value"] >= 20]
    row = {"id": _next_id(table), "key": "a", "value": writer}
    return table.put([*kept, row], written=[row])


STATEMENTS = {
    "insert": _verb("append", _insert),
    "insert-select": Statement(
        lambda writer: (
            f"INSERT INTO t {_COLUMNS} SELECT id + {1000 * writer}, key, value FROM feed"
        ),
        _insert_select,
    ),
    "insert-next": Statement(
        lambda writer: (
            f"INSERT INTO t {_COLUMNS} SELECT max(id) + 1, 'b', count(*) + {writer} FROM t"
        ),
        _insert_next,
    ),
    "overwrite": _verb(
        "overwrite", lambda writer, rows: f"INSERT OVERWRITE t {_COLUMNS} VALUES {rows}"
    ),
    "overwrite-from-itself": Statement(
        lambda writer: (
            f"INSERT OVERWRITE t {_COLUMNS} SELECT id, key, value + {writer} FROM t WHERE key = 'b'"
        ),
        _overwrite_from_itself,
    ),
    "replace-where": _verb(
        "overwrite-where",
        lambda writer, rows: f"INSERT INTO t {_COLUMNS} REPLACE WHERE key = 'a' VALUES {rows}",
    ),
    "delete": _verb(
        "delete-where",
        lambda writer, rows: "DELETE FROM t WHERE value >= 30 AND key = 'a'",
        queries=False,
    ),
    "delete-above": Statement(
        lambda writer: "DELETE FROM t WHERE value > (SELECT avg(value) FROM t)", _delete_above
    ),
    "delete-fed": Statement(
        lambda writer: "DELETE FROM t WHERE id IN (SELECT id FROM feed)", _delete_fed
    ),
    "truncate": _verb("delete-all", lambda writer, rows: "TRUNCATE TABLE t", queries=False),
    "update": _verb(
        "update",
        lambda writer, rows: f"UPDATE t SET value = value * 2 + {writer} WHERE key = 'a'",
        queries=False,
    ),
    "update-to-greatest": Statement(
        lambda writer: f"UPDATE t SET value = (SELECT max(value) FROM t) + {writer} WHERE id = 1",
        _update_to_greatest,
    ),
    "update-from": Statement(
        lambda writer: "UPDATE t SET value = t.value + f.value - 550 FROM feed f WHERE t.id = f.id",
        _update_from,
    ),
    "upsert": _merge("upsert", "WHEN MATCHED THEN UPDATE SET *", "WHEN NOT MATCHED THEN INSERT *"),
    "insert-new": _merge("insert-new", "WHEN NOT MATCHED THEN INSERT *"),
    "swap": _merge("swap", "WHEN MATCHED THEN DELETE", "WHEN NOT MATCHED THEN INSERT *"),
    "merge-next": Statement(
        lambda writer: (
            f"MERGE INTO t USING (SELECT max(id) + 1 AS id, {writer} AS value FROM t) AS s ON t.id = s.id "
            "WHEN NOT MATCHED THEN INSERT (id, key, value) VALUES (s.id, 'a', s.value) "
            "WHEN NOT MATCHED BY SOURCE AND t.value < 20 THEN DELETE"
        ),
        _merge_next,
    ),
    "optimize": _verb("compact", lambda writer, rows: "OPTIMIZE t", queries=False),
    "z-order": _verb("z-order", lambda writer, rows: "OPTIMIZE t ZORDER BY (id)", queries=False),
    "restore": _verb(
        "restore",
        lambda writer, rows: f"RESTORE TABLE t TO VERSION AS OF {writer % BASE}",
        queries=False,
        stages=False,
    ),
    "add-column": _verb(
        "add-column",
        lambda writer, rows: f"ALTER TABLE t ADD COLUMNS (extra_{writer} BIGINT)",
        queries=False,
        stages=False,
        rules=True,
    ),
    "add-constraint": _verb(
        "add-constraint",
        lambda writer, rows: f"ALTER TABLE t ADD CONSTRAINT small_{writer} CHECK (value < {LIMIT})",
        queries=False,
        stages=False,
        rules=True,
    ),
    "set-property": _verb(
        "set-property",
        lambda writer, rows: (
            "ALTER TABLE t SET TBLPROPERTIES "
            f"('delta.logRetentionDuration' = 'interval {30 + writer} days')"
        ),
        queries=False,
        stages=False,
        rules=True,
    ),
}
"""Those of the matrix."""

_ALL = {**STATEMENTS, "insert-more": _verb("append-more", _insert)}


class Session(dfd.Runtime):
    """A runtime in the middle of whose next statement others commit."""

    def __init__(self, policy: DeltaRetryPolicy) -> None:
        said = ObservabilityConfig(record_sql="text")
        super().__init__(dfd.DataFusionRuntimeProfile(retry=policy, observability=said))
        self._others: dict[str, Callable[[], object]] = {}
        self._asked = 0

    def do(self, sql: str, others: Mapping[str, Callable[[], object]]) -> str:
        """Run a statement; the status of its outcome, or the name of what it raised."""
        self._others, self._asked = dict(others), 0
        try:
            outcome = self.sql(sql).outcome
            assert outcome is not None
            return str(outcome.status)
        except RetriesExhausted:
            raise
        except ConflictError:
            return "conflict"
        except DfdError:
            return "refused"
        finally:
            self._others = {}

    def plan_sql(
        self, sql: str, params: Mapping[str, Any] | None = None, preparation: Any = None
    ) -> dfd.Query:
        query = super().plan_sql(sql, params, preparation)
        self._meet("planned")
        return query

    def table(self, uri: str | Path, *more: Any, **named: Any) -> GuardedTable:
        return super().table(uri, *more, **named).with_hooks(self)

    def before_commit(self, plan: CommitPlan) -> None:
        self._asked += 1
        self._meet("asked" if self._asked == 1 else "committing")

    def after_stage(self, plan: CommitPlan, staged: Mapping[str, object]) -> None:
        self._meet("staged")

    def after_commit(self, outcome: Outcome) -> None:
        # The row of figures is planned too.
        self._others = {}

    def _meet(self, moment: str) -> None:
        if (others := self._others.pop(moment, None)) is not None:
            others()


class Entry(NamedTuple):
    """A statement, and its writer."""

    statement: str
    writer: int

    @property
    def kind(self) -> Statement:
        return _ALL[self.statement]

    @property
    def sql(self) -> str:
        """Its text, which no other writer's equals."""
        return f"{self.kind.sql(self.writer)} -- {self.writer}"

    def apply(self, table: Table) -> Table:
        """What it makes of a table.

        Raises:
            Refused: a rule of the table forbids it.
        """
        return self.kind.law(table, self.writer)


NEIGHBOUR = Entry("insert-more", 9)


class Races:
    """Two sessions, and a third that commits between them."""

    def __init__(self, feed: Path, policy: DeltaRetryPolicy) -> None:
        self._sessions = [Session(policy) for _ in range(3)]
        for session in self._sessions:
            session.register("feed", feed)

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def race(self, place: Place, winner: Entry, loser: Entry, moment: str) -> dict[Entry, str]:
        """Do one statement in the middle of another; what came of each, in the order of their ends."""
        results: dict[Entry, str] = {}

        def do(session: Session, entry: Entry, **others: Callable[[], object]) -> None:
            results[entry] = session.do(entry.sql, others)

        first, second, third = self._sessions
        for session in self._sessions:
            session.unregister("t")
            session.register("t", place.directory)
        others = {moment: lambda: do(second, winner)}
        if moment == "committing":
            others["staged"] = lambda: do(third, NEIGHBOUR)
        do(first, loser, **others)
        assert winner in results, "the moment never came"
        return results


def check(place: Place, results: Mapping[Entry, str], *, is_replanned: bool = False) -> None:
    """Each version is what the laws make of the one before, and each statement did what it says.

    A conflict ends a statement only where another has changed the rules, unless those are `is_replanned`.
    """
    log = [info["sql"] for info in reversed(DeltaTable(place.directory).history()) if "sql" in info]
    order = [entry for entry, result in results.items() if result == "committed"]
    assert log == [entry.sql for entry in order]
    versions = [BEGINNING[-1]]
    for number, entry in enumerate(order, BASE + 1):
        before = versions[-1]
        after = entry.apply(before)
        versions.append(after.but(past=(*before.past, before)))
        state = place.state(number)
        assert state.columns == after.columns
        assert state.rows == after.content, entry
        assert state.counted == len(after.rows)
    assert place.bare().version() == BASE + len(order)
    *others, loser = results
    committed = 0
    for entry in others:
        # Nobody commits in the middle of these.
        _explain(entry, results[entry], versions[committed : committed + 1])
        committed += results[entry] == "committed"
    if results[loser] == "conflict":
        assert not is_replanned
        assert any(entry.kind.rules for entry in order)
    else:
        _explain(loser, results[loser], versions)


def _explain(entry: Entry, result: str, versions: Sequence[Table]) -> None:
    """What became of a statement follows from one of the versions that it may have seen."""
    if result == "refused":
        assert any(_is_refused(version, entry) for version in versions), entry
    elif result == "nothing_to_do":
        assert any(_is_same(version, entry) for version in versions), entry
    else:
        assert result == "committed", entry


def _is_refused(version: Table, entry: Entry) -> bool:
    try:
        entry.apply(version)
    except Refused:
        return True
    return False


def _is_same(version: Table, entry: Entry) -> bool:
    try:
        after = entry.apply(version)
    except Refused:
        return False
    return (after.content, after.rules) == (version.content, version.rules)
