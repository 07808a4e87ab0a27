"""Calls from several processes: one of LiteLLM's keeps a core busy, and makes no more calls."""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
from typing import TYPE_CHECKING, Any

from data.errors import RunError
from judges.client import CallError
from pipelines.engines.channel import Channel, Failure
from pipelines.engines.process import start_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.records import Reply
    from judges.client import Client, Request

END_SECONDS = 5.0
REPLACEMENTS = 3
_CODE = "from pipelines.engines.worker import main; main()"


def auto_workers() -> int:
    """As many processes as there are cores that this one may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkersClient:
    """A client whose calls are made by `workers` processes; each has a client of its own.

    `make_client` is pickled: a function, class or partial that can be imported. It finds keys where
    it would find them here, in the environment or the judge's key file. `replacements` is how many
    processes may be started in place of ones that died.
    """

    def __init__(
        self, make_client: Callable[[], Client], workers: int, *, replacements: int = REPLACEMENTS
    ) -> None:
        if workers < 1:
            raise ValueError(f"{workers} worker processes: nobody would make the calls")
        self._make_client = pickle.dumps(make_client)
        self._wanted = workers
        self._most_replacements = replacements
        self._reset()

    def _reset(self) -> None:
        self._living: set[_Worker] = set()
        self._ready: list[_Worker] = []
        self._replaced = 0
        self._failure: Exception | None = None
        self._changed = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._repairs: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that take calls now."""
        return tuple(worker.pid for worker in self._ready)

    async def start(self) -> None:
        """Start all processes at once, and return when every one has made its client.

        Raises what `make_client` raised there (ProviderError, PriceError), and RunError where
        processes die instead. The first call starts them too.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_all())
        if not self._opening.done():
            await asyncio.wait({self._opening})  # who gives up waiting does not end it for others
        if self._failure is not None:
            raise self._failure

    async def complete(self, request: Request) -> Reply:
        """As the worker's client; a process that dies under a call is a CallError, maybe paid."""
        await self.start()
        while not self._ready:  # all died, and others are on their way
            await self._changed.wait()
            if self._failure is not None:
                raise self._failure
        return await min(self._ready, key=_business).ask(request)

    async def close(self) -> None:
        """End the processes, when no call is under way; a later call starts new ones."""
        tasks = [*self._repairs, *([self._opening] if self._opening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._end_all()
        self._reset()

    async def _end_all(self) -> None:
        self._ready.clear()
        living, self._living = self._living, set()
        await asyncio.gather(*(worker.end() for worker in living))

    async def _open_all(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._wanted):
                    group.create_task(self._open())
        except ExceptionGroup as errors:
            self._failure = errors.exceptions[0]
            await self._end_all()

    async def _open(self) -> None:
        """Have one more worker ready; one that dies before it is ready is replaced."""
        worker = _Worker(self._make_client, self._lost)
        self._living.add(worker)
        if await worker.is_ready():
            self._ready.append(worker)
            self._changed.set()
        else:
            await self._replace(worker)

    def _lost(self, worker: _Worker) -> None:
        """A worker's process is gone. One that was not ready is the business of who opened it."""
        if worker in self._ready:
            self._ready.remove(worker)
            repair = asyncio.create_task(self._repair(worker))
            self._repairs.add(repair)
            repair.add_done_callback(self._repairs.discard)
        if not self._ready:
            self._changed.clear()

    async def _repair(self, worker: _Worker) -> None:
        try:
            await self._replace(worker)
        except Exception as error:
            self._failure = error
            self._changed.set()

    async def _replace(self, dead: _Worker) -> None:
        why = await dead.end()
        self._living.discard(dead)
        self._replaced += 1
        if self._replaced > self._most_replacements:
            raise RunError(
                f"worker processes keep ending, the last one with {why}",
                "Use fewer of them, or give them more memory; then give the command again.",
            )
        await self._open()


class _Worker:
    """A worker process, as this one sees it. Raises RunError where it cannot be started."""

    def __init__(self, make_client: bytes, lost: Callable[[_Worker], None]) -> None:
        loop = asyncio.get_running_loop()
        self._make_client = make_client
        self._lost = lost
        self._numbers = itertools.count()
        self._calls: dict[int, asyncio.Future[Reply]] = {}
        self._ready: asyncio.Future[bool] = loop.create_future()
        self._spoke = False
        self._gone = asyncio.Event()
        self._channel = Channel(self._hear, self._end_of_channel)
        self._process, here = start_process(_CODE)
        connecting = loop.create_connection(lambda: self._channel, sock=here)
        self._connecting = asyncio.create_task(connecting)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def n_calls(self) -> int:
        return len(self._calls)

    async def is_ready(self) -> bool:
        """Whether it has made its client, as soon as that is known; False: it died before."""
        await asyncio.wait({self._connecting})
        self._channel.send(self._make_client)
        return await self._ready and not self._gone.is_set()

    async def ask(self, request: Request) -> Reply:
        number = next(self._numbers)
        self._channel.send((number, request))
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        try:
            return await answer
        except asyncio.CancelledError:
            if self._calls.pop(number, None) is not None:
                self._channel.send((number, None))
            raise

    async def end(self) -> str:
        """End the process, at once where it does not listen yet; how it ended, in words."""
        await asyncio.wait({self._connecting})
        if self._spoke and not self._gone.is_set():
            self._channel.send(None)
        else:
            self._process.kill()
        code, told = await self._process.end(END_SECONDS)
        self._channel.close()
        await self._gone.wait()
        return f"{code}: {told}" if told else code

    def _hear(self, message: Any) -> None:
        if self._spoke:
            number, answer = message
            _settle(self._calls.pop(number, None), answer)
        else:
            self._spoke = True
            _settle(self._ready, message or True)

    def _end_of_channel(self) -> None:
        self._gone.set()
        _settle(self._ready, False)
        calls, self._calls = self._calls, {}
        for call in calls.values():
            lost = CallError("its worker process ended", retryable=True, maybe_paid=True)
            _settle(call, Failure.of(lost))
        self._lost(self)


def _settle(future: asyncio.Future[Any] | None, answer: Any) -> None:
    """Give an answer to whoever waits for it, if anybody still does."""
    if future is None or future.done():
        return
    if isinstance(answer, Failure):
        future.set_exception(answer.exception())
    else:
        future.set_result(answer)


def _business(worker: _Worker) -> int:
    return worker.n_calls
