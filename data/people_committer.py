"""Commits what people label, in one process for all sessions of a server.

`python -m data.people_committer STORE JOURNALS SECONDS` looks every half second at the journals of
people's runs, commits those that have grown at most every two seconds, and takes up those whose
session has ended or was killed. When its standard input ends, that is when the server ends however
it ends, it commits the rest and ends too.
"""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from data.committer import COMMIT_SECONDS, END_SECONDS, SYNC_SECONDS, Committer
from data.errors import StoreError
from data.journal import is_live
from data.ledger import commit_journal, take_up_one, waiting_journals
from data.people import people_journals
from data.store import Store, StoreLockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class PeopleCommitter(Committer):
    """The process, as a server sees it: one for each store."""

    module = "data.people_committer"

    def __init__(self, store: Store) -> None:
        super().__init__(store, store.journals)


class _Watch:
    """What was committed last: a journal that has not changed since is not looked into again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._seen: dict[Path, tuple[int, bool]] = {}

    def commit(self) -> bool:
        """Commit what is new; False where somebody else holds the store."""
        states = dict(self._states())
        new = {path for path, state in states.items() if self._seen.get(path) != state}
        live = {path for path in new if states[path][1]}
        try:
            for path in live:
                _commit(self.store, path, commit_journal)
            for path in new - live and (new - live) & waiting_journals(self.store).keys():
                _commit(self.store, path, take_up_one)
        except StoreLockedError:
            return False
        self._seen = states
        return True

    def _states(self) -> Iterator[tuple[Path, tuple[int, bool]]]:
        for path in people_journals(self.store):
            with suppress(OSError):
                yield path, (path.stat().st_size, is_live(path))


def main(store_path: str, _: str, wait_seconds: str) -> None:
    """Commit until the server ends, then what is left."""
    store = Store(Path(store_path), upgrade=False, wait_seconds=float(wait_seconds))
    watch, due, said = _Watch(store), time.monotonic(), ""
    while not _has_ended():
        if time.monotonic() >= due:
            word = "free" if watch.commit() else "locked"
            if word != said:  # the pipe holds only so much
                _say(word)
            said, due = word, time.monotonic() + COMMIT_SECONDS
    time.sleep(0.1)  # a server that was killed lets go of its journals one by one
    last = time.monotonic() + END_SECONDS / 2
    while not watch.commit() and time.monotonic() < last:
        time.sleep(SYNC_SECONDS)


def _has_ended() -> bool:
    """Wait a little; whether standard input has ended."""
    return bool(select.select([sys.stdin], [], [], SYNC_SECONDS)[0])


def _commit(store: Store, path: Path, how: Callable[[Store, Path], int]) -> None:
    """A journal's own trouble is told, and stops no other."""
    try:
        how(store, path)
    except StoreLockedError:
        raise
    except StoreError as error:
        with suppress(OSError):
            sys.stderr.write(f"{error.what}\n")


def _say(word: str) -> None:
    """Nobody may be there to read it: the server ends, and the rest is to be committed."""
    with suppress(OSError):
        os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
