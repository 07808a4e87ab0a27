"""The run journal: one append-only JSON-lines file for each run, written before anything else.

Every paid reply is on disk here before it is parsed into the store. The lines of a run:

    {"event": "run", ...}      the run's record, its judge as run; first line, again on each resume
    {"event": "sent", ...}     a request is about to leave, with the most that it can cost;
                               without a later reply: possibly paid
    {"event": "reply", ...}    what was bought
    {"event": "failed", ...}   an attempt that the provider is known not to have charged
    {"event": "label", ...}    a label, with the requests whose replies it was read from
    {"event": "undo", ...}     a person takes back a label of this run
    {"event": "batch", ...}    a batch is about to be made, was made, or ended
    {"event": "end", ...}      the run ended by itself: complete or stopped

A lock on the file tells a live run from a dead one. A torn last line (power loss, kill) is dropped;
a damaged line inside is a StoreError that names it, once what stands before it was read.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from data.errors import RunError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

Event = dict[str, Any]
_encode = json.JSONEncoder(ensure_ascii=True).encode

BATCH_BYTES = 32_000_000
_NEEDED = {
    "sent": {"request_hash", "at"},
    "reply": {"request_hash"},
    "failed": {"request_hash"},
    "undo": {"label_id"},
}


class Journal:
    """A journal open for writing, and locked until it is closed.

    Raises RunError where another process is writing this run.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise RunError(
                f"run {path.stem} is being written by another process",
                "Wait for it to end, or stop it; then give the same command again.",
            ) from error
        drop_torn_line(self._descriptor)
        self._unsynced = False

    def write(self, *events: Event) -> None:
        """Hand events to the operating system: from here on they survive a kill.

        Raises RunError where they cannot be written whole (a full disk); no half line is left.
        """
        lines = "".join(_encode(event) + "\n" for event in events).encode()
        try:
            written = os.write(self._descriptor, lines)
        except OSError as error:
            raise _cannot_write(self.path, error.strerror) from error
        if written < len(lines):
            drop_torn_line(self._descriptor)
            raise _cannot_write(self.path, "no space left")
        self._unsynced = True

    def sync(self) -> None:
        """Put everything written on the disk: from here on it survives a power loss."""
        if self._unsynced:
            self._unsynced = False
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync, unlock and close."""
        self.sync()
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _cannot_write(path: Path, why: str | None) -> RunError:
    return RunError(
        f"{path} cannot be written ({why}): the run has stopped",
        "Free disk space, then give the same command again: what was received is kept.",
    )


def drop_torn_line(descriptor: int) -> None:
    """Cut what follows the last line end."""
    size = os.fstat(descriptor).st_size
    end, step = size, 65536
    while end > 0:
        start = max(0, end - step)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def read_events(path: Path, offset: int = 0, size: int = BATCH_BYTES) -> tuple[list[Event], int]:
    """The complete lines in about `size` bytes from an offset on, and the offset behind them.

    Ends before a damaged line. Raises StoreError where it is the first one.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
        if not content.endswith(b"\n"):
            content += file.readline()  # a line longer than the batch, or cut by it
    events: list[Event] = []
    end = offset
    for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
        event = _event(line)
        if event is None and not events:
            raise damaged(path, offset)
        if event is None:
            break
        events.append(event)
        end += len(line)
    return events, end


def iter_events(path: Path) -> Iterator[Event]:
    """All complete lines, one at a time."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            event = _event(line)
            if event is None:
                raise damaged(path, offset)
            yield event
            offset += len(line)


def _event(line: bytes) -> Event | None:
    """What a line says; None where it is damaged."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    return event if _NEEDED.get(event["event"], set()) <= event.keys() else None


def behind(path: Path, offset: int, n_lines: int) -> int:
    """The offset behind the next lines."""
    with path.open("rb") as file:
        file.seek(offset)
        return offset + sum(len(file.readline()) for _ in range(n_lines))


def damaged(path: Path, offset: int) -> StoreError:
    """The error of a journal whose line at this offset cannot be read."""
    number = 1
    with path.open("rb") as file:
        while file.tell() < offset and file.readline():
            number += 1
        line = file.readline()[:40].decode(errors="replace")
    return StoreError(
        f"the run journal {path} is damaged on line {number} ({line!r}): nothing from there on is "
        "taken up, nothing is lost",
        "Mend that line, or move the file to another place and keep it: it says what was paid.",
    )


def is_live(path: Path) -> bool:
    """Whether a process holds the journal's lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def journals_in(folder: Path) -> Iterator[Path]:
    """All journals of a store, by name; other files in its folder are none of ours."""
    found = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    return (path for path in found if path.is_file() and _is_run(path.stem))


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
