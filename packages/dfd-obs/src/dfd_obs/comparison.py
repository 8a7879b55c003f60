"""Two sets of records, statement by statement: what became slower, what fails now, whose plan is another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from dfd_obs.headline import Headline
from dfd_obs.record import QueryRecord
from dfd_obs.recorded import Recorded
from dfd_obs.statements import StatementRuns, by_statement

Change = Literal["slower", "faster", "same", "new", "gone"]
# A median that moved by less is the same.
_SAME = 0.1


class StatementChange(msgspec.Struct, frozen=True, kw_only=True):
    """A statement before and after.

    - `change`: by the median of its durations; one that moved by less than a tenth is the same.
    - `ratio`: of the medians, after by before.
    - `plan_changed`: whether the newest plans have other operators; None where one of them isn't known.
    """

    key: str
    summary: str | None
    change: Change
    ratio: float | None
    before: StatementRuns | None
    after: StatementRuns | None
    plan_changed: bool | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two sets of records compared, those statements first whose time changed the most.

    `by`: what statements are found again by; their summaries, where the fingerprints are of two keys.
    """

    by: Literal["fingerprint", "summary"]
    before: Headline
    after: Headline
    statements: list[StatementChange]


def compare(before: Recorded, after: Recorded) -> Comparison:
    """The comparison of the records of two times."""
    is_shared = bool(_fingerprints(before.queries) & _fingerprints(after.queries))
    old, new = (
        before.queries if is_shared else _by_summary(before.queries),
        after.queries if is_shared else _by_summary(after.queries),
    )
    earlier = {one.key: one for one in by_statement(old)}
    later = {one.key: one for one in by_statement(new)}
    shapes = _plans(old), _plans(new)
    changes = [
        _change(key, earlier.get(key), later.get(key), shapes[0].get(key), shapes[1].get(key))
        for key in sorted(earlier.keys() | later.keys())
    ]
    changes.sort(key=_weight, reverse=True)
    return Comparison(
        by="fingerprint" if is_shared else "summary",
        before=Headline.of(before.queries, before.operations, ()),
        after=Headline.of(after.queries, after.operations, ()),
        statements=changes,
    )


def _fingerprints(records: Iterable[QueryRecord]) -> set[str]:
    return {one.fingerprint for one in records if one.fingerprint is not None}


def _by_summary(records: Sequence[QueryRecord]) -> list[QueryRecord]:
    return [msgspec.structs.replace(one, fingerprint=None) for one in records]


def _plans(records: Iterable[QueryRecord]) -> dict[str, tuple[tuple[int, str], ...]]:
    """The operators of each statement's newest plan."""
    return {
        one.fingerprint or one.summary or "": tuple(
            (depth, operator.node_type) for depth, operator in one.plan.plan.walk()
        )
        for one in records
        if one.plan is not None and one.plan.plan is not None
    }


def _change(
    key: str,
    before: StatementRuns | None,
    after: StatementRuns | None,
    old_plan: object,
    new_plan: object,
) -> StatementChange:
    ratio = None
    if before is not None and after is not None:
        ratio = after.p50_s / before.p50_s if before.p50_s else None
        change: Change = "same" if ratio is None or abs(ratio - 1) < _SAME else "slower"
        if change == "slower" and ratio is not None and ratio < 1:
            change = "faster"
    else:
        change = "gone" if after is None else "new"
    known = after or before
    return StatementChange(
        key=key,
        summary=None if known is None else known.summary,
        change=change,
        ratio=ratio,
        before=before,
        after=after,
        plan_changed=None if old_plan is None or new_plan is None else old_plan != new_plan,
    )


def _weight(one: StatementChange) -> float:
    before = 0.0 if one.before is None else one.before.total_s
    after = 0.0 if one.after is None else one.after.total_s
    return abs(after - before)
