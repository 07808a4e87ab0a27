"""A labelling run: judge x comparisons x orders, through the journal into the store.

Every reply is in the journal before anything else happens. The journal is committed to the store
every two seconds; where somebody else holds the store the run goes on and commits later. The same
command continues a run that ended early, and a reply that the store holds is never bought again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from data import queries
from data.errors import InputError, RunError
from data.journal import Event, Journal
from data.ledger import (
    commit_journal,
    end_event,
    failed_event,
    label_event,
    run_event,
    sent_event,
    take_up,
)
from data.records import Label, LabelStatus, Reply, Run, RunStatus, Shown, make_id
from data.store import StoreLockedError
from judges.baselines import Baseline
from judges.client import CallError
from judges.judge import orders_of
from pipelines.engines.calls import RetryPolicy, StoppedError, call
from pipelines.engines.local import run_cells

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from data.records import Annotator, Comparison
    from data.store import Store
    from judges.client import Client, Request
    from judges.judge import Judge

COMMIT_SECONDS = 2.0
SYNC_SECONDS = 0.5
TELL_SECONDS = 0.25
PAGE = 1000
RECENT = 10_000  # more than cells can wait between being read and being asked
NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """What one run does; `limit` takes the first comparisons by id that have both texts."""

    dataset: str
    limit: int | None = None
    concurrency: int = 64
    retry: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(slots=True)
class Progress:
    """Where a run stands; `done` counts labels of this session, `before` those found done."""

    planned: int
    before: int
    done: int = 0
    failed: int = 0
    reused: int = 0
    spent_usd: float = 0.0
    price_known: bool = True
    stopping: bool = False
    store_locked: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def per_second(self) -> float:
        """Labels per second of this session."""
        return (self.done + self.failed) / max(1e-9, time.monotonic() - self.started)


@dataclass(frozen=True, slots=True)
class Labelled:
    """How a run ended."""

    run_id: UUID | None
    annotator: str
    dataset: str
    planned: int
    before: int
    done: int
    failed: int
    reused: int
    spent_usd: float | None
    seconds: float
    status: RunStatus
    without_texts: int
    journal_pending: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to do, before anything is sent."""

    annotator: str
    dataset: str
    comparisons: int
    without_texts: int
    planned: int
    done: int


@dataclass(frozen=True, slots=True)
class _Cell:
    comparison: Comparison
    shown: Shown
    repeat: int
    request: Request | None
    known: Reply | None


def plan(store: Store, judge: Judge | Baseline, options: LabelOptions) -> Plan:
    """How many labels a run would ask for. Raises InputError for an unknown data set."""
    with store.reading() as con:
        queries.check_dataset(con, options.dataset)
        annotator = _annotator(con, judge)
        limit = NO_LIMIT if options.limit is None else options.limit
        [(labelled, without)] = queries.rows(
            con, queries.COUNT_TO_LABEL, dataset=options.dataset, limit=limit
        )
        [(done,)] = queries.rows(
            con,
            queries.COUNT_DONE,
            annotator_id=str(annotator.annotator_id),
            criterion=judge.criterion,
            orders=judge.orders.value,
            dataset=options.dataset,
            limit=limit,
        )
    orders = len(orders_of(judge.orders, UUID(int=0)))
    return Plan(annotator.name, options.dataset, labelled, without, labelled * orders, int(done))


def label(
    store: Store,
    judge: Judge | Baseline,
    client: Client | None,
    options: LabelOptions,
    report: Callable[[Progress], None] = lambda _: None,
) -> Labelled:
    """Run a judge over a data set; returns when every label is in, or on the first interrupt.

    `client` is None for baselines. `report` is called about four times a second. Raises InputError
    where there is nothing that can be labelled, RunError where the same run is going on elsewhere,
    ProviderError where no call can succeed; what was received by then is kept.
    """
    take_up(store)
    todo = plan(store, judge, options)
    if todo.planned == 0:
        raise InputError(
            f"{options.dataset!r} has no comparison with both responses' texts",
            "A judge reads the texts: import a file that has response_a and response_b.",
        )
    with store.reading() as con:
        annotator = _annotator(con, judge)
    if todo.done >= todo.planned:
        return _nothing_to_do(todo)
    with _exclusive(store, annotator, options.dataset):
        run = _open_run(store, annotator, judge, options, todo.planned)
        return _Session(store, judge, client, options, annotator, run, todo, report).run()


def _annotator(con: Any, judge: Judge | Baseline) -> Annotator:
    """The judge's annotator; a changed judge under a used name becomes `name (2)` and so on."""
    annotator = judge.annotator()
    if isinstance(judge, Baseline) or annotator.definition is None:
        return annotator
    names = queries.rows(con, queries.JUDGE_NAMES, judge=judge.name)
    for name, identity in names:
        if identity == annotator.definition["identity"]:
            return judge.annotator(name)
    return judge.annotator(f"{judge.name} ({len(names) + 1})" if names else None)


@contextmanager
def _exclusive(store: Store, annotator: Annotator, dataset: str) -> Iterator[None]:
    """One process at a time runs a judge on a data set: two would buy every label twice."""
    store.journals.mkdir(exist_ok=True)
    path = store.journals / f"{make_id(annotator.annotator_id, dataset)}.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{annotator.name} is labelling {dataset!r} in another process already",
                "Watch it with `concord runs`; give this command again when it has ended.",
            ) from error
        yield


def _open_run(
    store: Store,
    annotator: Annotator,
    judge: Judge | Baseline,
    options: LabelOptions,
    planned: int,
) -> Run:
    """The unfinished run with the same settings, or a new one."""
    settings = {"limit": options.limit, "orders": judge.orders.value, "criterion": judge.criterion}
    with store.reading() as con:
        found = queries.rows(
            con,
            queries.OPEN_RUN,
            annotator_id=str(annotator.annotator_id),
            dataset=options.dataset,
            settings=queries.settings_json(settings),
        )
    run_id, started = found[0] if found else (uuid4(), datetime.now(UTC))
    return Run(
        run_id,
        annotator.annotator_id,
        annotator.name,
        options.dataset,
        settings,
        planned,
        started.replace(tzinfo=UTC),
    )


def _nothing_to_do(todo: Plan) -> Labelled:
    return Labelled(
        run_id=None,
        annotator=todo.annotator,
        dataset=todo.dataset,
        planned=todo.planned,
        before=todo.done,
        done=0,
        failed=0,
        reused=0,
        spent_usd=0.0,
        seconds=0.0,
        status=RunStatus.COMPLETE,
        without_texts=todo.without_texts,
        journal_pending=False,
    )


class _Session:
    """One process's part of a run."""

    def __init__(
        self,
        store: Store,
        judge: Judge | Baseline,
        client: Client | None,
        options: LabelOptions,
        annotator: Annotator,
        run: Run,
        todo: Plan,
        report: Callable[[Progress], None],
    ) -> None:
        self.store = store
        self.judge = judge
        self.client = client
        self.options = options
        self.annotator = annotator
        self.annotator_id = annotator.annotator_id
        self.run_record = run
        self.todo = todo
        self.report = report
        self.secret = store.secret()
        self.progress = Progress(planned=todo.planned, before=todo.done)
        self.journal_path = store.journals / f"{run.run_id}.jsonl"
        self.stop = asyncio.Event()
        self.asking: dict[UUID, tuple[asyncio.Lock, int]] = {}
        self.recent: dict[UUID, Reply] = {}

    def run(self) -> Labelled:
        with Journal(self.journal_path) as journal:
            self.journal = journal
            journal.write(run_event(self.run_record, self.annotator))
            journal.sync()
            self._commit()
            status = RunStatus.STOPPED
            try:
                status = asyncio.run(self._label_all())
            finally:
                journal.write(end_event(status))
                journal.sync()
                pending = not self._commit(final=True)
        self.report(self.progress)
        return self._result(status, pending)

    async def _label_all(self) -> RunStatus:
        self._stop_on_signals()
        tasks = [asyncio.create_task(self._commit_often()), asyncio.create_task(self._tell())]
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
        tried = self.progress.before + self.progress.done + self.progress.failed
        early = self.stop.is_set() and tried < self.progress.planned
        return RunStatus.STOPPED if early else RunStatus.COMPLETE

    def _stop_on_signals(self) -> None:
        """The first interrupt lets the calls under way finish; the second one ends at once."""

        def finish() -> None:
            if self.stop.is_set():
                os._exit(130)
            self.stop.set()
            self.progress.stopping = True

        with suppress(NotImplementedError, ValueError, RuntimeError):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, finish)

    async def _cells(self) -> AsyncIterator[_Cell]:
        """What is left to label, page by page, in the order of comparison ids."""
        after, left = UUID(int=0), self.options.limit or NO_LIMIT
        while left > 0 and not self.stop.is_set():
            page = await self._patiently(self._page, after, min(PAGE, left))
            if not page:
                return
            after, left = page[-1].comparison.comparison_id, left - len(page)
            for cell in await self._patiently(self._with_known, self._expand(page)):
                yield cell

    def _page(self, after: UUID, size: int) -> list[queries.ToLabel]:
        with self.store.reading() as con:
            return queries.page_to_label(
                con,
                dataset=self.options.dataset,
                annotator_id=self.annotator_id,
                criterion=self.judge.criterion,
                after=after,
                size=size,
            )

    def _expand(self, page: list[queries.ToLabel]) -> list[_Cell]:
        return [
            _Cell(item.comparison, shown, 0, self._request(item.comparison, shown), None)
            for item in page
            for shown in orders_of(self.judge.orders, item.comparison.comparison_id)
            if (shown, 0) not in item.done
        ]

    def _request(self, comparison: Comparison, shown: Shown) -> Request | None:
        if isinstance(self.judge, Baseline):
            return None
        return self.judge.request(comparison, shown, self.secret)

    def _with_known(self, cells: list[_Cell]) -> list[_Cell]:
        """Cells with the replies that the store holds for their requests."""
        hashes = [str(cell.request.request_hash) for cell in cells if cell.request]
        if not hashes:
            return cells
        with self.store.reading() as con:
            found = queries.records(con, queries.KNOWN_REPLIES, hashes=hashes)
        known = {UUID(row["request_hash"]): row for row in found}
        return [
            replace(cell, known=_reply(known[cell.request.request_hash]))
            if cell.request and cell.request.request_hash in known
            else cell
            for cell in cells
        ]

    async def _patiently(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """Read in a thread; while somebody else holds the store, wait and say so."""
        while not self.stop.is_set():
            try:
                return await asyncio.to_thread(read, *arguments)
            except StoreLockedError:
                self.progress.store_locked = True
                await asyncio.sleep(COMMIT_SECONDS)
        return []

    async def _work(self, cell: _Cell) -> None:
        blank = Label(
            cell.comparison.comparison_id,
            self.annotator_id,
            cell.shown,
            LabelStatus.FAILED,
            criterion=self.judge.criterion,
            repeat=cell.repeat,
        )
        if isinstance(self.judge, Baseline):
            done = self.judge.label(cell.comparison, cell.shown, self.annotator_id)
            self._keep(label_event(done, None, bought=False), done)
        elif cell.known is not None:
            done = self.judge.read(cell.known, blank)
            self._keep(label_event(done, cell.known, bought=False), done)
            self.progress.reused += 1
        elif cell.request is not None:
            async with self._one_at_a_time(cell.request.request_hash):
                await self._buy(self.judge, cell.request, blank)

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

    async def _buy(self, judge: Judge, request: Request, blank: Label) -> None:
        known = self.recent.get(request.request_hash)
        if known is not None:
            done = judge.read(known, blank)
            self._keep(label_event(done, known, bought=False), done)
            self.progress.reused += 1
            return
        try:
            reply = await self._call(judge, request)
        except StoppedError:
            return
        except CallError as error:
            status = LabelStatus.REFUSED if error.refused else LabelStatus.FAILED
            done = replace(blank, status=status, details={"reason": error.reason})
            self._keep(label_event(done, None, bought=False), done)
            return
        done = judge.read(reply, blank)
        self._keep(label_event(done, reply, bought=True), done)
        self._remember(reply)
        self.progress.spent_usd += reply.paid_usd or 0.0
        self.progress.price_known &= reply.paid_usd is not None

    def _remember(self, reply: Reply) -> None:
        """For equal requests that were read from the store before this reply was committed."""
        self.recent[reply.request_hash] = reply
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]

    async def _call(self, judge: Judge, request: Request) -> Reply:
        if self.client is None:
            raise RunError(f"judge {judge.name} has no client", "Pass one to label().")
        return await call(
            self.client,
            request,
            self.options.retry,
            on_send=lambda: self.journal.write(sent_event(request.request_hash)),
            on_answered=lambda: self.journal.write(failed_event(request.request_hash)),
            stop=self.stop,
        )

    def _keep(self, event: Event, done: Label) -> None:
        self.journal.write(event)
        if done.status is LabelStatus.FAILED:
            self.progress.failed += 1
        else:
            self.progress.done += 1

    async def _commit_often(self) -> None:
        since_commit = 0.0
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await asyncio.to_thread(self.journal.sync)
            since_commit += SYNC_SECONDS
            if since_commit >= COMMIT_SECONDS:
                since_commit = 0.0
                await asyncio.to_thread(self._commit)

    async def _tell(self) -> None:
        while True:
            self.report(self.progress)
            await asyncio.sleep(TELL_SECONDS)

    def _commit(self, *, final: bool = False) -> bool:
        """Commit the journal; False where somebody else holds the store."""
        try:
            commit_journal(self.store, self.journal_path, final=final)
        except StoreLockedError:
            self.progress.store_locked = True
            return False
        self.progress.store_locked = False
        return True

    def _result(self, status: RunStatus, pending: bool) -> Labelled:
        progress = self.progress
        return Labelled(
            run_id=self.run_record.run_id,
            annotator=self.annotator.name,
            dataset=self.options.dataset,
            planned=progress.planned,
            before=progress.before,
            done=progress.done,
            failed=progress.failed,
            reused=progress.reused,
            spent_usd=progress.spent_usd if progress.price_known else None,
            seconds=time.monotonic() - progress.started,
            status=status,
            without_texts=self.todo.without_texts,
            journal_pending=pending,
        )


def _reply(row: dict[str, Any]) -> Reply:
    return Reply(
        request_hash=UUID(row["request_hash"]),
        text=row["text"],
        served_model=row["served_model"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        paid_usd=row["paid_usd"],
        price_version=row["price_version"],
        seconds=row["seconds"],
        finish_reason=row["finish_reason"],
    )
