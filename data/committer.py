"""Commits a live run's journal every few seconds, in a process of its own.

`python -m data.committer STORE JOURNAL` runs until its standard input ends, that is as long as the
run does. The run then writes lines at full speed and never waits for the disk or for the store.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from data.errors import StoreError
from data.ledger import commit_journal
from data.store import Store, StoreLockedError

if TYPE_CHECKING:
    from types import TracebackType

COMMIT_SECONDS = 2.0
MOST_SECONDS = 5.0  # what is not committed yet may be asked for again (RECENT in pipelines/live.py)
BUSY_SHARE = 0.04  # of a processor; the run and its worker processes want the rest
SYNC_SECONDS = 0.5
END_SECONDS = 30.0
ROOT = Path(__file__).parents[1]


class Committer:
    """The process, as the run sees it. It is started when first needed: a short run needs none."""

    module = "data.committer"

    def __init__(self, store: Store, journal: Path) -> None:
        arguments = (str(store.path.absolute()), str(journal.absolute()), str(store.wait_seconds))
        self._command = [sys.executable, "-P", "-m", self.module, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._locked = False

    def __enter__(self) -> Self:
        return self

    def start(self) -> None:
        """Begin to commit, or begin again where the process was killed."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._close()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(  # noqa: S603 (this program itself)
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # an interrupt is for the run: it ends this process itself
        )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)

    @property
    def store_locked(self) -> bool:
        """Whether the last commit had to be put off because somebody else holds the store."""
        if self._process is not None and self._process.stdout is not None:
            said = (self._process.stdout.read() or b"").split()
            self._locked = said[-1] == b"locked" if said else self._locked
        return self._locked

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        self._close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()


def main(store_path: str, journal_path: str, wait_seconds: str) -> None:
    """Sync and commit until the run ends."""
    store, journal = Store(Path(store_path)), Path(journal_path)
    store.wait_seconds = float(wait_seconds)
    due = time.monotonic()
    with journal.open("rb") as file:
        while not _has_ended():
            os.fsync(file.fileno())
            if time.monotonic() >= due:
                began = time.process_time()
                _say(_commit(store, journal))
                busy = time.process_time() - began
                due = time.monotonic() + max(COMMIT_SECONDS, min(busy / BUSY_SHARE, MOST_SECONDS))


def _has_ended() -> bool:
    """Wait a little; whether standard input has ended."""
    return bool(select.select([sys.stdin], [], [], SYNC_SECONDS)[0])


def _commit(store: Store, journal: Path) -> str:
    try:
        commit_journal(store, journal)
    except StoreLockedError:
        return "locked"
    except StoreError as error:  # the run itself commits at its end, and says what is wrong
        sys.stderr.write(f"{error.what}\n")
        return "failed"
    return "free"


def _say(word: str) -> None:
    try:
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
