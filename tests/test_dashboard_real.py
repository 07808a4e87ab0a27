"""Every view on real data: prd-vicuna80, by AppTest, and in a browser in both themes."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING

import pytest

from data.store import Store
from pipelines.compare import compare
from pipelines.findings import find, headline
from pipelines.ingest import ingest
from tests.dashboards import Served
from tests.test_dashboard import VIEWS, asked, check, commands, open_app, texts, titles
from tests.test_dashboard_browser import SECONDS, THEMES, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

SET = "prd-vicuna80"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet reads such a cell as a formula


@pytest.fixture(scope="module")
def store(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "s.duckdb"
    ingest(Store(path, create=True), "prd", real_data / SET)
    return path


@pytest.fixture(scope="module")
def served(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(store, tmp_path_factory.mktemp("served"), os.environ)
    yield running
    running.stop()


@pytest.mark.parametrize(("view", "question"), VIEWS.items())
def test_every_view(view: str, question: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = check(open_app(monkeypatch, store, view, dataset=SET))
    assert titles(app) == [question]
    assert commands(app)[-1].startswith("concord ")
    assert asked(app, "dataset") == SET
    if view == "overview":
        rows = [row for row in compare(Store(store), SET) if row.slice == "all"]
        assert headline(rows) in texts(app)
        assert find(rows, "single_human_agreement", "gpt-4")


@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
def test_a_walk_through_all_views(theme: str, browser: Browser, served: Served) -> None:
    """By the links alone, under a rule that was chosen on the first one."""
    visit = Visit(browser, theme)
    page = visit.open(served.url("", f"dataset={SET}"))
    before = page.locator(".st-key-finding").inner_text()
    choose(page, "For agreement, a tie is", "left out")
    page.wait_for_selector("text=rules changed", timeout=SECONDS)
    visit.settle()
    assert "ties=drop" in page.url
    assert page.locator(".st-key-finding").inner_text() != before
    for view, question in VIEWS.items():
        page.locator(f".st-key-{'here' if view == 'overview' else 'link'}-{view} a").click()
        page.locator("h1", has_text=question).wait_for(timeout=SECONDS)
        visit.settle()
        assert "ties=drop" in page.url
        assert page.locator("[data-testid=stException]").count() == 0
    again = Visit(browser, theme)
    link = again.open(served.url("agreement", f"dataset={SET}&ties=drop"))
    assert link.locator("text=rules changed").count() == 1
    assert visit.strangers(served.port) == again.strangers(served.port) == []
    for each in (visit, again):
        each.context.close()


def choose(page: Page, label: str, option: str) -> None:
    page.click(".st-key-rules button")
    page.get_by_role("combobox", name=label).first.click()
    page.locator("[role=option]", has_text=option).first.click()


@pytest.mark.browser
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("view", "button"),
    [
        ("agreement", "Download CSV"),
        ("disagreements", "Download these"),
        ("strategy", "the policy"),
    ],
)
def test_downloads(
    view: str, button: str, theme: str, browser: Browser, served: Served, tmp_path: Path
) -> None:
    visit = Visit(browser, theme)
    page = visit.open(served.url(view, f"dataset={SET}"))
    if view == "agreement":
        page.locator("[data-testid=stMain] summary", has_text="The numbers").first.click()
    with page.expect_download(timeout=SECONDS) as found:
        page.locator("[data-testid=stDownloadButton] button", has_text=button).first.click()
    kept = tmp_path / found.value.suggested_filename
    found.value.save_as(kept)
    text = kept.read_text("utf-8-sig")
    if view == "strategy":
        assert f'dataset = "{SET}"' in text
    else:
        head, *rows = csv.reader(text.splitlines(keepends=True))
        assert rows
        assert {len(row) for row in rows} == {len(head)}
        cells = [cell for row in rows for cell in row]
        assert [cell for cell in cells if cell.startswith(FORMULA) and not is_number(cell)] == []
    visit.context.close()


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
