"""The dashboard in a browser: texts stay texts, and nothing leaves the machine."""

from __future__ import annotations

import os
import shlex
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from app import words_sql
from tests.dashboards import KINDS, LONG, MEGABYTE, Served, make_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

VIEWS = (
    "",
    "agreement",
    "bias",
    "cost",
    "strategy",
    "learning",
    "disagreements",
    "label",
    "runs",
    "sql",
)
MEGABYTE_MET = {  # how the views that show texts come upon the long one
    "disagreements": f"show=all&text={LONG}",
    "label": "queue=unlabelled",
    "sql": "q="
    + quote(
        "SELECT prompt, response_a, rationale FROM comparisons JOIN labels USING (comparison_id) "
        "ORDER BY length(prompt) DESC LIMIT 1"
    ),
}
THEMES = ("light", "dark")
SECONDS = 90_000


class Listener:
    """A server that must never be asked for anything."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.at = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def hostile(at: str, where: str) -> str:
    return (
        f"![{where}]({at}/{where}/markdown) <img src='{at}/{where}/html' onerror='executed=1'> "
        f"<script>executed=1;fetch('{at}/{where}/script')</script> [{where}]({at}/{where}/link) "
        f"**{where}** :material/bolt: $\\href{{{at}}}{{x}}$ {at}/{where}/plain"
    )


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    fields = ("prompt", "response", "rationale", "model", "category")
    texts = {name: hostile(listener.at, name) for name in fields}
    names = {name: f"{name} {hostile(listener.at, 'name')}" for name in KINDS}
    store = folder / "s.duckdb"
    make_store(store, dataset="plain")
    hostile_set = f"set {hostile(listener.at, 'dataset')}"
    make_store(store, dataset=hostile_set, texts=texts, names=names, long=True)
    running = Served(store, folder / "elsewhere", os.environ)
    yield running
    running.stop()


@pytest.fixture
def hostile_set(listener: Listener) -> str:
    return quote(f"set {hostile(listener.at, 'dataset')}")


class Visit:
    """A page, every address that it asked for, and every error on its console."""

    def __init__(self, browser: Browser, theme: str, width: int = 1280) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
        )
        self.theme = theme
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url))

    def open(self, url: str) -> Page:
        self.page.goto(url, timeout=SECONDS)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait for the end of the page: every view closes with a command."""
        self.page.wait_for_selector(".st-key-copy-next button", timeout=SECONDS)
        self.page.wait_for_selector("[data-test-script-state=notRunning]", timeout=SECONDS)

    def strangers(self, port: int) -> list[str]:
        own = (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/", "data:", "blob:")
        return [url for url in self.asked if not url.startswith(own)]


@pytest.fixture(params=THEMES)
def visit(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Visit]:
    found = Visit(browser, request.param)
    yield found
    found.context.close()


@pytest.mark.parametrize("view", VIEWS)
def test_hostile_texts_stay_texts(
    view: str, visit: Visit, served: Served, listener: Listener, hostile_set: str
) -> None:
    met = MEGABYTE_MET.get(view, "")
    page = visit.open(served.url(view, f"dataset={hostile_set}{met and '&'}{met}"))
    meet_the_megabyte(view, visit, listener)
    open_everything(page)
    assert hover_charts(page) > 0 or view in ("learning", "disagreements", "label", "runs", "sql")
    assert page.locator("[data-testid=stException]").count() == 0
    main = page.locator("[data-testid=stMain]")
    assert main.locator("img, script, iframe").count() == 0
    assert page.locator("#vg-tooltip-element").locator("img, script, a").count() == 0
    assert main.locator(f"a[href*='{listener.at}']").count() == 0
    assert page.evaluate("() => window.executed === undefined")
    assert visit.strangers(served.port) == []
    assert listener.asked == []
    assert served.log.read_text("utf-8").count("Traceback") == 0


def meet_the_megabyte(view: str, visit: Visit, listener: Listener) -> None:
    """The comparison with a megabyte in each text: on the screen, but not all of it at once."""
    page, main = visit.page, visit.page.locator("[data-testid=stMain]")
    if view == "label":
        page.get_by_label("Your name").fill(f"eve {visit.theme}", timeout=SECONDS)
        page.get_by_role("button", name="Start labelling").click()
        page.wait_for_selector(".st-key-label-choices", timeout=SECONDS)
    if view == "sql":
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_selector(".st-key-rows-sql", timeout=SECONDS)
        assert main.get_by_text(words_sql.CUT).count() == 1
    visit.settle()
    shown = main.inner_text()
    if view in ("label", "disagreements"):
        assert f"{LONG} {hostile(listener.at, 'prompt')}" in shown
        assert shown.count("more characters of 1,0") == (3 if view == "label" else 5)
    assert len(shown) < MEGABYTE / 4


def open_everything(page: Page) -> None:
    """Expanders and popovers: what they hold is drawn once they are open."""
    for summary in page.locator("[data-testid=stMain] summary").all():
        summary.click()
    for button in page.locator("[data-testid=stPopoverButton]").all():
        button.click()
        page.wait_for_timeout(150)
        page.keyboard.press("Escape")
    page.wait_for_timeout(500)


def hover_charts(page: Page) -> int:
    """Tooltips are built when a pointer comes by; how many there were."""
    seen = 0
    for chart in page.locator("[data-testid=stVegaLiteChart] svg").all():
        for mark in chart.locator(".mark-symbol path").all()[:3]:
            mark.hover(force=True)
            page.wait_for_timeout(50)
            seen += page.locator("#vg-tooltip-element.visible").count()
    return seen


def test_hostile_names_are_shown_as_they_are(
    visit: Visit, served: Served, listener: Listener, hostile_set: str
) -> None:
    page = visit.open(served.url("disagreements", f"dataset={hostile_set}&show=all"))
    shown = page.locator(".st-key-text-prompt").inner_text()
    assert hostile(listener.at, "prompt") in shown
    assert hostile(listener.at, "response") in page.locator(".st-key-text-response-a").inner_text()
    assert hostile(listener.at, "model") in page.locator(".st-key-name-response-a").inner_text()


def test_a_command_is_copied_as_it_stands(
    visit: Visit, served: Served, listener: Listener, hostile_set: str
) -> None:
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open(served.url("bias", f"dataset={hostile_set}"))
    page.click(".st-key-copy-next button")
    page.get_by_role("button", name="Copied").wait_for(timeout=SECONDS)
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.locator(".st-key-verbatim-next").inner_text()
    assert copied.startswith("concord probe ")
    assert hostile(listener.at, "dataset") in "".join(shlex.split(copied))


def test_links_between_views_keep_the_choice(visit: Visit, served: Served) -> None:
    page = visit.open(served.url("", "dataset=plain&unparsed=tie"))
    page.locator(".st-key-link-agreement a").click()
    page.wait_for_url("**/agreement?*", timeout=SECONDS)
    visit.settle()
    assert "dataset=plain" in page.url
    assert "unparsed=tie" in page.url
    assert page.locator("h1").inner_text() == "Who agrees with whom, and where does it break?"
    page.locator(".st-key-link-overview a").click()
    page.wait_for_selector("text=Can AI feedback stand in", timeout=SECONDS)
    assert "unparsed=tie" in page.url
    assert visit.strangers(served.port) == []


def test_choosing_a_comparison_shows_it(visit: Visit, served: Served) -> None:
    page = visit.open(served.url("disagreements", "dataset=plain&show=all"))
    before = page.locator(".st-key-text-prompt").inner_text()
    table = page.locator("[data-testid=stDataFrame]").first
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 15, box["y"] + 35 * 3.5)
    page.wait_for_function(
        "before => document.querySelector('.st-key-text-prompt').innerText !== before",
        arg=before,
        timeout=SECONDS,
    )
    assert "comparison=" in page.url


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_the_whole_width(view: str, browser: Browser, served: Served) -> None:
    visit = Visit(browser, "light", width=390)
    page = visit.open(served.url(view, "dataset=plain"))
    for element in ("html", "[data-testid=stMain]"):
        assert page.locator(element).evaluate("element => element.scrollWidth") <= 390
    assert page.locator("[data-testid=stException]").count() == 0
    visit.context.close()
