"""A worker process: one client, one event loop, and a socket to the process that started it.

It gets, in this order: the pickled maker of its client; any number of `(number, request)` and, for
a call that nobody waits for any more, `(number, None)`; None to end. It answers with None when the
client is made, or the Failure to; then `(number, reply or Failure)`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import socket
import traceback
from typing import TYPE_CHECKING, Any

from data.errors import ConcordError
from judges.client import CallError
from pipelines.engines.channel import Channel, Failure

if TYPE_CHECKING:
    from judges.client import Client, Request


def main() -> None:
    """Serve the socket that is standard input, until told to end or the other end is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the whole group gets them; the parent decides
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    parent = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:  # noqa: PTH123 (a device)
        os.dup2(nothing.fileno(), 0)
    asyncio.run(_serve(parent))


async def _serve(parent: socket.socket) -> None:
    await _Server().serve(parent)


class _Server:
    def __init__(self) -> None:
        self._client: Client | None = None
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._told_to_end = asyncio.Event()
        self._starting: asyncio.Task[None] | None = None
        self._channel = Channel(self._hear, _vanish)

    async def serve(self, parent: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self._channel, sock=parent)
        await self._told_to_end.wait()
        for call in self._calls.values():
            call.cancel()
        if self._client is not None:
            await self._client.close()

    def _hear(self, message: Any) -> None:
        if message is None:
            self._told_to_end.set()
        elif isinstance(message, bytes):
            self._starting = asyncio.create_task(self._start(message))
        elif message[1] is not None:
            number, request = message
            self._calls[number] = asyncio.create_task(self._answer(number, request))
        elif call := self._calls.pop(message[0], None):
            call.cancel()

    async def _start(self, make_client: bytes) -> None:
        """Make the client in a thread: an import of seconds must not hide that the parent died."""
        try:
            self._client = await asyncio.to_thread(_make, make_client)
        except Exception as error:
            self._channel.send(_failure(error))
        else:
            self._channel.send(None)

    async def _answer(self, number: int, request: Request) -> None:
        try:
            assert self._client is not None, "no call is sent before the client is made"
            self._channel.send((number, await self._client.complete(request)))
        except Exception as error:
            self._channel.send((number, _failure(error)))
        except asyncio.CancelledError as error:
            if number in self._calls and not self._told_to_end.is_set():  # not by the parent
                self._channel.send((number, _failure(RuntimeError(f"cancelled: {error}"))))
            raise
        finally:
            self._calls.pop(number, None)


def _make(make_client: bytes) -> Client:
    client: Client = pickle.loads(make_client)()  # noqa: S301 (the parent's)
    gc.collect()
    gc.freeze()  # what LiteLLM imported stays: not looking at it again saves a tenth
    return client


def _failure(error: Exception) -> Failure:
    """What callers know crosses as it is; any other exception is a fault, told with its place."""
    if isinstance(error, CallError | ConcordError):
        return Failure.of(error)
    told = "".join(traceback.format_exception(error))
    return Failure.of(RuntimeError(f"in a worker process: {told}"))


def _vanish() -> None:
    """The parent is gone: nobody wants the calls in flight, and nobody is there to be told."""
    os._exit(0)
