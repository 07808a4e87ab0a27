"""Experiments that take minutes: a process of their own each, their result kept as a file.

The process is the same command that a terminal would run, with `--json`; so the server stays
responsive, and what is kept beside the store is what that command prints.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

MOST_FILES = 40  # results and logs; the oldest go
_DONE = re.compile(r"([\d,]+) of ([\d,]+) ")
_running: dict[Path, subprocess.Popen[bytes]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Job:
    """A command (`concord NAME ... --json`) on one version of the data of a store."""

    name: str
    arguments: tuple[str, ...]
    store: str
    version: str

    @property
    def target(self) -> Path:
        """Where its result is kept."""
        return self._file(self.version).with_suffix(".json")

    @property
    def newest(self) -> Path:
        """Where the name of its newest result is kept, of whichever version of the data."""
        return self._file().with_suffix(".newest")

    def _file(self, *version: str) -> Path:
        rests_on = (self.name, *self.arguments, *version, metadata.version("concord-feedback"))
        key = hashlib.sha256(repr(rests_on).encode("utf-8", "replace")).hexdigest()[:24]
        return folder(self.store) / f"{self.name}-{key}"


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is: `none`, `running` (done, of), `failed` with what it said, or `done`."""

    kind: str
    progress: tuple[int, int] | None = None
    said: str = ""
    result: dict[str, Any] = field(default_factory=dict)


def folder(store: str) -> Path:
    """`<store>.cache`, which `start` makes; a temporary one where that cannot be written."""
    beside = Path(f"{store}.cache")
    there = beside if beside.is_dir() else beside.parent
    return beside if os.access(there, os.W_OK) else _elsewhere(store)


_temporary: dict[str, Path] = {}


def _elsewhere(store: str) -> Path:
    with _lock:
        if store not in _temporary:
            _temporary[store] = Path(tempfile.mkdtemp(prefix="concord-"))
        return _temporary[store]


def state(job: Job) -> State:
    """How far it is."""
    target = job.target
    with _lock:
        running = target in _running
    log = _text(target.with_suffix(".log"))
    if running:
        found = _DONE.findall(log)
        done = tuple(int(n.replace(",", "")) for n in found[-1]) if found else None
        return State("running", progress=done)  # type: ignore[arg-type]
    if target.exists():
        return _kept(target)
    return State("failed", said=log.strip()) if log.strip() else State("none")


def earlier(job: Job) -> tuple[dict[str, Any], float] | None:
    """Its newest result on the data as they were before, and its age in seconds; None for none."""
    name = Path(_text(job.newest).strip()).name
    target = job.target.with_name(name) if name.endswith(".json") else job.target
    if target == job.target or not (found := _kept(target).result):
        return None
    try:
        return found, max(0.0, time.time() - target.stat().st_mtime)
    except OSError:
        return None


def _kept(target: Path) -> State:
    try:
        found = json.loads(target.read_text("utf-8"))
    except (OSError, ValueError):
        found = None
    return State("done", result=found) if isinstance(found, dict) else State("none")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def run(job: Job) -> None:
    """Run it to its end, unless its result is there."""
    if not job.target.exists() and (thread := start(job)) is not None:
        thread.join()


def start(job: Job) -> threading.Thread | None:
    """Start it, unless it runs already; returns who waits for its end."""
    target = job.target
    with _lock:
        if target in _running:
            return None
        target.parent.mkdir(exist_ok=True)
        _tidy(target.parent)
        words = [f"--store={Path(job.store).resolve()}", *job.arguments, "--json"]
        with (
            target.with_suffix(".part").open("wb") as out,
            target.with_suffix(".log").open("wb") as log,
        ):
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-P", "-m", "app.cli", job.name, *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                cwd=Path(job.store).resolve().parent,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )  # fmt: skip
        _running[target] = process
    waiting = threading.Thread(target=_finish, args=(job, process), daemon=True)
    waiting.start()
    return waiting


def _finish(job: Job, process: subprocess.Popen[bytes]) -> None:
    """Wait for its end; a result counts once it is whole."""
    code, target = process.wait(), job.target
    part, log = target.with_suffix(".part"), target.with_suffix(".log")
    try:
        if code == 0:
            part.replace(target)
            job.newest.write_text(target.name, "utf-8")
            log.unlink(missing_ok=True)
        else:
            part.unlink(missing_ok=True)
            if code < 0:  # somebody ended it: nothing to say of it
                log.unlink(missing_ok=True)
    finally:
        with _lock:
            _running.pop(target, None)


def stop(job: Job) -> None:
    """End it; returns when it has ended."""
    with _lock:
        process = _running.get(job.target)
    if process is not None:
        process.terminate()
        process.wait()


def _tidy(place: Path) -> None:
    files = sorted((p for p in place.iterdir() if p.is_file()), key=lambda p: p.stat().st_mtime)
    for old in files[: max(0, len(files) - MOST_FILES)]:
        old.unlink(missing_ok=True)


def _stop_all() -> None:
    for process in list(_running.values()):
        process.terminate()


atexit.register(_stop_all)
