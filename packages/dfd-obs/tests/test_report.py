"""The report: the same facts thrice, escaped, complete, and written as a whole."""

from __future__ import annotations

import itertools
import json
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import msgspec
import pytest
from datafusion import SessionContext
from dfd_obs import (
    DiagnosticsReport,
    ObservabilityConfig,
    ObservabilityError,
    Observer,
    report_schema,
)

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
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [v or "" for k, v in attrs if k == "id"]
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


def test_save_writes_all_and_leaves_no_part(tmp_path: Path) -> None:
    made = report()
    paths = made.save(tmp_path / "new" / "report")
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    assert paths[2].read_text(encoding="utf-8") == made.to_html()
    made.save(tmp_path / "new" / "report")
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "report.trace.json",
    ]


def test_save_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ObservabilityError, match="can't be written"):
        report().save(tmp_path / "file")


def many(count: int) -> DiagnosticsReport:
    """Queries of two statements, one of them failing now and then, and writes that were retried."""
    observer = Observer(ObservabilityConfig(slow_query_ms=1e9, record_sql="text"))
    for number in range(count):
        failed = ValueError(NASTY) if number % 10 == 3 else None
        observer.start_query(f"select {number} from t").finish(rows=number, error=failed)
        with observer.operation("append", "/data/t") as scope:
            observer.start_query("select a from s").finish(rows=1)
            scope.finish({"version": number, "attempts": 1 + (number == 7), "conflicts": "append"})
    return DiagnosticsReport.build(observer=observer)


def test_the_head_says_what_the_report_is_opened_for() -> None:
    made = many(20)
    assert str(made.headline) == "40 queries, 2 failed; 20 writes, 1 retried; t at version 19"
    page = made.to_html().partition("<body>")[2]
    # Before all else, failures before what went well, and what is installed last.
    places = [
        "<h1>",
        "40</b> queries",
        " retried",
        "at version 19",
        ">Failed and slow queries</h2>",
        ">Statements</h2>",
    ]
    places += [
        ">Writes</h2>",
        ">Queries</h2>",
        ">Tables</h2>",
        ">Caches</h2>",
        ">Installation</h2>",
    ]
    found = [page.index(place) for place in places]
    assert found == sorted(found)
    assert made.to_markdown().startswith(f"# dfd diagnostics report\n\n**{made.headline}**")


def test_statements_that_differ_in_literals_are_one() -> None:
    made = many(20)
    assert len(made.statements) == 2
    (first, _) = sorted(made.statements, key=lambda one: one.failed, reverse=True)
    assert (first.runs, first.failed, first.rows) == (20, 2, sum(range(20)))
    durations = sorted(q.duration_s for q in made.queries if q.fingerprint == first.key)
    assert (first.p50_s, first.p95_s, first.max_s) == (durations[9], durations[18], durations[19])


def test_a_write_leads_to_the_query_that_it_read_and_back() -> None:
    made = many(1)
    (operation,) = made.operations
    assert operation.query_id in {query.query_id for query in made.queries}
    page = Page()
    page.feed(made.to_html())
    assert f"#r-{operation.query_id}" in page.addresses


def test_every_link_leads_somewhere() -> None:
    page = Page()
    page.feed(many(300).to_html())
    assert len(page.ids) == len(set(page.ids))
    assert {address[1:] for address in page.addresses} <= set(page.ids)


def test_long_lists_are_cut_with_a_count() -> None:
    made = many(300)
    for text in (made.to_html(), made.to_markdown()):
        assert "And 400 more" in text
        assert "And 100 more" in text
    # The document has them all.
    assert len(made.queries) == 600


def test_the_document_is_of_its_schema(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(report_schema.published())
    validator.check_schema(validator.schema)
    for made in (report(), many(3), with_a_plan(), DiagnosticsReport.build()):
        validator.validate(json.loads(made.to_json()))
        assert msgspec.json.decode(made.to_json(), type=DiagnosticsReport) == made
    wrong = json.loads(report().to_json()) | {"queries": [{"query_id": 1}]}
    assert not validator.is_valid(wrong)


@pytest.mark.skipif(
    msgspec.__version__ < "0.23", reason="older ones write the same schema in another order"
)
def test_the_published_schema_is_that_of_this_version() -> None:
    # Made anew by `report_schema.made()`; what a reader of the one before can't read has another format_version.
    assert json.loads(report_schema.made()) == report_schema.published()


def with_a_plan() -> DiagnosticsReport:
    observer = Observer(ObservabilityConfig(slow_query_ms=0, record_sql="text"))
    frame = SessionContext().sql("select value from generate_series(1, 10) where value > 3")
    scope = observer.start_query("select value", route="session")
    frame.collect()
    scope.finish(rows=7, plan=frame.execution_plan())
    return DiagnosticsReport.build(observer=observer)


def test_the_same_records_are_the_same_bytes() -> None:
    for made in (many(30), with_a_plan()):
        again = msgspec.json.decode(made.to_json(), type=DiagnosticsReport)
        for one, same in zip(rendered(made), rendered(again), strict=True):
            assert one == same


def rendered(made: DiagnosticsReport) -> tuple[str, str, str, str]:
    return made.to_json(), made.to_markdown(), made.to_html(), made.to_trace()


def test_a_trace_has_runs_queries_and_operators_by_their_times() -> None:
    made = with_a_plan()
    trace = json.loads(made.to_trace())
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [one["cat"] for one in spans[:2]] == ["run", "query"]
    assert {"FilterExec", "LazyMemoryExec"} <= {one["name"] for one in spans[2:]}
    assert {one["cat"] for one in spans[2:]} == {"operator"}
    run, query = spans[:2]
    for one in spans[2:]:
        # Clocks of the day and of the process differ by less than a millisecond here.
        assert one["ts"] >= query["ts"] - 1000
    assert run["ts"] == query["ts"]
    assert run["dur"] == query["dur"]
    names = {(e["pid"], e["tid"]) for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert {(one["pid"], one["tid"]) for one in spans} <= names


def test_spans_of_one_track_never_overlap_in_part() -> None:
    spans = [e for e in json.loads(many(100).to_trace())["traceEvents"] if e["ph"] == "X"]
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for one in spans:
        tracks.setdefault((one["pid"], one["tid"]), []).append((one["ts"], one["ts"] + one["dur"]))
    for times in tracks.values():
        times.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))
