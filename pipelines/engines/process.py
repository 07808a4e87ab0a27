"""A Python process of our own, started so that it lives and dies as its starter wants."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from data.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_HELD_BACK = (signal.SIGINT, signal.SIGTERM)
# The paths of this process, so that the other imports what this one imports and nothing else.
_PATHS = "import sys; sys.path[:] = sys.argv[1:]; "


def start_process(code: str) -> tuple[Process, socket.socket]:
    """A process that runs `code`, and our end of the socket that is its standard input.

    Not a fork, so that it may be started beside threads and event loops. SIGINT and SIGTERM are
    held back in it until it says what they are to do. Raises RunError.
    """
    try:
        here, there = socket.socketpair()
        with there:
            try:
                return Process(code, there), here
            except OSError:
                here.close()
                raise
    except OSError as error:
        raise RunError(
            f"cannot start a worker process: {error}", "Use fewer of them, or none."
        ) from error


class Process:
    """A process, and what it says. Raises OSError where it cannot be started."""

    def __init__(self, code: str, stdin: socket.socket) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        try:
            with _signals_held_back():
                self._popen = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", _PATHS + code, *sys.path],
                    stdin=stdin.fileno(),
                    stdout=self._said,  # LiteLLM prints now and then; the screen is not its own
                    stderr=self._said,
                )
        except OSError:
            self._said.close()
            raise

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self._popen.kill()

    async def end(self, seconds: float) -> tuple[str, str]:
        """Wait until it ends, and kill it after so long; how it ended, and its last line."""
        code = await asyncio.to_thread(self._wait, seconds)
        told = self._last_line()
        self._said.close()
        return _in_words(code), told

    def _wait(self, seconds: float) -> int:
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(seconds)
        self.kill()
        return self._popen.wait()

    def _last_line(self) -> str:
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 2000))
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """A new process inherits it: an interrupt must not end it before it can ignore interrupts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_words(code: int) -> str:
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit code {code}"
