"""A report as an HTML page of its own: nothing to load, no script, folds and links alone."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree import ElementTree as ET

from dfd_obs import told
from dfd_obs.document import ReportDocument
from dfd_obs.html_elements import add, clean
from dfd_obs.html_plan import add_plan
from dfd_obs.page_style import STYLE
from dfd_obs.query_facts import facts_of
from dfd_obs.record import QueryRecord
from dfd_obs.report_tables import Row, Table, first_tables, last_tables

MOST_PLANS = 50
# A page of a hundred long statements would be no page.
_MOST_STATEMENT = 20_000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def of(report: ReportDocument) -> str:
    """The page, beginning with what it is opened for."""
    page = ET.Element("html", lang="en")
    head = add(page, "head")
    add(head, "meta", charset="utf-8")
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    ET.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    add(head, "title", f"dfd: {report.headline}")
    ET.SubElement(head, "style").text = STYLE
    body = add(page, "body")
    _head(body, report)
    looked_at = report.looked_at
    shown = looked_at[:MOST_PLANS]
    # Where a link leads: to a plan, or else to the row of a query.
    targets = {one.query_id: f"q-{one.query_id}" for one in shown}
    tables = first_tables(report)
    for table in tables:
        for row in table.rows:
            if row.query_id is not None:
                targets.setdefault(row.query_id, f"r-{row.query_id}")
    others = last_tables(report)
    _links(body, bool(shown), [*tables, *others])
    if shown:
        _looked_at(body, shown, len(looked_at))
    for table in (*tables, *others):
        _table(body, table, targets)
    add(
        body,
        "p",
        "Over time: report.trace.json beside this page, for ui.perfetto.dev.",
        class_="quiet",
    )
    return "<!doctype html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def _head(body: ET.Element, report: ReportDocument) -> None:
    head = add(body, "header")
    add(head, "h1", "dfd report")
    counted = report.headline
    figures = add(head, "p", class_="figures-head")
    for number, word, mark in (
        (counted.queries, "query" if counted.queries == 1 else "queries", ""),
        (counted.queries_failed, "failed", "bad"),
        (counted.queries_slow, "slow", "slow"),
        (counted.queries_abandoned, "abandoned", ""),
        (counted.operations, "write" if counted.operations == 1 else "writes", ""),
        (counted.operations_failed, "writes failed", "bad"),
        (counted.operations_retried, "retried", "slow"),
    ):
        if number or word in ("queries", "writes"):
            figure = add(figures, "span", class_=f"badge {mark}".strip())
            add(figure, "b", f"{number:,}").tail = f" {word}"
            figure.tail = " "
    if counted.versions:
        add(head, "p", f"Newest: {counted.versions}.")
    made = add(head, "p", f"Made {told.moment(report.created_at)} UTC, run ", class_="quiet")
    add(made, "span", told.short_id(report.run_id), title=report.run_id).tail = "."


def _links(body: ET.Element, has_plans: bool, tables: list[Table]) -> None:
    links = add(body, "nav")
    links.set("aria-label", "Sections")
    titles = ["Failed and slow queries"] if has_plans else []
    for title in [*titles, *(table.title for table in tables)]:
        add(links, "a", title, href=f"#{_anchor(title)}").tail = " "


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _looked_at(body: ET.Element, shown: list[QueryRecord], count: int) -> None:
    title = "Failed and slow queries"
    block = add(body, "section", id=_anchor(title))
    add(block, "h2", title)
    for number, one in enumerate(shown):
        _query(block, one, is_open=number == 0)
    if count > len(shown):
        add(block, "p", f"And {count - len(shown):,} more, which report.json has.", class_="quiet")


def _query(block: ET.Element, one: QueryRecord, is_open: bool) -> None:
    has_failed = one.status == "error"
    details = add(block, "details", id=f"q-{one.query_id}", class_="query")
    if is_open:
        details.set("open", "open")
    head = add(details, "summary")
    add(
        head,
        "span",
        "failed" if has_failed else "slow",
        class_="badge bad" if has_failed else "badge slow",
    )
    add(head, "b", one.summary or "?")
    day = one.started_at
    add(head, "span", told.time_of_day(day, day.date()))
    add(head, "span", told.seconds(one.duration_s))
    add(head, "span", f"{one.rows:,} rows")
    add(head, "code", told.short_id(one.query_id), title=one.query_id)
    facts = add(details, "dl")
    for name, value in facts_of(one):
        add(facts, "dt", name)
        if name == "statement":
            add(add(facts, "dd"), "code", value[:_MOST_STATEMENT])
        else:
            add(facts, "dd", value)
    if one.plan is not None:
        add_plan(details, one.plan)
    else:
        add(details, "p", "The plan of this run was not at hand.", class_="quiet")


def _table(body: ET.Element, table: Table, targets: dict[str, str]) -> None:
    block = add(body, "section", id=_anchor(table.title))
    if table.is_folded:
        block = add(block, "details", class_="folded")
        add(add(block, "summary"), "h2", table.title)
    else:
        add(block, "h2", table.title)
    if not table.rows:
        add(block, "p", "None.", class_="quiet")
        return
    # A region that scrolls is reached by the keyboard, and says what it is.
    scroll = add(block, "div", class_="scroll", tabindex="0", role="region")
    scroll.set("aria-label", table.title)
    drawn = add(scroll, "table")
    header = add(add(drawn, "thead"), "tr")
    for name in table.header:
        add(header, "th", name, **_align(table, name), scope="col")
    rows = add(drawn, "tbody")
    anchored: set[str] = set(targets.values())
    for row in table.rows:
        _row(rows, row, table, targets, anchored)
    if table.left_out:
        add(block, "p", f"And {table.left_out:,} more, which report.json has.", class_="quiet")


def _row(
    rows: ET.Element,
    row: Row,
    table: Table,
    targets: dict[str, str],
    anchored: Collection[str],
) -> None:
    drawn = add(rows, "tr", **({"class_": row.mark} if row.mark else {}))
    if row.query_id is not None and f"r-{row.query_id}" in anchored:
        drawn.set("id", f"r-{row.query_id}")
    for name, cell in zip(table.header, row.cells, strict=True):
        place = add(drawn, "td", **_align(table, name))
        target = None if cell.query_id is None else targets.get(cell.query_id)
        shown = place
        if target is not None and target != drawn.get("id"):
            shown = add(place, "a", href=f"#{target}")
        elif cell.whole is not None:
            shown = add(place, "span")
        if cell.whole is not None:
            shown.set("title", clean(cell.whole))
        shown.text = clean(cell.text)


def _align(table: Table, name: str) -> dict[str, str]:
    return {"class_": "n"} if name in table.numbers else {}
