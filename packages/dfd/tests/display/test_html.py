"""A result as HTML: escaped, bounded, under names and types."""

from __future__ import annotations

import html.parser

import dfd
import pyarrow as pa
import pytest
from dfd.display.html import html_table, html_text


class Parsed(html.parser.HTMLParser):
    """The texts of a page by the tags that they stand in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1], data))

    def of(self, *tags: str) -> list[str]:
        return [text for tag, text in self.texts if tag in tags]


def page(table: pa.Table) -> Parsed:
    return Parsed(html_table(table.schema, table.to_batches(), "foot <&>"))


def test_names_types_and_values_are_escaped() -> None:
    odd = "<script>alert('x')</script>&\x1b[31m"
    found = page(pa.table({odd: [odd, None], "n": [1, 2]}))
    shown = odd.replace("\x1b", r"\x1b")
    assert found.of("th") == [shown, "n"]
    assert found.of("small") == ["string", "int64"]
    assert found.of("td", "span") == [shown, "1", "NULL", "2"]
    assert found.of("p") == ["foot <&>"]


def test_numbers_stand_at_the_right() -> None:
    text = html_table(pa.schema([("n", pa.int64()), ("s", pa.string())]), [], "")
    assert '<th class="n">n' in text
    assert "<th>s" in text


def test_long_texts_and_many_columns_are_bounded() -> None:
    found = page(pa.table({f"c{n}": ["x" * 100_000] for n in range(1000)}))
    assert found.of("th")[20] == "960 more"
    assert found.of("th")[19:22:2] == ["c19", "c980"]
    assert {len(text) for text in found.of("td")} == {500, 1}


def test_colours_are_those_of_the_page() -> None:
    text = html_text("x")
    assert "color:inherit" in text
    assert "color:#" not in text.replace("border-color", "")


def test_a_query_in_a_notebook(runtime: dfd.Runtime, uri: object) -> None:
    query = runtime.sql("select id, s from t order by id")
    found = Parsed(query._repr_html_())
    assert found.of("td", "span")[:4] == ["1", "a", "2", "b"]
    assert found.of("p")[0].startswith("4 rows, ")
    assert found.of("p")[0].endswith(", engine")
    many = Parsed(runtime.sql("select value from generate_series(1, 300000)")._repr_html_())
    assert len(many.of("td")) == 20
    assert many.of("p")[0].startswith("20 of at least ")
    assert runtime.observer.records[-1].status == "abandoned"


def test_what_writes_is_not_run_to_be_shown(runtime: dfd.Runtime, tmp_path: object) -> None:
    runtime.session.from_pydict({"n": [1]}, name="memory")
    query = runtime.sql("insert into memory select 2")
    assert "insert into memory" in query._repr_html_()
    count = runtime.sql("select count(*) from memory")
    assert count.fetch_one() == (1,)
    query.to_arrow_table()
    assert count.fetch_one() == (2,)


def test_a_notebook_shows_queries_and_plans(tmp_path: object) -> None:
    """A real kernel, as a user's notebook has it."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    cells = [
        "import dfd; runtime = dfd.connect(); query = runtime.sql('select 1 as one')\nquery",
        "query.plan()",
        "query.show()",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=120).execute()
    query, plan, shown = (cell.outputs[0] for cell in book.cells)
    assert '<th class="n">one<small>int64</small></th>' in query.data["text/html"]
    assert query.data["text/plain"].startswith('<dfd.Query "select 1 as one" (one: int64)')
    assert "<pre>" in plan.data["text/html"]
    assert "│   one │" in shown.text
