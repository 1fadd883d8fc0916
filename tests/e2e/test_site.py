"""The report in a real browser, opened from disk: what a reader does with it, and what it must never do."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from results.report import places
from results.report.site import write

if TYPE_CHECKING:
    from tests.examples import HOSTILE, attempts, catalogue, record, source
else:
    from examples import HOSTILE, attempts, catalogue, record, source

CHROMIUM = shutil.which("chromium")
KINDS = ("index", "arenas/toys", "tasks/toys/hill", "methods/toys/a", "endings", "reading")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine; Debian's package `chromium` has it"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "site"
    write(source(attempts(HOSTILE), catalogue(HOSTILE)), out)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """A page that fails the test if it complains, or asks for anything outside the folder."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened = context.new_page()
    troubles: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            troubles.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((site.as_uri(), "data:", "blob:")):
            troubles.append(request.url)

    def opens(dialog: Dialog) -> None:
        troubles.append(dialog.message)
        dialog.dismiss()

    opened.on("console", said)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("dialog", opens)
    opened.on("request", asked)
    yield opened
    context.close()
    assert troubles == []


def go(page: Page, site: Path, path: str) -> None:
    page.goto(f"{site.as_uri()}/{path}")


def every_page(site: Path) -> list[str]:
    """One page of each kind, those of hostile names among them."""
    hostile = [places.method(f"toys/b{HOSTILE}"), places.attempt(f"toys/hill{HOSTILE}-toys/b{HOSTILE}-3")]
    return [*(f"{kind}.html" for kind in KINDS), *hostile]


def column(page: Page, table: str, place: int) -> list[str]:
    return [text.strip() for text in page.locator(f"{table} tbody tr > :nth-child({place})").all_inner_texts()]


def test_a_column_sorts_both_ways_and_says_so(page: Page, site: Path) -> None:
    go(page, site, "tasks/toys/hill.html")
    table = "table.sortable >> nth=0"
    head = page.locator("table.sortable").first.locator("thead th").nth(2)
    before = column(page, "table.sortable", 3)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = column(page, "table.sortable", 3)
    head.locator("button").press("Enter")  # the keyboard does it too
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, "table.sortable", 3) == rising[::-1]
    assert sorted(before) == sorted(rising)
    assert page.locator(table).is_visible()


def test_a_filter_hides_what_does_not_match_and_counts_the_rest(page: Page, site: Path) -> None:
    go(page, site, "tasks/toys/hill.html")
    page.locator("input[type=search]").first.fill("TRIVIAL")
    rows = page.locator("table.sortable").first.locator("tbody tr")
    assert [row.is_visible() for row in rows.all()].count(True) == 1
    assert page.locator("[data-count]").first.inner_text() == "1 methods"
    page.locator("input[type=search]").first.fill("")
    assert page.locator("[data-count]").first.inner_text() == "3 methods"


def test_a_number_leads_to_its_attempts_and_these_to_their_configuration(page: Page, site: Path) -> None:
    go(page, site, "index.html")
    page.get_by_role("link", name="toys/hill").first.click()
    assert page.url.partition("#")[0].endswith("tasks/toys/hill.html")
    row = page.locator("table.sortable").first.locator("tbody tr", has_text="toys/a")
    row.locator("td a").nth(0).click()
    assert "methods/toys/a.html#hill-" in page.url
    section = page.locator(f"[id='{page.url.partition('#')[2]}']")
    section.locator("tbody tr").first.wait_for()  # the address changes before the page is read
    assert section.locator("tbody tr").count() == 4
    section.locator("tbody tr a").first.click()
    assert "/attempts/" in page.url
    assert page.get_by_role("heading", name="How to repeat it").is_visible()
    assert "bakeoff run method=toys/a task=toys/hill seed=" in page.locator("pre.command").inner_text()
    assert page.locator("th", has_text="method.lr").count() == 1


def test_a_method_says_what_it_is_and_where_its_values_come_from(page: Page, site: Path) -> None:
    go(page, site, "arenas/toys.html")
    page.get_by_role("link", name="toys/a", exact=True).first.click()
    text = page.locator("main").inner_text()
    for part in (f"a = b {HOSTILE}", f"a deviation {HOSTILE}", f"the paper {HOSTILE}", "bakeoff run -m method=toys/a"):
        assert part in text


def test_dark_and_light_can_be_chosen_and_stay_so(page: Page, site: Path) -> None:
    go(page, site, "index.html")
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.locator("#theme").click()
    dark = page.evaluate(back)
    assert light != dark
    page.reload()
    assert page.evaluate(back) == dark
    page.emulate_media(color_scheme="dark")
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.evaluate(back) == dark, "the system's own choice"


@pytest.mark.parametrize("width", [380, 1280])
def test_no_page_scrolls_sideways(page: Page, site: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in every_page(site):
        go(page, site, path)
        for plot in page.locator("figure[data-chart]").all():
            plot.scroll_into_view_if_needed()
            plot.locator(".plot svg").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_figures_are_drawn_when_they_come_into_view_with_names_as_text(page: Page, site: Path) -> None:
    go(page, site, "tasks/toys/hill.html")
    assert "plotly" not in (site / "tasks/toys/hill.html").read_text(), "no page waits for the chart library"
    figures = page.locator("figure[data-chart]")
    assert [one.get_attribute("data-chart") for one in figures.all()] == ["scores", "cost", "curves"]
    for one in figures.all():
        one.scroll_into_view_if_needed()
        one.locator(".plot svg").first.wait_for()
    ticks = page.locator("figure[data-chart=scores] .ytick").all_text_contents()
    assert any(HOSTILE[:20] in text for text in ticks), ticks
    curves = page.locator("figure[data-chart=curves]")
    assert curves.locator("select[data-of=of] option").count() == 2
    curves.locator("select[data-of=of]").select_option(index=1)
    curves.locator("select[data-of=against]").select_option("seconds")
    curves.locator(".xtitle", has_text="seconds").wait_for()


def two_tasks(out: Path, methods: int) -> Path:
    """A site of two tasks, the first of which has no curves."""
    records = []
    for task, first in (("toys/dale", 100.0), ("toys/hill", 0.0)):
        logs = {} if first else {"loss": [[step, 1.0 * step, 1 / (1 + step)] for step in range(9)]}
        for number, seed in itertools.product(range(methods), range(2)):
            it = record(f"toys/a_rather_long_name_{number}", seed, first + number + seed / 7, task=task, logs=logs)
            values = it.identity | {"task": {"name": task}}
            records.append(replace(it, id=f"{task}-{it.id}", cell=f"{task}-{it.cell}", identity=values))
    write(source(records), out)
    return out


def drawn(page: Page) -> None:
    """Wait until each figure that is shown is drawn for the task that is chosen."""
    for figure in page.locator("figure[data-chart]:not([hidden])").all():
        figure.scroll_into_view_if_needed()
        figure.locator(".plot svg").first.wait_for()
    page.wait_for_load_state("networkidle")


def test_the_figures_of_an_arena_follow_the_picker_also_when_the_reader_comes_back(page: Page, site: Path) -> None:
    two = two_tasks(site / "two", 2)
    go(page, two, "arenas/toys.html")
    drawn(page)
    curves = page.locator("figure[data-chart=curves]")
    assert curves.is_hidden(), "the first task has none"
    hill = page.locator("#picker option").nth(1).get_attribute("value")
    page.select_option("#picker", index=1)
    curves.locator(".plot svg").first.wait_for()
    for link in curves.locator(".downloads a").all():
        assert Path((two / "arenas" / (link.get_attribute("href") or "")).resolve()).is_file()
    page.get_by_role("link", name="How to read").click()
    page.go_back()
    drawn(page)
    assert page.locator("#picker").input_value() == hill
    assert {
        it.get_attribute("data-source") for it in page.locator("figure[data-chart]:not([data-chart=profile])").all()
    } == {hill}
    assert "toys/hill" in (page.locator("#picked").get_attribute("href") or "")
    assert curves.is_visible()


def test_of_two_quick_choices_the_last_one_counts(page: Page, site: Path) -> None:
    two = two_tasks(site / "quick", 2)
    go(page, two, "arenas/toys.html")
    drawn(page)
    values = [it.get_attribute("value") for it in page.locator("#picker option").all()]
    page.evaluate(
        """([first, second]) => {
          const picker = document.getElementById("picker");
          const load = document.head.append.bind(document.head);
          document.head.append = (script) => setTimeout(() => load(script), 400);  // the data of the second come late
          for (const value of [second, first]) {
            picker.value = value;
            picker.dispatchEvent(new Event("change"));
          }
        }""",
        values,
    )
    page.wait_for_timeout(1200)
    shown = page.evaluate("() => [...document.querySelectorAll('figure[data-chart]')].map((one) => one.dataset.source)")
    assert shown[-3:] == [values[0]] * 3
    assert page.locator("figure[data-chart=curves]").is_hidden()
    score = page.evaluate("document.querySelector('figure[data-chart=scores] .plot').data[0].x[0]")
    assert score >= 100, "what is drawn is of the task that was chosen last"


@pytest.mark.parametrize("methods", [2, 45])
def test_no_legend_covers_an_axis_or_its_title(page: Page, site: Path, methods: int) -> None:
    two = two_tasks(site / f"legend-{methods}", methods)
    for width in (1280, 380):
        page.set_viewport_size({"width": width, "height": 800})
        go(page, two, "tasks/toys/hill.html")
        drawn(page)
        page.wait_for_timeout(300)
        for figure in page.locator("figure[data-chart]").all():
            boxes = figure.evaluate(
                """(one) => [".legend .bg", ".xtitle", ".main-svg"].map((name) => {
                  const box = one.querySelector(`.plot ${name}`).getBoundingClientRect();
                  return [box.top, box.bottom];
                })"""
            )
            legend, title, whole = boxes
            assert legend[0] >= title[1] - 1, (figure.get_attribute("data-chart"), boxes)
            assert legend[1] <= whole[1] + 1
            plot = figure.locator(".nsewdrag").first.bounding_box()
            assert plot is not None
            assert plot["height"] > 60


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_meet_wcag_aa(page: Page, site: Path, theme: str) -> None:
    """By axe, which sees contrast, labels, headings and roles."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for path in every_page(site):
        go(page, site, path)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "preload": False})
        assert [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]] == [], path


def test_the_keyboard_reaches_content_and_tables(page: Page, site: Path) -> None:
    go(page, site, "tasks/toys/hill.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.tagName"))
    assert {"INPUT", "BUTTON", "A"} <= set(seen)


def test_pages_are_whole_without_scripts(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    go(opened, site, "tasks/toys/hill.html")
    assert opened.locator("table.sortable tbody tr").count() == 3
    assert opened.locator(".downloads a").count() == 6
    context.close()
