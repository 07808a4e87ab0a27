"""Watching a run that another process does: its journal says all that it does."""

from __future__ import annotations

import fcntl
import json
import time
from typing import TYPE_CHECKING, Any

from data.journal import is_live, read_events
from data.ledger import annotators_in
from data.records import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from data.journal import Event
    from data.store import Store
    from pipelines.book import Progress

LOOK_SECONDS = 0.5


def follow_lock(
    store: Store, lock: Path, progress: Progress, report: Callable[[Progress], None]
) -> Tail:
    """Follow the holder of a lock until it lets go."""
    return _follow(lambda: journal_of(store, lock), lambda: is_held(lock), Tail(progress), report)


def follow_run(
    journal: Path, progress: Progress, report: Callable[[Progress], None]
) -> RunStatus | None:
    """Follow a run by its journal, as long as a process writes it; None where it was killed."""
    return _follow(lambda: journal, lambda: is_live(journal), Tail(progress), report).ended


def _follow(
    journal: Callable[[], Path | None],
    goes_on: Callable[[], bool],
    tail: Tail,
    report: Callable[[Progress], None],
) -> Tail:
    while True:
        last = not goes_on()  # asked before the journal is read: what comes later is not missed
        path = journal()
        if path is not None and path.exists():
            tail.read(path)
        report(tail.progress)
        if last:
            return tail
        time.sleep(LOOK_SECONDS)


class Tail:
    """Counts what a journal says, from where it was read before.

    `ended` is how its run ended, None where it goes on or was killed.

    A run that was continued begins anew in its journal: only its last session is counted.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.ended: RunStatus | None = None
        self.settings: dict[str, Any] | None = None
        self._own = ""
        self.offset = 0

    def read(self, journal: Path) -> None:
        """Take in what is new."""
        while True:
            events, end = read_events(journal, self.offset)
            for event in events:
                self._count(event)
            if end == self.offset:
                return
            self.offset = end

    def _count(self, event: Event) -> None:
        progress = self.progress
        if event["event"] == "run":
            progress.done = progress.failed = 0
            progress.spent_usd = 0.0
            progress.planned = event["planned"]
            progress.budget_usd = event["budget_usd"]
            self.settings = event["settings"]
            self._own = str(annotators_in(event)[0].annotator_id)
            self.ended = None
        elif event["event"] == "reply":
            progress.spent_usd += event["paid_usd"] or 0.0
            progress.price_known &= event["paid_usd"] is not None
        elif event["event"] == "label" and self._counts(event):
            progress.failed += event["status"] == "failed"
            progress.done += event["status"] != "failed"
        elif event["event"] == "undo":
            progress.done -= 1
        elif event["event"] == "end":
            self.ended = RunStatus(event["status"])

    def _counts(self, label: Event) -> bool:
        """Neither those of a jury's members nor those of single criteria make progress."""
        criterion = (self.settings or {}).get("criterion")
        return bool(label["annotator_id"] == self._own and label["criterion"] == criterion)


def is_held(lock: Path) -> bool:
    """Whether another process holds a lock file."""
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def journal_of(store: Store, lock: Path) -> Path | None:
    """The journal of the run that held a lock last."""
    try:
        run_id = json.loads(lock.read_text())["run_id"]
    except (OSError, ValueError, KeyError):
        return None
    return store.journals / f"{run_id}.jsonl"
