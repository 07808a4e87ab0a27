"""Disagreements in two browsers at once: what one person says of a case, the other sees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.dashboards import Served, make_store
from tests.test_dashboard_browser import SECONDS, Visit

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

NOTE = "<b>it</b> follows ![the](http://127.0.0.1:9/length)"


def test_a_tag_set_in_one_browser_is_seen_in_another(browser: Browser, tmp_path: Path) -> None:
    make_store(tmp_path / "s.duckdb")
    served = Served(tmp_path / "s.duckdb", tmp_path / "elsewhere", os.environ)
    one, other = Visit(browser, "light"), Visit(browser, "dark")
    try:
        watching = other.open(served.url("disagreements"))
        page = one.open(served.url("disagreements"))
        assert page.locator(".marked mark").count() > 0
        assert page.locator(".marked").first.inner_text().startswith("some response a")
        page.get_by_label("Note (needed for other)").fill(NOTE)
        page.get_by_label("Your name").fill("eve")
        page.locator("[data-testid=stRadio] label", has_text="unclear guideline").last.click()
        page.get_by_role("button", name="Save tag").click()
        page.wait_for_selector("text=unclear guideline, by eve", timeout=SECONDS)
        # the other browser does nothing: its page looks for newer data by itself
        watching.wait_for_selector("text=unclear guideline, by eve", timeout=SECONDS)
        line = watching.locator(".st-key-tags-in-force").inner_text()
        assert line.endswith(NOTE)
        assert "eve" not in page.url
        for visit in (one, other):
            assert visit.strangers(served.port) == []
        assert served.log.read_text("utf-8").count("Traceback") == 0
    finally:
        one.context.close()
        other.context.close()
        served.stop()
