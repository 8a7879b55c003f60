"""A plan as a nested list that folds, each operator with bars of its time and its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

from dfd_obs import told
from dfd_obs.html_elements import add
from dfd_obs.plan_capture import PlanCapture, PlanOperator, Spread, is_time

# Beyond so many an operator is folded at first.
_MOST_OPEN = 40


def add_plan(parent: ET.Element, capture: PlanCapture) -> None:
    """Add a plan to a page."""
    if capture.plan is None:
        add(parent, "p", "The plan had no room: max_plan_bytes.")
        return
    operators = [one for _, one in capture.plan.walk()]
    busy = sum(one.busy_ms for one in operators)
    most_rows = max((one.rows or 0 for one in operators), default=0)
    drawn = _Drawn(busy, most_rows, is_open=len(operators) <= _MOST_OPEN)
    tree = add(parent, "ul", class_="plan")
    drawn.operator(tree, capture.plan)
    if capture.truncated:
        add(parent, "p", "A part of the plan was left out: max_plan_bytes.", class_="quiet")


class _Drawn:
    """A plan that is drawn: the time and the rows that its bars are parts of."""

    def __init__(self, busy_ms: float, most_rows: int, is_open: bool) -> None:
        self._busy_ms = busy_ms
        self._most_rows = most_rows
        self._is_open = is_open

    def operator(self, tree: ET.Element, one: PlanOperator) -> None:
        details = add(add(tree, "li"), "details")
        if self._is_open:
            details.set("open", "open")
        head = add(details, "summary")
        add(head, "b", one.node_type)
        figures = add(head, "span", class_="figures")
        share = one.busy_ms / self._busy_ms if self._busy_ms else 0.0
        _bar(figures, "time", share, f"{told.seconds(one.busy_ms / 1000)} ({share:.0%})")
        if one.rows is not None:
            part = one.rows / self._most_rows if self._most_rows else 0.0
            _bar(figures, "rows", part, f"{one.rows:,} rows")
        if one.details:
            add(details, "p", one.details, class_="detail")
        facts = add(details, "dl")
        for name, value in _facts(one):
            add(facts, "dt", name)
            add(facts, "dd", value)
        if one.extras:
            others = add(details, "details", class_="extras")
            add(others, "summary", f"{len(one.extras)} counters")
            add(others, "p", _counters(one))
        if one.left_out:
            add(details, "p", f"{one.left_out} operators were left out here.", class_="quiet")
        if one.plans:
            beneath = add(details, "ul")
            for plan in one.plans:
                self.operator(beneath, plan)


def _bar(parent: ET.Element, kind: str, share: float, text: str) -> None:
    bar = add(parent, "span", class_=f"bar {kind}")
    add(bar, "i", style=f"width:{min(1.0, share):.1%}")
    add(parent, "span", text, class_="figure")


def _facts(one: PlanOperator) -> Iterator[tuple[str, str]]:
    if one.output_bytes:
        yield "output", told.byte_size(one.output_bytes)
    if one.rows_by_partition is not None and one.rows_by_partition.partitions > 1:
        yield "rows by partition", _spread(one.rows_by_partition, lambda rows: f"{rows:,.0f}")
    if one.time_ms_by_partition is not None and one.time_ms_by_partition.partitions > 1:
        yield (
            "time by partition",
            _spread(one.time_ms_by_partition, lambda ms: told.seconds(ms / 1000)),
        )
    yield from _spilled(one)
    yield from _pruned(one)
    read = one.number("bytes_scanned")
    if read is not None:
        requests = one.number("requests")
        asked = "" if requests is None else f" in {requests:.0f} requests"
        yield "read", told.byte_size(read) + asked
    hits, misses = one.number("footer_cache_hits"), one.number("footer_cache_misses")
    if hits or misses:
        yield "footer cache", f"{hits or 0:.0f} hits, {misses or 0:.0f} misses"


def _spilled(one: PlanOperator) -> Iterator[tuple[str, str]]:
    if one.number("spill_count"):
        yield (
            "spilled",
            f"{told.byte_size(one.number('spilled_bytes') or 0)}, "
            f"{one.number('spilled_rows') or 0:,.0f} rows, {one.number('spill_count'):.0f} files",
        )


_LEVELS = {
    "row groups": ("row_groups_pruned_statistics", "row_groups_pruned_bloom_filter"),
    "pages": ("page_index_pages_pruned",),
    "rows by page": ("page_index_rows_pruned",),
}


def _pruned(one: PlanOperator) -> Iterator[tuple[str, str]]:
    """How much data skipping left out, at each level where there was something to leave out."""
    considered, scanned = one.number("files_considered"), one.number("files_scanned")
    if considered is not None and scanned is not None:
        yield "files skipped", f"{considered - scanned:,.0f} of {considered:,.0f}"
    for level, names in _LEVELS.items():
        left = one.number(*(f"{name}_pruned" for name in names))
        kept = one.number(f"{names[-1]}_matched")
        if left is not None and kept is not None and left + kept:
            yield f"{level} pruned", f"{left:,.0f} of {left + kept:,.0f}"


def _spread(spread: Spread, shown: Callable[[float], str]) -> str:
    lowest, middle, highest = (shown(v) for v in (spread.min, spread.median, spread.max))
    return f"least {lowest}, median {middle}, most {highest}, of {spread.partitions}"


def _counters(one: PlanOperator) -> str:
    told_all = (
        f"{name} {told.seconds(value / 1000) if is_time(name) else f'{value:,.0f}'}"
        for name, value in one.extras.items()
    )
    return ", ".join(told_all)
