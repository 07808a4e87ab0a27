"""Get a Chromium for the browser tests where there is none: `make browser`. Never fails itself."""

# ruff: noqa: T201  (a script: what it prints is its purpose)

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from browser import chromium_path, required

APT = ["apt-get", "-qq", "-o", "Acquire::Retries=1"]


def main() -> None:
    """Look, install with the system's packages, install with playwright, say what came of it."""
    for install in (_nothing, _from_debian, _from_playwright):
        install()
        chromium_path.cache_clear()
        if path := chromium_path():
            print(f"browser: {path}")
            return
    print(f"browser: none, so browser tests will {'fail' if required() else 'be skipped'}")


def _nothing() -> None:
    """A browser may be there already."""


def _from_debian() -> None:
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("browser: none found; installing Debian's chromium with apt-get", flush=True)
        if _run([*APT, "update"]):
            _run([*APT, "install", "-y", "--no-install-recommends", "chromium"])


def _from_playwright() -> None:
    print("browser: none found; downloading playwright's chromium", flush=True)
    _run([sys.executable, "-m", "playwright", "install", "chromium"])


def _run(command: list[str]) -> bool:
    """Run quietly; of a failure print the line that names the error."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"browser: {error}")
        return False
    if result.returncode:
        said = (result.stderr or result.stdout or str(result.returncode)).strip().splitlines()
        error = next((line for line in said if "rror" in line), said[-1])
        print(f"browser: {Path(command[0]).name} failed: {error}")
    return result.returncode == 0


if __name__ == "__main__":
    main()
