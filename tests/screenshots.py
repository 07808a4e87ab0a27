"""`make screenshots`: the README's pictures, of the demo's store as it is now.

Run: python -m tests.screenshots [--folder demo] [--to docs/images]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import ARGS, MISSING, chromium_path
from tests.dashboards import ROOT, Served

SHOTS = {
    "overview": ("", 1100),
    "bias": ("judge=sim-verbose", 1060),
    "strategy": ("goal=tradeoff", 1250),
    "disagreements": ("", 1250),
}
WIDTH, THEMES, MILLISECONDS = 1280, ("light", "dark"), 90_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "demo", help="made where missing")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    chromium = chromium_path()
    if chromium is None:
        sys.exit(MISSING)
    store = made(given.folder.resolve())
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        served = Served(store, Path(folder) / "elsewhere", os.environ)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGS))
        try:
            for theme in THEMES:
                for view, (query, height) in SHOTS.items():
                    context = browser.new_context(
                        viewport={"width": WIDTH, "height": height}, color_scheme=theme
                    )
                    page = context.new_page()
                    path = "" if view == "overview" else view  # the default page has none
                    page.goto(served.url(path, f"dataset=sample&{query}"), timeout=MILLISECONDS)
                    settle(page)
                    page.screenshot(path=given.to / f"{view}-{theme}.png")
                    context.close()
                    sys.stdout.write(f"{given.to / view}-{theme}.png\n")
        finally:
            browser.close()
            served.stop()


def made(folder: Path) -> Path:
    """The demo's store, which is left as it is where it is complete."""
    command = [sys.executable, "-m", "app.cli", "demo", "--no-serve", "--folder", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder / "demo.duckdb"


def settle(page: Page) -> None:
    """Every view closes with its next step; charts are drawn a little later."""
    page.wait_for_selector(".st-key-next", timeout=MILLISECONDS)
    page.wait_for_selector("[data-test-script-state=notRunning]", timeout=MILLISECONDS)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
