"""Processes beside the server, for what would keep it from drawing: reading large data sets.

Threads of one Python process take turns, so that pages wait while a million labels are read in
one of them. `Apart` is a process for it: the copy of one that waits with all modules imported.
It ends with the connection to it, whatever becomes of the server.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

POSSIBLE = hasattr(os, "fork")
IMPORTED = (
    "app.loading", "pipelines.one_judge", "pipelines.strategy_tries", "pandas", "sklearn.ensemble",
)  # fmt: skip


class Apart:
    """A process in which `answers(*given)` was called: it answers what that returns.

    Safe for threads: questions are answered beside each other. The process ends on `close`, and
    where nothing refers to this any more.
    """

    def __init__(self, answers: Callable[..., Callable[[Any], Any]], *given: Any) -> None:
        self._connection, waits_for = copied()
        self._asked: dict[int, Future[Any]] = {}
        self._numbers = itertools.count()
        self._sending = threading.Lock()
        self._connection.send((answers, given))
        self._receiving = threading.Thread(
            target=_receive, args=(self._connection, self._asked), daemon=True, name="apart"
        )
        self._receiving.start()
        self.close = weakref.finalize(self, _hang_up, waits_for)

    @property
    def ended(self) -> bool:
        """Whether nothing is answered any more."""
        return not (self._receiving.is_alive() and self.close.alive)

    def ask(self, question: Any) -> Any:
        """What is answered, or raised there. Raises StoreError where the process has ended."""
        answer: Future[Any] = Future()
        with self._sending:
            number = next(self._numbers)
            self._asked[number] = answer
            try:
                self._connection.send((number, question))
            except OSError:
                raise _ended() from None
        return answer.result()


def start() -> None:
    """Have the process that is copied import what it needs, if it does not yet."""
    if POSSIBLE:
        _waiting()


def copied() -> tuple[Connection, socket.socket]:
    """The connection to a new copy, and the same as a socket. Raises StoreError without one."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(_waiting(), [b"."], [theirs.fileno()])
        except OSError:
            ours.close()
            _waiting.cache_clear()  # it was ended: the next call starts another
            raise _ended() from None
    return Connection(os.dup(ours.fileno())), ours


@cache
def _waiting() -> socket.socket:
    """The way to the process that waits to be copied: it ends with this end of it."""
    ours, theirs = socket.socketpair()
    with theirs:
        end = theirs.fileno()
        command = [sys.executable, "-P", "-m", "app.apart", str(end)]
        process = subprocess.Popen(  # noqa: S603
            command, pass_fds=[end], stdin=subprocess.DEVNULL, start_new_session=True,
            env={"MALLOC_ARENA_MAX": "2", **os.environ},  # threads of glibc would each keep memory
        )  # fmt: skip
    atexit.register(_end, ours, process)
    return ours


def _end(way: socket.socket, process: subprocess.Popen[bytes]) -> None:
    way.close()
    process.kill()  # it may be importing still
    process.wait()


def _receive(connection: Connection, asked: dict[int, Future[Any]]) -> None:
    with suppress(EOFError, OSError):
        while True:
            number, well, found = connection.recv()
            answer = asked.pop(number)
            (answer.set_result if well else answer.set_exception)(found)
    for answer in list(asked.values()):
        answer.set_exception(_ended())


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError), connection:
        connection.shutdown(socket.SHUT_RDWR)


def _ended() -> StoreError:
    return StoreError(
        "the process that reads this data set has ended",
        "Refresh starts another; where it ends again, memory may not suffice.",
    )


# ---- in the other processes


def main() -> None:
    """Import, then become a copy of oneself for each connection that comes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies' ends
    for name in IMPORTED:
        import_module(name)
    while True:
        message, [*ends], _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _serve(Connection(ends[0]))
            os._exit(0)
        os.close(ends[0])


def _serve(connection: Connection) -> None:
    sending = threading.Lock()

    def reply(number: int, question: Any) -> None:
        try:
            found = True, answer(question)
        except Exception as error:
            found = False, error
        try:
            data = pickle.dumps((number, *found))
        except Exception as error:
            data = pickle.dumps((number, False, RuntimeError(f"{found[1]!r:.500}: {error}")))
        with sending, suppress(OSError):
            connection.send_bytes(data)
        del data, found
        _give_back()

    with suppress(EOFError, OSError):
        answers, given = connection.recv()
        answer = answers(*given)
        while True:
            threading.Thread(target=reply, args=connection.recv(), daemon=True).start()


def _give_back() -> None:
    """What was freed goes to the system: the allocators would keep it, two hundred megabytes."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # the C library of GNU alone has it
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
