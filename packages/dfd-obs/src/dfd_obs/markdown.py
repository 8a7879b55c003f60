"""A report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dfd_obs import told
from dfd_obs.document import ReportDocument
from dfd_obs.query_facts import facts_of
from dfd_obs.record import QueryRecord
from dfd_obs.report_tables import Table, first_tables, last_tables

MOST_PLANS = 20


def of(report: ReportDocument) -> str:
    """The report, beginning with what it is opened for."""
    looked_at = report.looked_at
    lines = [
        "# dfd diagnostics report",
        "",
        f"**{_cell(str(report.headline))}**",
        "",
        f"Made {told.moment(report.created_at)} UTC, run `{_cell(report.run_id)}`.",
    ]
    if looked_at:
        lines += ["", "## Failed and slow queries"]
        for one in looked_at[:MOST_PLANS]:
            lines += _query(one)
        lines += _left_out(len(looked_at) - MOST_PLANS)
    for table in (*first_tables(report), *last_tables(report)):
        lines += _table(table)
    return "\n".join(lines) + "\n"


def _query(one: QueryRecord) -> Iterator[str]:
    what = "Failed" if one.status == "error" else "Slow"
    yield from ("", f"### {what} query {one.query_id}: {_cell(one.summary or '?')}", "")
    for name, value in facts_of(one):
        yield f"- {name}: {_cell(value)}"
    if one.plan is None or not one.plan.text:
        return
    text = one.plan.text + ("\n... (left out: max_plan_bytes)" if one.plan.truncated else "")
    fence = "`" * (1 + max(2, *(len(run) for run in re.findall("`+", text)), 0))
    yield from ("", f"{fence}text", text, fence)


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"## {_cell(table.title)}", "")
    if not table.rows:
        yield "None."
        return
    if table.is_folded:
        yield from ("<details><summary>Show</summary>", "")
    yield f"| {' | '.join(table.header)} |"
    yield f"|{'|'.join('---:' if name in table.numbers else '---' for name in table.header)}|"
    for row in table.rows:
        texts = [_cell(cell.text) for cell in row.cells]
        if row.mark:
            texts[0] = f"**{texts[0]}**"
        yield f"| {' | '.join(texts)} |"
    yield from _left_out(table.left_out)
    if table.is_folded:
        yield from ("", "</details>")


def _left_out(count: int) -> Iterator[str]:
    if count > 0:
        yield from ("", f"And {count:,} more, which `report.json` has.")


_MARKUP = re.compile(r"[\\`*|<>\[\]&]")


def _cell(value: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(value.split()))
