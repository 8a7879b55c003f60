"""The report: the same facts thrice, escaped, complete, and written as a whole."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from dfd_obs import DiagnosticsReport, ObservabilityConfig, ObservabilityError, Observer

NASTY = "<script>alert('x')</script> | `tick` & \x00 end"


def report() -> DiagnosticsReport:
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql="text"))
    observer.start_query(f"select '{NASTY}'", route="session").finish(rows=2)
    with observer.operation("append", "/data/t") as scope:
        scope.finish({"version": 4, "note": NASTY})
    return DiagnosticsReport.build(
        observer=observer,
        capabilities={"python": "3.12.1", "known_defects": [{"library": "x 1", "defect": NASTY}]},
        settings={"storage": {"secret_access_key": "hunter2"}},
        caches={"read_back": True},
        tables=[{"name": "t", "uri": "/data/t", "version": 4, "pinned": False}],
    )


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_json_is_the_document(tmp_path: Path) -> None:
    made = report()
    document = json.loads(made.to_json())
    assert document == made.to_dict()
    assert document["tables"] == [{"name": "t", "uri": "/data/t", "version": 4, "pinned": False}]
    assert document["operations"][0]["details"]["version"] == 4
    assert document["queries"][0]["rows"] == 2
    assert "hunter2" not in made.to_json() + made.to_markdown() + made.to_html()


def test_html_loads_nothing_and_runs_nothing() -> None:
    page = Page()
    page.feed(report().to_html())
    assert "script" not in page.tags
    assert all(address.startswith("#") for address in page.addresses)
    assert any("<script>alert('x')</script>" in text for text in page.texts)
    assert "\x00" not in report().to_html()


def test_markdown_tables_stay_tables() -> None:
    rows = [line for line in report().to_markdown().splitlines() if line.startswith("| ")]
    assert rows
    for line in rows:
        assert line.endswith(" |")
        assert "<script" not in line
        assert "`" not in line


def test_an_empty_report_renders() -> None:
    empty = DiagnosticsReport.build()
    assert "None." in empty.to_markdown()
    assert "None." in empty.to_html()


def test_save_writes_all_three_and_leaves_no_part(tmp_path: Path) -> None:
    made = report()
    paths = made.save(tmp_path / "new" / "report")
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    assert paths[2].read_text(encoding="utf-8") == made.to_html()
    made.save(tmp_path / "new" / "report")
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(
        path.name for path in paths
    )


def test_save_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObservabilityError, match="can't be written"):
        report().save(tmp_path / "file")
