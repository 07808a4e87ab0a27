"""The live part of a run: every task asks the provider until its labels are known."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from data.committer import COMMIT_SECONDS
from data.errors import ProviderError, RunError
from data.records import LabelStatus, Reply, RunStatus
from data.store import StoreLockedError
from judges.client import CallError, UnsupportedError
from pipelines.engines.budget import Budget
from pipelines.engines.calls import BudgetSpentError, Gates, StoppedError, call
from pipelines.engines.local import run_cells
from pipelines.engines.pacing import Pacer, Throttle
from pipelines.known import known_replies
from pipelines.tasks import PAGE, Pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from uuid import UUID

    from judges.client import Client, Request
    from judges.pricing import Tariff
    from judges.task import AnyJudge, Asking, Task
    from pipelines.book import Book, Progress
    from pipelines.tasks import LabelOptions

TELL_SECONDS = 0.25
RECENT = 12 * PAGE  # as many as are bought between being read or asked for, and being committed
Read = TypeVar("Read")


@dataclass(slots=True)
class _Cell:
    """A task on its way, with the replies that it has."""

    task: Task
    judge: AnyJudge
    asking: Asking
    replies: dict[UUID, Reply]
    bought: bool = False


class _RefusedParameterError(Exception):
    """A model does not take a parameter of a request."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(reason)
        self.model, self.reason = model, reason


class Live:
    """One process's session of a run, on one event loop."""

    def __init__(
        self,
        book: Book,
        judge: AnyJudge,
        client: Client | None,
        options: LabelOptions,
        ids: Mapping[str, UUID],
        tariffs: Mapping[tuple[str, str | None], Tariff],
        report: Callable[[Progress], None],
    ) -> None:
        self.book, self.judge, self.client, self.options = book, judge, client, options
        self.ids, self.tariffs, self.report = ids, tariffs, report
        self.progress = book.progress
        self.secret = book.store.secret()
        self.pages = Pages(judge, ids[judge.name], options)
        self.stop = asyncio.Event()
        self.failure: Exception | None = None
        self.asking: dict[UUID, tuple[asyncio.Lock, int]] = {}
        self.recent: dict[UUID, Reply] = {}
        self.budget = Budget(self.progress.budget_usd, self.progress.used_usd)
        self.out_of_budget = False

    def run(self) -> RunStatus:
        """Until all is done, the budget is spent, or the run is stopped."""
        gc.collect()
        gc.freeze()  # what was imported stays: not looking at it again saves a tenth
        try:
            return asyncio.run(self._label_all())
        finally:
            gc.unfreeze()

    async def _label_all(self) -> RunStatus:
        self._stop_on_signals()
        self.gates = self._gates()
        tasks = [asyncio.create_task(self._keep_committing()), asyncio.create_task(self._tell())]
        try:
            await run_cells(
                self._cells(), self._work, concurrency=self.options.concurrency, stop=self.stop
            )
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            if self.client is not None:
                await self.client.close()
            self.progress.used_usd = self.budget.spent_usd
        if self.failure is not None:
            raise self.failure
        return self._status()

    def _status(self) -> RunStatus:
        progress = self.progress
        if progress.before + progress.done + progress.failed >= progress.planned:
            return RunStatus.COMPLETE
        if self.out_of_budget:
            return RunStatus.BUDGET_SPENT
        return RunStatus.STOPPED if self.stop.is_set() else RunStatus.COMPLETE

    def _gates(self) -> Gates:
        """What every attempt passes: the cap, the pace, and no more at once than is borne."""
        options = self.options
        requests = options.requests_per_minute or getattr(self.judge, "requests_per_minute", None)
        tokens = options.tokens_per_minute or getattr(self.judge, "tokens_per_minute", None)
        return Gates(
            self.budget,
            Pacer(requests, tokens) if requests or tokens else None,
            Throttle(options.concurrency),
        )

    def _stop_on_signals(self) -> None:
        """The first interrupt lets the calls under way finish; the second one ends at once."""

        def finish() -> None:
            if self.stop.is_set():
                os._exit(130)
            self._end()
            self.progress.stopping = True

        with suppress(NotImplementedError, ValueError, RuntimeError):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, finish)

    def _end(self) -> None:
        """Begin nothing any more."""
        self.stop.set()
        self.budget.stop()

    async def _cells(self) -> AsyncIterator[_Cell]:
        """What is left to label, page by page."""
        while not self.stop.is_set():
            tasks = await self._patiently(lambda: self.pages.read(self.book.store))
            if tasks is None:
                return
            for cell in await self._patiently(partial(self._begun, tasks)) or ():
                yield cell

    def _begun(self, tasks: Sequence[Task]) -> list[_Cell]:
        """Cells with the replies that the store holds for their requests."""
        cells = [_Cell(task, self.judge, self._ask(self.judge, task), {}) for task in tasks]
        if self.client is not None:
            known_replies(self.book.store, [(cell.asking, cell.replies) for cell in cells])
        return cells

    def _ask(self, judge: AnyJudge, task: Task) -> Asking:
        return judge.asking(task, self.secret, self.ids)

    async def _patiently(self, read: Callable[[], Read]) -> Read | None:
        """Read in a thread; while somebody else holds the store, wait and say so."""
        while not self.stop.is_set():
            try:
                found = await asyncio.to_thread(read)
            except StoreLockedError:
                self.progress.store_locked = True
                await asyncio.sleep(COMMIT_SECONDS)
            else:
                return found
        return None

    async def _work(self, cell: _Cell) -> None:
        """Ask until nothing is needed, then keep the labels, or why there are none."""
        try:
            await self._complete(cell)
        except (StoppedError, BudgetSpentError):
            return
        except CallError as error:
            status = LabelStatus.REFUSED if error.refused else LabelStatus.FAILED
            self.book.keep(cell.asking.failed(status, error.reason))
            self._end_if_only_failing()
            return
        reused = bool(cell.replies) and not cell.bought
        self.book.keep(cell.asking.judgments(cell.replies), reused=reused)

    async def _complete(self, cell: _Cell) -> None:
        while True:
            if cell.judge is not self.judge:
                await self._ask_anew(cell)
            needed = cell.asking.needed(cell.replies)
            if not needed:
                return
            try:
                if len(needed) == 1:
                    await self._answer(needed[0], cell, alone=True)
                else:
                    await self._answer_all(needed, cell)
            except _RefusedParameterError as error:
                self._reduce(cell, error)

    async def _answer_all(self, needed: Sequence[Request], cell: _Cell) -> None:
        """Several requests at once; the first error is raised when all have ended."""
        calls = (self._answer(request, cell, alone=False) for request in needed)
        ended = await asyncio.gather(*calls, return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _ask_anew(self, cell: _Cell) -> None:
        """What the judge asks since a provider did not take a parameter; bought replies count."""
        cell.judge, cell.asking = self.judge, self._ask(self.judge, cell.task)
        await self._patiently(
            partial(known_replies, self.book.store, [(cell.asking, cell.replies)])
        )

    def _reduce(self, cell: _Cell, error: _RefusedParameterError) -> None:
        """Ask this model for less from now on, unless somebody here has just seen to it."""
        if cell.judge is not self.judge:
            return
        reduced = self.judge.reduced(error.model)
        if reduced is None:
            raise ProviderError(
                f"judge {self.judge.name}: {error.reason}",
                "Remove the parameter, or give a soft judge fallback_samples.",
            ) from error
        self.judge = reduced
        self.progress.notes.append(f"{error.model} does not take a parameter: asked without it")

    async def _answer(self, request: Request, cell: _Cell, *, alone: bool) -> None:
        """The reply to one request, bought unless somebody here has just bought it."""
        async with self._one_at_a_time(request.request_hash):
            reply = self.recent.get(request.request_hash)
            if reply is None:
                try:
                    reply = await self._buy(request, alone=alone)
                except UnsupportedError as error:
                    raise _RefusedParameterError(request.model, error.reason) from error
                cell.bought = True
            cell.replies[request.request_hash] = reply

    @asynccontextmanager
    async def _one_at_a_time(self, request_hash: UUID) -> AsyncIterator[None]:
        """Equal requests (the same texts twice) wait for the first, and use its reply."""
        lock, waiting = self.asking.get(request_hash, (asyncio.Lock(), 0))
        self.asking[request_hash] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self.asking.pop(request_hash)
            if waiting > 1:
                self.asking[request_hash] = (lock, waiting - 1)

    async def _buy(self, request: Request, *, alone: bool) -> Reply:
        if self.client is None:
            raise RunError(f"judge {self.judge.name} has no client", "Pass one to label().")
        tariff = self.tariffs.get((request.model, request.api_base))
        most_usd = None if tariff is None else tariff.most_usd(request)
        try:
            reply = await call(
                self.client,
                request,
                self.options.retry,
                gates=self.gates,
                most_usd=most_usd or 0.0,
                tokens=0 if tariff is None else tariff.tokens(request),
                on_send=lambda: self.book.sent(request.request_hash, most_usd),
                on_answered=lambda: self.book.declined(request.request_hash),
                stop=self.stop,
            )
        except BudgetSpentError:
            self.out_of_budget = not self.stop.is_set() or self.out_of_budget
            self._end()
            raise
        self.book.received(request.model, reply, alone=alone)
        self._remember(reply)
        return reply

    def _remember(self, reply: Reply) -> None:
        """For equal requests that were read from the store before this reply was committed."""
        self.recent[reply.request_hash] = reply
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]

    def _end_if_only_failing(self) -> None:
        book = self.book
        if book.failed_in_a_row >= self.options.max_failures and self.failure is None:
            self.failure = RunError(
                f"{book.failed_in_a_row} labels in a row failed, the last one because: "
                f"{book.last_failure}",
                "Mend the cause and give the same command again, or raise --max-failures.",
            )
            self._end()

    async def _keep_committing(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            self.book.committer.start()
            self.progress.store_locked = self.book.committer.store_locked

    async def _tell(self) -> None:
        while True:
            self.progress.used_usd = self.budget.spent_usd
            self.report(self.progress)
            await asyncio.sleep(TELL_SECONDS)
