"""Two people label by keyboard in two browsers at once, while a judge's run writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from data.guidelines import set_guideline
from tests.dashboards import ROOT, Served
from tests.people import rows, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from data.store import Store

pytestmark = pytest.mark.browser

N = 30
EACH = 10
SECONDS = 90_000
HOSTILE = "**b** <img src='/x'> <script>1</script> ![i](http://127.0.0.1:9/i)"
NAME = "lea <img src='/x'> **b** ![i](/i)"
PROGRESS = ".st-key-label-progress .stText"
FIRST, SECOND = (f"[class*=st-key-text-label-{which}]" for which in ("first", "second"))
STORED = """
SELECT annotators.name, prompt, shown, preference, status, seconds, rationale,
       response_a, response_b
FROM labels JOIN annotators USING (annotator_id) JOIN comparisons USING (comparison_id)
WHERE annotators.name IN ('evelyn', 'joseph')
"""
OF_JUDGE = "SELECT count(*) FROM labels JOIN annotators USING (annotator_id) WHERE name = 'longer'"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Served]]:
    folder = tmp_path_factory.mktemp("label")
    store = store_of(folder / "s.duckdb", N, {"bartholomew": {0: "a"}})
    running = Served(store.path, folder / "elsewhere", os.environ)
    yield store, running
    running.stop()


def come_in(browser: Browser, served: Served, name: str, width: int) -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(served.url("label", "dataset=d"), timeout=SECONDS)
    page.get_by_label("Your name").fill(name, timeout=SECONDS)
    page.get_by_role("button", name="Start labelling").click()
    page.wait_for_selector(".st-key-label-choices", timeout=SECONDS)
    return page


def seen(page: Page) -> tuple[str, str, str]:
    """Prompt and responses as they are on the screen, once the page stands still."""
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=SECONDS)
    prompt = page.locator("[class*=st-key-text-label-prompt]").inner_text()
    return prompt, page.locator(FIRST).inner_text(), page.locator(SECOND).inner_text()


def press(page: Page, key: str) -> None:
    """Press a key and wait until something else is counted."""
    page.wait_for_timeout(300)
    before = page.locator(PROGRESS).inner_text()
    page.keyboard.press(key)
    page.wait_for_function(
        "([where, before]) => document.querySelector(where)?.innerText !== before",
        arg=[PROGRESS, before], timeout=SECONDS,
    )  # fmt: skip


def until(store: Store, sql: str, n: int) -> list[tuple[Any, ...]]:
    """What the store holds as soon as it holds as much."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = rows(store, sql)
        if len(found) >= n:
            return found
        time.sleep(0.5)
    return rows(store, sql)


def judge_run(store: Path) -> subprocess.Popen[bytes]:
    command = ["label", "--judge", "longer", "--dataset", "d", "--store", str(store)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app.cli", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_two_people_label_by_keyboard_while_a_judge_does(
    browser: Browser, served: tuple[Store, Served]
) -> None:
    store, running = served
    eve = come_in(browser, running, "evelyn", 1280)
    joe = come_in(browser, running, "joseph", 390)
    judge = judge_run(store.path)
    said: dict[tuple[str, str], tuple[str, str, str]] = {}
    for k in range(EACH):
        for name, page in (("evelyn", eve), ("joseph", joe)):
            key = "12ts"[(k + (name == "joseph")) % 4]
            prompt, first, second = seen(page)
            said[name, prompt] = (key, first, second)
            press(page, key)
    for page, others in ((eve, ("joseph", "bartholomew")), (joe, ("evelyn", "bartholomew"))):
        shown = page.locator("[data-testid=stMain]").inner_html()
        for hidden in ("model-x", "model-y", "because of", "longer", *others):
            assert hidden not in shown
    assert judge.wait(timeout=120) == 0
    stored = until(store, STORED, 2 * EACH)
    assert len(stored) == 2 * EACH
    assert rows(store, OF_JUDGE) == [(2 * N,)], "in both orders"
    for name, prompt, shown, preference, status, seconds, _, a, b in stored:
        key, first, second = said[name, prompt]
        assert (first, second) == ((a, b) if shown == "ab" else (b, a))
        chosen = {"1": first, "2": second}.get(key)
        wanted = {a: "a", b: "b"}[chosen] if chosen else {"t": "tie", "s": None}[key]
        assert (preference, status) == (wanted, "skipped" if key == "s" else "ok")
        assert seconds > 0
    assert {row[2] for row in stored} == {"ab", "ba"}
    for page in (eve, joe):
        page.context.close()


def test_keys_are_letters_while_a_reason_is_written_and_undo_takes_back(
    browser: Browser, served: tuple[Store, Served]
) -> None:
    store, running = served
    page = come_in(browser, running, "kim", 1280)
    prompt, *_ = seen(page)
    before = page.locator(PROGRESS).inner_text()
    reason = page.get_by_label("Reason (optional)")
    reason.click()
    page.keyboard.type("12 ties", delay=30)
    page.wait_for_timeout(600)
    assert page.locator(PROGRESS).inner_text() == before
    page.keyboard.press("Tab")
    press(page, "2")
    assert seen(page)[0] != prompt
    assert reason.input_value() == ""
    press(page, "u")
    assert seen(page)[0] == prompt
    reason.click()
    page.keyboard.type("a tie", delay=30)
    page.keyboard.press("Tab")
    press(page, "t")
    sql = STORED.replace("IN ('evelyn', 'joseph')", "= 'kim' AND preference = 'tie'")
    [row] = until(store, sql, 1)
    assert (row[1], row[3], row[6]) == (prompt, "tie", "a tie")
    assert rows(store, STORED.replace("IN ('evelyn', 'joseph')", "= 'kim'")) == [row]
    assert running.log.read_text("utf-8").count("Traceback") == 0
    page.context.close()


def test_the_next_comparison_begins_at_its_prompt(
    browser: Browser, served: tuple[Store, Served]
) -> None:
    """Wherever the page was scrolled to; what is pressed beside it moves nothing."""
    page = come_in(browser, served[1], "lou", 390)
    seen(page)
    scroll = "document.querySelector('[data-testid=stMain]')"
    page.evaluate(f"{scroll}.scrollTo(0, 500)")
    page.get_by_text("clearly").evaluate("one => one.click()")
    page.wait_for_timeout(1000)
    assert page.evaluate(f"{scroll}.scrollTop") == 500
    press(page, "1")
    page.wait_for_function(
        "Math.abs(document.querySelector('[class*=st-key-name-label-prompt]')"
        ".getBoundingClientRect().top) < 5",
        timeout=SECONDS,
    )
    page.context.close()


def test_a_phone_holds_the_whole_width_and_texts_stay_texts(
    browser: Browser, served: tuple[Store, Served]
) -> None:
    store, running = served
    set_guideline(store, "d", "overall", HOSTILE)
    page = come_in(browser, running, NAME, 390)
    seen(page)
    assert page.locator(".st-key-text-label-guideline").inner_text() == HOSTILE
    assert NAME in page.locator(".st-key-label-person").inner_text()
    assert page.locator("[data-testid=stMain]").locator("img, b, strong, script").count() == 0
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("each => each.scrollWidth <= each.clientWidth")
    bar = page.locator(".st-key-label-choices").bounding_box()
    assert bar
    assert bar["y"] + bar["height"] <= 900, "the choices stay on the screen"
    page.context.close()
