"""What sessions of people stand on: a journal each, and in each program one room for a store.

The room knows what was labelled in this program a moment ago, and keeps the process that commits.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from data.errors import InputError, RunError
from data.journal import Journal
from data.ledger import end_event, run_event
from data.people_committer import PeopleCommitter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from data.journal import Event
    from data.people import Desk, Waiting
    from data.records import Annotator, Run, RunStatus
    from data.store import Store

OPEN_SECONDS = 2.0  # another process may look for a moment whether a new journal is alive
_Cell = tuple[str, UUID, str, int]


class AlreadyLabelledError(InputError):
    """The person has labelled this comparison meanwhile, say in another window."""


class Writer:
    """A session's journal: opened by the first label, and again by one that comes after its end."""

    def __init__(self, store: Store, run: Run, who: Annotator) -> None:
        self.run = run
        self._store, self._who = store, who
        self._path = store.journals / f"{run.run_id}.jsonl"
        self._journal: Journal | None = None
        self._lock = threading.Lock()

    def write(self, event: Event) -> None:
        """Put a line on the disk."""
        with self._lock:
            journal = self._journal or self._begin()
            journal.write(event)
            journal.sync()

    def close(self, status: RunStatus) -> None:
        """Write how the run ended, and let go of the journal."""
        with self._lock:
            journal, self._journal = self._journal, None
            if journal is not None:
                with journal, suppress(RunError):  # a full disk: the run counts as interrupted
                    journal.write(end_event(status))

    def _begin(self) -> Journal:
        journal = _open_journal(self._path)
        try:
            journal.write(run_event(self.run, [self._who]))
        except BaseException:
            journal.close()
            raise
        self._journal = journal
        return journal


def _open_journal(path: Path) -> Journal:
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            return Journal(path)
        except RunError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.01)


class Room:
    """What the sessions of this process share on one store: who labelled what, one committer."""

    def __init__(self, store: Store) -> None:
        self._lock = threading.Lock()
        self._own: dict[_Cell, float] = {}  # when it was on the disk; until then never
        self._by_anybody: dict[tuple[str, str], float] = {}
        self._committer = PeopleCommitter(store)

    def claim(self, desk: Desk, what: Waiting) -> None:
        """A person has one label on it. Raises AlreadyLabelledError for another."""
        with self._lock:
            if _cell(desk, what) in self._own:
                raise AlreadyLabelledError(
                    f"comparison {what.comparison_id} is labelled already", "Go on to the next."
                )
            self._own[_cell(desk, what)] = math.inf

    def confirm(self, desk: Desk, what: Waiting, *, usable: bool) -> None:
        """It is on the disk: whoever reads the store and the journals from now on finds it."""
        with self._lock:
            self._own[_cell(desk, what)] = time.monotonic()
            if usable:
                self._by_anybody[desk.criterion, what.comparison_id] = time.monotonic()

    def give_back(self, desk: Desk, what: Waiting) -> None:
        """The label was taken back, or could not be written."""
        with self._lock:
            self._own.pop(_cell(desk, what), None)
            self._by_anybody.pop((desk.criterion, what.comparison_id), None)

    def is_done(self, desk: Desk, what: Waiting, read_at: float, *, by_anybody: bool) -> bool:
        """Labelled here by this person, or, where that counts, by anybody since it was read."""
        with self._lock:
            since = self._by_anybody.get((desk.criterion, what.comparison_id), -1.0)
            return _cell(desk, what) in self._own or (by_anybody and since >= read_at)

    def forget(self, desk: Desk, page: Sequence[Waiting], read_at: float) -> None:
        """What was read as not labelled is not: say its data set was removed and imported again."""
        with self._lock:
            for what in page:
                if self._own.get(_cell(desk, what), math.inf) < read_at:
                    del self._own[_cell(desk, what)]

    def commit_soon(self) -> None:
        """See to it that the committing process is there; the labels are on the disk anyway."""
        with self._lock, suppress(OSError):
            self._committer.start()

    @property
    def store_locked(self) -> bool:
        """What the committing process said last."""
        with self._lock:
            return self._committer.store_locked

    def end(self) -> None:
        """Let the committing process commit the rest and end."""
        with self._lock:
            self._committer.__exit__(None, None, None)


def finish(store: Store) -> None:
    """End the committing process of this program: what is in the journals is committed first.

    For tests and scripts; a server that ends needs no call. Sessions are to be closed before.
    """
    with _rooms_lock:
        room = _rooms.pop(store.path.absolute(), None)
    if room is not None:
        room.end()


_rooms: dict[Path, Room] = {}
_rooms_lock = threading.Lock()


def room_of(store: Store) -> Room:
    """The room of this program, the same for every `Store` of one file."""
    with _rooms_lock:
        return _rooms.setdefault(store.path.absolute(), Room(store))


def _cell(desk: Desk, what: Waiting) -> _Cell:
    return desk.criterion, desk.person, what.comparison_id, what.repeat
