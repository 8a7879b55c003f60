"""A report's plain values as Markdown and as an HTML page.

Both walk the same sections. HTML is built as a tree by the standard library, which escapes all
text; nothing is put together from strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET


class _Table(NamedTuple):
    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: frozenset[str] = frozenset()


class _Plan(NamedTuple):
    title: str
    facts: list[tuple[str, str]]
    text: str


def _sections(report: Mapping[str, Any]) -> Iterator[_Table | _Plan]:
    capabilities = report["capabilities"]
    defects = capabilities.get("known_defects", [])
    yield _Table(
        "Installation",
        ("what", "value"),
        _pairs({k: v for k, v in capabilities.items() if k != "known_defects"}),
    )
    if defects:
        yield _records("Known defects of installed libraries", defects, tuple(defects[0]))
    yield _Table("Settings", ("what", "value"), _pairs(report["settings"]))
    yield _Table("Caches", ("what", "value"), _pairs(report["caches"]))
    yield _records("Tables", report["tables"], ("name", "uri", "version", "pinned"))
    yield _records(
        "Operations",
        report["operations"],
        ("operation", "uri", "status", "duration_s", "details", "error", "run_id"),
    )
    yield _records(
        "Queries",
        report["queries"],
        ("query_id", "summary", "sql", "status", "rows", "duration_s", "slow", "route", "error"),
    )
    for query in report["slow_queries"]:
        plan = query["plan"]
        text = "The plan of this run was not at hand." if plan is None else plan["text"]
        if plan is not None and plan["truncated"]:
            text += "\n... (cut off: max_plan_bytes)"
        facts = (
            "summary", "sql", "duration_s", "refresh_s", "planning_s", "execution_s", "consumer_s", "rows",
            "status", "run_id", "trace_id",
        )  # fmt: skip
        yield _Plan(
            f"Slow query {query['query_id']}", [(name, _text(query[name])) for name in facts], text
        )


def _records(title: str, records: Sequence[Mapping[str, Any]], header: tuple[str, ...]) -> _Table:
    rows = [tuple(_text(record.get(name)) for name in header) for record in records]
    numbers = frozenset(
        name for name in header if any(type(r.get(name)) in (int, float) for r in records)
    )
    return _Table(title, header, rows, numbers)


def _pairs(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += _pairs(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", _text(value) or "not set"))
    return rows


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{round(value, 3):g}" if abs(value) < 1e6 else f"{value:.0f}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def markdown(report: Mapping[str, Any]) -> str:
    """A report as GitHub-flavoured Markdown."""
    lines = [
        "# dfd diagnostics report",
        "",
        f"Made {report['created_at']}, run `{_cell(report['run_id'])}`.",
    ]
    for section in _sections(report):
        lines += ["", f"## {_cell(section.title)}", ""]
        if isinstance(section, _Plan):
            lines += [f"- {name}: {_cell(value)}" for name, value in section.facts if value]
            fence = "`" * (1 + max(2, *(len(run) for run in re.findall("`+", section.text)), 0))
            lines += ["", f"{fence}text", section.text, fence]
        elif section.rows:
            lines.append(f"| {' | '.join(section.header)} |")
            lines.append(
                f"|{'|'.join('---:' if n in section.numbers else '---' for n in section.header)}|"
            )
            lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in section.rows]
        else:
            lines.append("None.")
    return "\n".join(lines) + "\n"


_MARKUP = re.compile(r"[\\`*|<>\[\]&]")


def _cell(value: str) -> str:
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(value.split()))


_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --quiet: #59636e; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --quiet: #9198a1; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; overflow-wrap: anywhere; }
p, dt { color: var(--quiet); } nav a { margin-right: 1rem; white-space: nowrap; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; } th { background: var(--soft); white-space: nowrap; }
td { overflow-wrap: break-word; min-width: 5rem; max-width: 32rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: .8rem; overflow-x: auto; font-size: .82rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 0 .6rem; }
dd { margin: 0; overflow-wrap: anywhere; }
"""


def html(report: Mapping[str, Any]) -> str:
    """A report as an HTML page of its own: nothing to load, no script."""
    page = ET.Element("html", lang="en")
    head = ET.SubElement(page, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _add(head, "title", "dfd diagnostics report")
    _add(head, "style", _STYLE)
    body = ET.SubElement(page, "body")
    _add(body, "h1", "dfd diagnostics report")
    _add(body, "p", f"Made {report['created_at']}, run {report['run_id']}.")
    sections = list(_sections(report))
    links = ET.SubElement(body, "nav")
    for number, section in enumerate(sections):
        if isinstance(section, _Table):
            _add(links, "a", section.title, href=f"#s{number}")
            links[-1].tail = " "
    slow = next((n for n, s in enumerate(sections) if isinstance(s, _Plan)), None)
    if slow is not None:
        _add(links, "a", "Slow queries", href=f"#s{slow}")
    for number, section in enumerate(sections):
        block = ET.SubElement(body, "section", id=f"s{number}")
        _add(block, "h2", section.title)
        if isinstance(section, _Plan):
            facts = ET.SubElement(block, "dl")
            for name, value in section.facts:
                if value:
                    _add(facts, "dt", name)
                    _add(facts, "dd", value)
            _add(block, "pre", section.text)
        elif section.rows:
            _table(block, section)
        else:
            _add(block, "p", "None.")
    return "<!doctype html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"


def _table(block: ET.Element, section: _Table) -> None:
    table = ET.SubElement(ET.SubElement(block, "div", {"class": "scroll"}), "table")
    header = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    rows = ET.SubElement(table, "tbody")
    for name in section.header:
        _add(header, "th", name, **_align(section, name))
    for values in section.rows:
        row = ET.SubElement(rows, "tr")
        for name, value in zip(section.header, values, strict=True):
            _add(row, "td", value, **_align(section, name))


def _align(section: _Table, name: str) -> dict[str, str]:
    return {"class": "n"} if name in section.numbers else {}


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    # Control characters have no place in HTML.
    clean = "".join(c for c in text if c >= " " or c in "\n\t")
    ET.SubElement(parent, tag, attributes).text = clean
