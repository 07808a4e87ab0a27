"""The dashboard on 1,000,000 labels, in real browsers, while a run writes into the same data set.

Run: python benchmarks/dashboard.py --folder F [--comparisons 50000] [--port 8501] [--no-writer]
The store (14 humans, 6 judges, 20 labels a comparison, features counted) is simulated once and kept
in the folder; each measurement works on a copy. A judge's run against the simulated provider
commits labels all the time, and a second browser walks through the views. Times are taken in the
page, from the click to the end of the script and the frame after it; beside them the processor
time that the server took, as other programs slow a machine down.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder: its statistics.py is none of the standard library's

import statistics  # noqa: E402

from app.serve import command, wait_until_ready  # noqa: E402
from data import queries  # noqa: E402
from data.store import Store  # noqa: E402
from judges.simulated import Behaviour, Truth, running  # noqa: E402
from pipelines.features import fill_features  # noqa: E402
from pipelines.simulation.dataset import import_world  # noqa: E402
from pipelines.simulation.world import World, default_judges  # noqa: E402
from tests.browser import ARGS, chromium_path  # noqa: E402
from tests.provider import concord, judge_file  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

DATASET = "big"
END = ".st-key-copy-next button"  # every view closes with a command
SECONDS = 60_000
CLICK_SECONDS = 10_000
LINKS = ".st-key-nav a[data-testid=stPageLink-NavLink]"
OTHER_OPTION = "[role=option][aria-selected=false] >> nth=0"
READER_SECONDS = 4
SCROLL_SECONDS = 0.2
PASSES = 1
MEMORY_SECONDS = 1.0
COMPARING = "Overview", "Agreement", "Bias", "Cost", "Strategy"  # the rules change what they show
RULES = (
    "The majority of the humans is",
    "A judge's reply without a verdict is",
    "For agreement, a tie is",
)
# Whether a page is whole: its script has ended, every chart is drawn, the last button is there.
WHOLE = """
() => {
  const drawn = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]
    .every(chart => chart.querySelector('canvas, svg'));
  const last = [...document.querySelectorAll('.st-key-copy-next *')]
    .some(part => part.shadowRoot && part.shadowRoot.querySelector('button'));
  return drawn && last && document.querySelector('[data-test-script-state=notRunning]') !== null;
}
"""
# From a click to the frame after the script's end. A run may begin and end between two frames:
# the address tells then, as every step writes what is shown into it.
WATCH = """
() => {
  const state = () => document.querySelector('[data-test-script-state]')
    .getAttribute('data-test-script-state');
  const begin = () => {
    const step = window.concord = {from: performance.now(), at: location.href, done: 0};
    let busy = false;
    const look = () => {
      busy ||= state() === 'running' || location.href !== step.at;
      if (busy && state() === 'notRunning')
        requestAnimationFrame(() => { step.done = performance.now(); });
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  };
  document.addEventListener('click', begin, true);
}
"""


@dataclass
class Times:
    """Wall seconds and the server's processor seconds of one kind of step."""

    wanted: float | None = None
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


class Server:
    """The dashboard's process, and the processors and memory it takes with its children."""

    def __init__(self, store: Path, port: int) -> None:
        self.port = port
        self.ticks: dict[int, int] = {}
        started = time.perf_counter()
        self.log = store.with_suffix(".log")
        with self.log.open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(
                command(store, port), stdout=log, stderr=log, env=environment
            )
        wait_until_ready(port)
        self.ready_seconds = time.perf_counter() - started
        self.most, self.ended = 0.0, threading.Event()
        threading.Thread(target=self.watch, daemon=True).start()

    def url(self, view: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{view}"

    def pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            with suppress(OSError):
                for task in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += [int(child) for child in task.read_text().split()]
        return found

    def cpu(self) -> float:
        """Seconds so far, those of processes that have ended meanwhile too."""
        for pid in self.pids():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                self.ticks[pid] = int(fields[11]) + int(fields[12])
        return sum(self.ticks.values()) / os.sysconf("SC_CLK_TCK")

    def megabytes(self) -> float:
        """What it takes with its children, pages that they share counted once (Pss)."""
        found = 0
        for pid in self.pids():
            with suppress(OSError):  # one that has just ended
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return found / 1e3

    def watch(self) -> None:
        """Remember the most memory that it takes."""
        while not self.ended.wait(MEMORY_SECONDS):
            self.most = max(self.most, self.megabytes())

    def stop(self) -> None:
        self.ended.set()
        self.process.terminate()
        self.process.wait(timeout=30)


def big_store(folder: Path, comparisons: int) -> Path:
    """14 humans of whom 8 label a comparison, 6 judges in both orders; made once."""
    path = folder / f"dashboard-{comparisons}.duckdb"
    if not path.exists():
        print(f"making {path} ...", flush=True)
        judges = default_judges(6)
        world = replace(World(judges=judges), n_prompts=comparisons // 5, comparisons_per_prompt=5,
                        n_humans=14, humans_per_comparison=8)  # fmt: skip
        made = path.with_suffix(".making")
        made.unlink(missing_ok=True)
        store = Store(made, create=True)
        import_world(store, world, DATASET)
        fill_features(store, DATASET)
        made.replace(path)
    return path


@contextmanager
def writing(folder: Path, store: Path) -> Iterator[None]:
    """A judge labels the data set all the time."""
    behaviour = Behaviour(constant="Verdict: 1", latency_seconds=0.2)
    with running(Truth([]), {"m": behaviour}) as provider:
        judge = judge_file(folder, provider.base_url, name="writer")
        run = concord("label", "--store", store, "--judge", judge, "--dataset", DATASET,
                      "--concurrency", 4)  # fmt: skip
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(run, cwd=ROOT, stdout=quiet, stderr=quiet)
        try:
            yield
            if process.poll() is not None:
                raise SystemExit("the writer ended before the measurement did")
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Another browser that walks through the views, in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, "--reader", url])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def walk(url: str) -> None:
    """What that process does."""
    with sync_playwright() as playwright:
        page = start(playwright).new_page()
        page.goto(url, timeout=SECONDS)
        settle(page)
        while True:
            for title in views_of(page).values():
                page.click(link(title), timeout=SECONDS)
                page.wait_for_timeout(READER_SECONDS * 1000)


def link(title: str) -> str:
    return f"{LINKS}:has-text('{title}')"


def start(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGS))


def visitor(browser: Browser) -> BrowserContext:
    """A browser that was never here: it loads all scripts."""
    return browser.new_context(viewport={"width": 1280, "height": 900})


def open_first(context: BrowserContext, url: str) -> tuple[Page, float]:
    """A fresh session; seconds from the navigation until the page is whole, charts drawn."""
    page = context.new_page()
    page.goto(url, timeout=SECONDS)
    page.wait_for_function(WHOLE, timeout=SECONDS)  # asked in every frame of the page
    taken = page.evaluate("performance.now() / 1e3")
    page.evaluate(WATCH)
    return page, taken


@contextmanager
def bare(folder: Path, port: int) -> Iterator[str]:
    """The address of a page of one sentence by Streamlit alone: no view can be faster."""
    script = folder / "bare.py"
    script.write_text("import streamlit as st; st.title('One sentence')")
    options = ["--server.port", str(port), "--server.headless", "true",
               "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(script), *options],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        wait_until_ready(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


def open_bare(browser: Browser, url: str) -> float:
    """Seconds until a fresh session shows the sentence."""
    page = browser.new_context().new_page()
    page.goto(url, timeout=SECONDS)
    page.wait_for_function("document.querySelector('h1') !== null", timeout=SECONDS)
    taken: float = page.evaluate("performance.now() / 1e3")
    page.context.close()
    return taken


def views_of(page: Page) -> dict[str, str]:
    """Title of each view by its name in the address; the first one stands at the bare address."""
    links = page.locator(LINKS).all()
    return {(link.get_attribute("href") or "").rsplit("/", 1)[-1].partition("?")[0]:
            link.inner_text().strip() for link in links}  # fmt: skip


def settle(page: Page) -> None:
    page.wait_for_selector(END, timeout=SECONDS)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=SECONDS)


class Measured:
    """Steps in one browser beside the server's processor time."""

    def __init__(self, server: Server, page: Page) -> None:
        self.server = server
        self.page = page
        self.titles = views_of(page)
        self.times: dict[str, Times] = {}

    def step(self, name: str, wanted: float | None, selector: str) -> None:
        """Click, and wait for the script's end."""
        self.page.wait_for_selector("[data-test-script-state=notRunning]", timeout=SECONDS)
        before = self.server.cpu()
        self.page.click(selector, timeout=SECONDS)
        self.page.wait_for_function("window.concord.done > 0", timeout=SECONDS)
        settle(self.page)
        taken = self.page.evaluate("window.concord.done - window.concord.from")
        found = self.times.setdefault(name, Times(wanted))
        found.wall.append(taken / 1e3)
        found.cpu.append(self.server.cpu() - before)
        print(f"{name:52}{found.wall[-1]:>9.2f}{found.cpu[-1]:>7.2f}", file=sys.stderr, flush=True)

    def views(self) -> None:
        """Every view for the first time, then again."""
        for turn in range(PASSES + 1):
            names = list(self.titles.values())
            for title in [*names[1:], names[0]]:
                when = "again" if turn else "for the first time"
                self.step(f"{title}, {when}", 2.0 if turn else None, link(title))

    def filters(self) -> None:
        """In every view, each choice is changed to its next option and back, twice.

        The first change is one that nobody has asked for yet; rules go along to the next view.
        """
        for title in list(self.titles.values())[::-1]:
            self.step(f"{title}, again", 2.0, link(title))
            self.page.click(".st-key-rules button")
            labels = self.page.locator("[data-testid=stSelectbox] label").all_inner_texts()
            self.page.keyboard.press("Escape")
            left_out = {"", "Data set"} if title in COMPARING else {"", "Data set", *RULES}
            for label in map(str.strip, labels):
                if label not in left_out:
                    self.change(title, label)

    def change(self, title: str, label: str) -> None:
        for _ in range(4):
            try:
                found = self.open_choice(label)
            except PlaywrightError:
                print(f"not measured: {title}: {label}", flush=True)
                return
            if found < 2:
                return
            self.step(f"{title}: {label}", 1.0, OTHER_OPTION)

    def open_choice(self, label: str) -> int:
        """Open a choice, in its popover or beside; how many options it has."""
        box = self.page.get_by_role("combobox", name=label).first
        if not box.is_visible():
            self.page.click(".st-key-rules button")
        box.scroll_into_view_if_needed()
        self.page.wait_for_timeout(SCROLL_SECONDS * 1e3)  # a list that is open closes on scrolling
        box.click(timeout=CLICK_SECONDS)
        options = self.page.locator("[role=option]")
        options.first.wait_for(timeout=CLICK_SECONDS)
        if (found := options.count()) < 2:
            self.page.keyboard.press("Escape")
        return found


def measure(server: Server, playwright: Playwright, writer: bool) -> None:
    browser = start(playwright)
    blank = browser.new_page()  # a browser that is open already, as a user's is
    blank.goto("about:blank")
    before = server.cpu()
    page, first = open_first(visitor(browser), server.url())
    cpu = server.cpu() - before
    told = f"answers {server.ready_seconds:.2f} s after its start, first view {first:.2f} s"
    print(told, file=sys.stderr, flush=True)
    with reading(server.url()) if writer else ExitStack():
        measured = Measured(server, page)
        measured.views()
        fresh, back, sentence = [], [], []
        with bare(server.log.parent, server.port + 1) as url:
            for _ in range(3):
                other = visitor(browser)
                for times in (fresh, back):
                    times.append(open_first(other, server.url())[1])
                other.close()
                sentence.append(open_bare(browser, url))
        try:
            measured.filters()
        except PlaywrightError as error:
            print(f"ended early: {str(error).splitlines()[0]}")
        age = page.locator(".st-key-age").first.inner_text().split("\n")[0]
    report(
        [
            ("server answers after its start", None, server.ready_seconds, server.ready_seconds, 0),
            ("first view, server just answered", 3.0, first, first, cpu),
            ("first view, fresh session later", 3.0, statistics.median(fresh), max(fresh), 0),
            ("the same in a browser that was here", 3.0, statistics.median(back), max(back), 0),
            (
                "a page of one sentence, bare Streamlit",
                None,
                statistics.median(sentence),
                max(sentence),
                0,
            ),
        ]
    )
    report([(name, t.wanted, statistics.median(t.wall), max(t.wall), statistics.median(t.cpu))
            for name, t in measured.times.items()])  # fmt: skip
    print(
        f"server's memory with its processes: {server.megabytes():.0f} MB now, "
        f"{server.most:.0f} MB at most (wanted: < 1500); {age}"
    )


def report(lines: list[tuple[str, float | None, float, float, float]]) -> None:
    print(f"\n{'':52}{'median s':>9}{'most s':>8}{'cpu s':>7}{'wanted':>8}")
    for name, wanted, middle, most, cpu in lines:
        limit = "" if wanted is None else f"< {wanted:.0f}"
        late = "   MISSED" if wanted is not None and middle >= wanted else ""
        print(f"{name[:52]:52}{middle:>9.2f}{most:>8.2f}{cpu:>7.2f}{limit:>8}{late}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--comparisons", type=int, default=50_000)
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--no-writer", action="store_true", help="one browser alone, and no run")
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reader:
        walk(options.reader)
    source = big_store(options.folder, options.comparisons)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        store = Path(name) / "s.duckdb"
        shutil.copyfile(source, store)
        with Store(store).reading() as con:
            [held] = queries.records(con, queries.DATASETS)
        print(f"{held['comparisons']:,} comparisons, {held['labels']:,} labels, "
              f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")  # fmt: skip
        if not options.no_writer:
            stack.enter_context(writing(Path(name), store))
            time.sleep(5)
        server = Server(store, options.port)
        stack.callback(server.stop)
        measure(server, stack.enter_context(sync_playwright()), not options.no_writer)


if __name__ == "__main__":
    main()
