"""The page of a report in a real browser: at a phone's width and a desk's, light, dark, on paper, by keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dfd
import pyarrow as pa
import pytest
from dfd_obs import DiagnosticsReport, ObservabilityConfig
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed."),
    pytest.mark.xdist_group("browser"),
]
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;'\"</p>"
WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DiagnosticsReport:
    """Queries on both routes, of long lists and of odd names, some failing, and writes."""
    directory = tmp_path_factory.mktemp("tables")
    config = ObservabilityConfig(slow_query_ms=0, record_sql="text", max_records=300)
    with dfd.connect(observability=config) as runtime:
        rows = pa.table({"id": list(range(1000)), MARKUP: ["x" * 300] * 1000})
        for _ in range(3):
            runtime.write(directory / "a_table_with_quite_a_long_name_for_a_phone", rows)
        runtime.register("flights", directory / "a_table_with_quite_a_long_name_for_a_phone")
        quoted = MARKUP.replace('"', '""')
        for number in range(250):
            where = f"""id > {number} and "{quoted}" <> '{MARKUP.replace("'", "''")}'"""
            runtime.sql(f"select count(*) as n from flights where {where}").to_arrow_table()
        runtime.sql("select count(*) from information_schema.tables").to_arrow_table()
        failing = (
            f"""select cast("{quoted}" || '{MARKUP.replace("'", "''")}' as int) from flights"""
        )
        with pytest.raises(dfd.QueryError):
            runtime.sql(failing).to_arrow_table()
        runtime.write(directory / "copy", runtime.sql("select id from flights"))
        return runtime.report()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Browser, report: DiagnosticsReport, tmp_path: Path) -> Iterator[Opened]:
    made = Opened(browser, report.save(tmp_path)[2])
    yield made
    made.close()


class Opened:
    """The page, and all that the browser had to say of it."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self._browser = browser
        self._url = path.as_uri()
        self.said: list[str] = []
        self.requests: list[str] = []

    def page(self, width: int, scheme: str) -> Page:
        """The page at a width; `scheme` is "light" or "dark"."""
        page = self._browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(self._url)
        return page

    def close(self) -> None:
        """Close all that was opened."""
        for context in self._browser.contexts:
            context.close()


def screenshots(tmp_path: Path) -> Path:
    """Where screenshots are kept."""
    directory = Path(os.environ.get("DFD_SCREENSHOTS", tmp_path))
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_loads_nothing_and_says_nothing(
    opened: Opened, tmp_path: Path, width: int, scheme: str
) -> None:
    page = opened.page(width, scheme)
    page.screenshot(path=screenshots(tmp_path) / f"report-{width}-{scheme}.png")
    # With everything unfolded as well.
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.querySelectorAll('script, img, link, iframe').length") == 0
    assert opened.said == []
    assert opened.requests == [page.url]
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(opened: Opened, scheme: str) -> None:
    """A contrast of 4.5, as WCAG 2.1 has it for texts (1.4.3)."""
    page = opened.page(1280, scheme)
    assert page.evaluate(CONTRASTS) == []


CONTRASTS = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const found = numbers(getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
  };
  const weak = [];
  for (const element of document.querySelectorAll('body *')) {
    if (!element.childNodes.length || element.firstChild.nodeType !== 3) continue;
    const pair = [numbers(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) weak.push([element.tagName, element.className, ratio]);
  }
  return weak;
}"""


def test_it_begins_with_what_it_is_opened_for(opened: Opened, report: DiagnosticsReport) -> None:
    page = opened.page(1280, "light")
    head = page.locator("header").inner_text()
    for said in ("253 queries", "1 failed", "253 slow", "4 writes", "flights at version 2"):
        assert said in head
    first = page.locator("details.query").first
    assert first.locator("summary .badge").first.inner_text() == "failed"
    assert page.locator("section").last.locator("h2").inner_text() != "Failed and slow queries"
    folded = page.locator("details.folded")
    assert folded.count() >= 2
    assert page.locator("details.folded[open]").count() == 0


def test_a_plan_folds_and_unfolds_by_the_keyboard(opened: Opened) -> None:
    page = opened.page(390, "light")
    # Of the slowest, which is folded beneath what failed.
    block = page.locator("details.query").nth(1)
    block.locator("> summary").focus()
    page.keyboard.press("Enter")
    operator = block.locator(".plan details").first
    summary = operator.locator("> summary")
    beneath = operator.locator("> ul")
    summary.focus()
    for key, is_open in (("Enter", False), ("Space", True), ("Enter", False), ("Enter", True)):
        page.keyboard.press(key)
        assert operator.evaluate("d => d.open") is is_open
        assert beneath.is_visible() is is_open
    # From one operator to the next, past nothing that can't be reached.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_links_lead_from_a_query_to_its_plan_and_from_a_write_to_its_query(opened: Opened) -> None:
    page = opened.page(1280, "light")
    page.locator("#writes a").first.click()
    target = page.url.partition("#")[2]
    assert page.locator(f"[id='{target}']").is_visible()
    page.locator("#queries td a").first.click()
    target = page.url.partition("#")[2]
    assert target.startswith("q-")
    assert page.locator(f"[id='{target}'] > summary").is_visible()


def test_markup_stays_text(opened: Opened, report: DiagnosticsReport) -> None:
    page = opened.page(1280, "light")
    assert MARKUP in page.locator("body").text_content()
    assert MARKUP.replace("'", "''") in str(report.looked_at[0].sql)
    assert page.evaluate("document.querySelectorAll('body img, body script').length") == 0
    assert opened.said == []


def test_long_lists_are_cut_with_a_count(opened: Opened) -> None:
    page = opened.page(1280, "light")
    assert page.locator("#queries tbody tr").count() == 200
    assert "And 53 more" in page.locator("#queries").inner_text()
    assert page.locator("details.query").count() == 50
    assert "And 203 more" in page.locator("#failed-and-slow-queries").inner_text()


def test_on_paper_nothing_is_folded_away(opened: Opened, tmp_path: Path) -> None:
    page = opened.page(1280, "dark")
    page.emulate_media(media="print", color_scheme="light")
    operator = page.locator("details.query:not([open]) .plan summary").first
    assert operator.bounding_box()["height"] > 0
    page.pdf(path=screenshots(tmp_path) / "report.pdf")
    assert (screenshots(tmp_path) / "report.pdf").stat().st_size > 10_000
