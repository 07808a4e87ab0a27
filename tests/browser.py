"""Where a Chromium for the browser tests is: the system's own, else the one playwright keeps."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = "no Chromium: install one (apt-get install chromium) or run `make browser`"


def required() -> bool:
    """CI must not pass because its browser went missing."""
    return os.environ.get("CI") == "true"


@functools.cache
def chromium_path() -> str | None:
    """The first Chromium that starts; a name alone may be a stub that asks for a snap."""
    found = [path for name in NAMES if (path := shutil.which(name))]
    return next(filter(starts, found), None) or _playwright_chromium()


def starts(path: str) -> bool:
    try:
        subprocess.run([path, "--version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _playwright_chromium() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and starts(path) else None
