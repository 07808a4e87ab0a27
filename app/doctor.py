"""`concord doctor`: what is installed, and what could get in the way."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata, util
from pathlib import Path

from app.terminal import print_json, print_table, say
from data.errors import ConcordError
from data.ledger import damaged_journals
from data.store import Store

ROOT = Path(__file__).resolve().parents[1]
OURS = ("app", "data", "judges", "pipelines")
LIBRARIES = ("litellm", "duckdb", "streamlit", "pandas", "pyarrow", "numpy", "openai", "anthropic")
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY")
Check = tuple[str, bool, str]


def run_doctor(store: Path, *, as_json: bool) -> None:
    """Print all checks; exit code 1 where one failed."""
    checks = [_python(), *_names(), *(_library(name) for name in LIBRARIES)]
    checks += [_store(store), *_journals(store), *(_key(name) for name in KEYS)]
    if as_json:
        print_json([{"check": name, "ok": ok, "found": found} for name, ok, found in checks])
    else:
        print_table(["", "check", "found"], [["ok" if c[1] else "!!", c[0], c[2]] for c in checks])
    if not all(ok for _, ok, _ in checks):
        say("!! marks what needs attention")
        sys.exit(1)


def _python() -> Check:
    return "Python", sys.version_info >= (3, 11), platform.python_version()


def _names() -> list[Check]:
    """The four packages have common names: another library or a folder may stand in front."""
    checks = []
    for name in OURS:
        spec = util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        ours = origin is not None and origin.parent == ROOT / name
        found = "ours" if ours else f"another package of that name: {origin}"
        checks.append((f"package {name}", ours, found))
    return checks


def _library(name: str) -> Check:
    try:
        return name, True, metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, False, "not installed"


def _store(path: Path) -> Check:
    if not path.exists():
        return "store", True, f"{path} does not exist yet; concord import makes it"
    try:
        Store(path, wait_seconds=2)
        with Store(path, wait_seconds=2).reading():
            return "store", True, f"{path}, {path.stat().st_size / 1e6:,.1f} MB"
    except ConcordError as error:
        return "store", False, error.what


def _journals(path: Path) -> list[Check]:
    """Damaged journals: their runs cannot be continued."""
    try:
        found = damaged_journals(Store(path, upgrade=False, wait_seconds=2))
    except ConcordError:
        return []  # without a store there are none, and one that cannot be read is told above
    return [("run journal", False, f"{error.what}. {error.fix}") for error in found]


def _key(name: str) -> Check:
    """Whether a key is set; never what it is. A missing one is no fault."""
    return name, True, "set" if os.environ.get(name) else "not set"
