"""The batch part of a run: requests go to the provider's batch API, at half the price.

What a batch is made of is in the journal before it is made, and its id right after, so that a kill
at any moment loses no batch: the same command finds it again, waits for it and collects it. Labels
are read from the replies in the store, exactly as in a live run.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from data.errors import ProviderError
from data.journal import iter_events
from data.ledger import batch_event
from data.records import LabelStatus, RunStatus
from judges.batch import BATCH_DISCOUNT, BatchStatus
from judges.client import CallError, UnsupportedError
from pipelines.known import known_replies
from pipelines.tasks import Pages, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from data.records import Reply
    from judges.batch import BatchClient
    from judges.client import Request
    from judges.pricing import Tariff
    from judges.task import AnyJudge, Asking
    from pipelines.book import Book, Progress
    from pipelines.tasks import LabelOptions

Address = tuple[str, str | None]
ATTEMPTS = 3  # of a request that expired or failed for the moment
UNSEEN = 20  # looks in a row at batches that the provider does not answer
MOST_REQUESTS = 50_000  # in memory at once


@dataclass(slots=True)
class _Open:
    """A batch at the provider."""

    tag: str
    address: Address
    batch_id: str | None
    requests: list[str]
    most_usd: float = 0.0


class Batches:
    """One process's session of a run through batches."""

    def __init__(
        self,
        book: Book,
        judge: AnyJudge,
        clients: Mapping[Address, BatchClient],
        options: LabelOptions,
        ids: Mapping[str, UUID],
        tariffs: Mapping[Address, Tariff],
        report: Callable[[Progress], None],
        poll_seconds: float,
    ) -> None:
        self.book, self.judge, self.clients, self.options = book, judge, clients, options
        self.ids, self.tariffs, self.report, self.poll_seconds = ids, tariffs, report, poll_seconds
        self.progress = book.progress
        self.secret = book.store.secret()
        self.stop = threading.Event()
        self.open: list[_Open] = []
        self.attempts: Counter[UUID] = Counter()
        self.failed: dict[UUID, CallError] = {}
        self.reserved_usd = 0.0
        self.out_of_budget = False
        self.unseen = 0
        self.told: set[UUID] = set()
        self.reduced: set[str] = set()

    def run(self) -> RunStatus:
        """Until nothing is left to ask, the budget is spent, or an interrupt."""
        try:
            with self._stop_on_signals():
                self._work()
        finally:
            for client in self.clients.values():
                client.close()
        if self.stop.is_set():
            return RunStatus.STOPPED
        return RunStatus.BUDGET_SPENT if self.out_of_budget else RunStatus.COMPLETE

    def _work(self) -> None:
        self.open = self._recovered()
        while not self.stop.is_set():
            self._collect_all()
            if self.stop.is_set() or not self._round():
                break

    def _round(self) -> bool:
        """Keep the labels whose replies are there, ask for the others; whether any were asked."""
        wanted: dict[UUID, Request] = {}
        self.out_of_budget = False
        for asking, replies in self._askings(self.judge):
            needed = asking.needed(replies)
            if not needed:
                self.book.keep(asking.judgments(replies))
                continue
            error = next((e for r in needed if (e := self.failed.get(r.request_hash))), None)
            if error is not None:
                self._keep_failure(asking, error)
                continue
            for request in needed:
                if len(wanted) < MOST_REQUESTS and self._fits(request, wanted):
                    wanted[request.request_hash] = request
        self.report(self.progress)
        self._submit_all(list(wanted.values()))
        return bool(wanted)

    def _keep_failure(self, asking: Asking, error: CallError) -> None:
        """Once: a later round meets it again."""
        status = LabelStatus.REFUSED if error.refused else LabelStatus.FAILED
        judgments = asking.failed(status, error.reason)
        if judgments[0].label.label_id not in self.told:
            self.told.add(judgments[0].label.label_id)
            self.book.keep(judgments)

    def _askings(self, judge: AnyJudge) -> Iterator[tuple[Asking, dict[UUID, Reply]]]:
        """Everything that has no label yet, with the replies that the store holds."""
        pages = Pages(judge, self.ids[judge.name], self.options)
        while (tasks := pages.read(self.book.store)) is not None and not self.stop.is_set():
            askings: list[tuple[Asking, dict[UUID, Reply]]] = [
                (judge.asking(task, self.secret, self.ids), {}) for task in tasks
            ]
            known_replies(self.book.store, askings)
            yield from askings

    def _fits(self, request: Request, wanted: Mapping[UUID, Request]) -> bool:
        """Whether the budget leaves room for one more request, which is then set aside."""
        most = self._most_usd(request)
        cap = self.progress.budget_usd
        if request.request_hash in wanted:
            return False
        if cap is None:
            self.reserved_usd += most
            return True
        if self.progress.used_usd + self.reserved_usd + most > cap:
            self.out_of_budget = True
            return False
        self.reserved_usd += most
        return True

    def _most_usd(self, request: Request) -> float:
        most = self.tariffs[request.model, request.api_base].most_usd(request)
        return BATCH_DISCOUNT * (most or 0.0)

    def _submit_all(self, requests: Sequence[Request]) -> None:
        """One batch for each model and as many as the provider's limits ask for."""
        for address, client in self.clients.items():
            mine = [r for r in requests if (r.model, r.api_base) == address]
            try:
                chunks = client.chunks(mine) if mine else []
            except UnsupportedError as error:
                self._reduce(address[0], error)
                continue
            for chunk in chunks:
                self._submit(client, address, chunk)

    def _submit(self, client: BatchClient, address: Address, chunk: Sequence[Request]) -> None:
        """Write down what is about to be made, make it, write down its id."""
        most_usd = sum(map(self._most_usd, chunk))
        batch = _Open(uuid4().hex, address, None, [str(r.request_hash) for r in chunk], most_usd)
        self._note(batch, "making", batch.requests)
        for request in chunk:
            self.book.sent(request.request_hash, self._most_usd(request))
            self.attempts[request.request_hash] += 1
        self.book.journal.sync()
        try:
            batch.batch_id = client.submit(chunk, batch.tag)
        except CallError as error:
            batch.batch_id = self._found(client, batch) if error.maybe_paid else None
            if batch.batch_id is None:
                self._was_not_made(batch, error)
        self._note(batch, "running")
        self.book.journal.sync()
        self.open.append(batch)

    def _found(self, client: BatchClient, batch: _Open) -> str | None:
        try:
            return client.find(batch.tag)
        except CallError as error:
            raise _hopeless(error) from error

    def _was_not_made(self, batch: _Open, error: CallError) -> None:
        if not error.maybe_paid:
            self._give_back(batch)
            self._note(batch, "never made")
        raise _hopeless(error) from error

    def _note(self, batch: _Open, status: str, requests: Sequence[str] = ()) -> None:
        self.book.write(
            batch_event(
                batch.tag,
                batch.batch_id,
                provider=batch.address[0].partition("/")[0],
                model=batch.address[0],
                api_base=batch.address[1],
                n_requests=len(batch.requests),
                requests=requests,
                status=status,
            )
        )

    # ---- waiting and collecting

    def _collect_all(self) -> None:
        """Wait for the batches at the provider, and take what they bought."""
        while self.open and not self.stop.is_set():
            for batch in list(self.open):
                self._look_at(batch)
            self.report(self.progress)
            if self.open:
                self.stop.wait(self.poll_seconds)
        self.progress.waiting = None

    def _look_at(self, batch: _Open) -> None:
        try:
            self._take(self.clients[batch.address], batch)
        except CallError as error:  # the batch goes on without being looked at
            self._lost_sight(error)
        else:
            self.unseen = 0

    def _take(self, client: BatchClient, batch: _Open) -> None:
        """What a batch bought, if it has ended."""
        state = client.state(batch.batch_id or "")
        self.progress.waiting = (
            f"{len(self.open)} batches at the provider: {state.n_done:,} of "
            f"{len(batch.requests):,} requests done"
        )
        if state.status is BatchStatus.RUNNING:
            return
        if state.status is BatchStatus.FAILED:
            self._give_back(batch)
            self._note(batch, "failed")
            raise ProviderError(
                f"the provider refused the whole batch {batch.batch_id}: {state.message}",
                "Nothing of it was charged. Mend the judge file, then give the same command again.",
            )
        self._collect(client, batch)
        self.open.remove(batch)
        self._note(batch, state.said)
        self.book.commit()

    def _lost_sight(self, error: CallError) -> None:
        self.unseen += 1
        self.progress.waiting = f"the provider does not answer: {error.reason}"
        if self.unseen >= UNSEEN:
            raise _hopeless(error) from error

    def _collect(self, client: BatchClient, batch: _Open) -> None:
        """Every reply into the journal; what was not answered is free to be asked again."""
        requests = self._requests_of(batch)
        answered = set()
        for line in client.results(batch.batch_id or "", requests):
            answered.add(line.custom_id)
            if line.reply is not None:
                self.book.received(batch.address[0], line.reply, alone=False)
                self._use(requests[line.custom_id], line.reply.paid_usd)
            else:
                if isinstance(line.error, UnsupportedError):
                    self._reduce(batch.address[0], line.error)
                self._failed(UUID(line.custom_id), line.error, charged=line.charged)
                self._use(requests[line.custom_id], None if line.charged else 0.0)
        for custom_id in set(batch.requests) - answered:
            self.book.declined(UUID(custom_id))
        self.reserved_usd -= batch.most_usd

    def _use(self, request: Request, paid_usd: float | None) -> None:
        """Count a request against the budget: the most it can cost where nobody knows."""
        self.progress.used_usd += self._most_usd(request) if paid_usd is None else paid_usd

    def _failed(self, request_hash: UUID, error: CallError | None, *, charged: bool) -> None:
        if not charged:
            self.book.declined(request_hash)
        if error is None or isinstance(error, UnsupportedError):
            return
        if not (error.retryable and self.attempts[request_hash] < ATTEMPTS):
            self.failed[request_hash] = error

    def _reduce(self, model: str, error: UnsupportedError) -> None:
        """Ask this model for less from now on, and the others as before."""
        if model in self.reduced:
            return
        reduced = self.judge.reduced(model)
        if reduced is None:
            raise ProviderError(
                f"judge {self.judge.name}: {error.reason}",
                "Remove the parameter, or give a soft judge fallback_samples.",
            ) from error
        self.judge = reduced
        self.reduced.add(model)
        self.progress.notes.append(f"asked without it: {error.reason}")

    def _give_back(self, batch: _Open) -> None:
        for request in batch.requests:
            self.book.declined(UUID(request))
        self.reserved_usd -= batch.most_usd

    def _requests_of(self, batch: _Open) -> dict[str, Request]:
        """The batch's requests, rendered again: a session that resumes never made them.

        Where an earlier one had come to ask for less, so does this one from now on.
        """
        wanted, found = set(batch.requests), {}
        for judge in variants(self.judge):
            for asking, replies in self._askings(judge):
                for request in asking.needed(replies):
                    if str(request.request_hash) in wanted:
                        found[str(request.request_hash)] = request
            if found:
                self.judge = judge
                break
        return found

    # ---- resuming

    def _recovered(self) -> list[_Open]:
        """The batches of earlier sessions that were not collected."""
        found: dict[str, _Open] = {}
        most_usd: dict[str, float] = {}
        for event in iter_events(self.book.path):
            if event["event"] == "batch":
                _follow(found, event)
            elif event["event"] == "sent":
                most_usd[event["request_hash"]] = event["most_usd"] or 0.0
            elif event["event"] in ("reply", "failed"):
                most_usd.pop(event["request_hash"], None)
        alive = []
        for batch in found.values():
            batch.requests = [request for request in batch.requests if request in most_usd]
            batch.most_usd = sum(most_usd[request] for request in batch.requests)
            if self._is_there(batch):
                self._set_aside_again(batch)
                alive.append(batch)
        return alive

    def _is_there(self, batch: _Open) -> bool:
        """Whether the provider has it. Without tags nobody knows: it stays possibly paid."""
        client = self.clients[batch.address]
        if batch.batch_id is not None:
            return True
        try:
            batch.batch_id = client.find(batch.tag)
        except CallError as error:
            raise _hopeless(error) from error
        if batch.batch_id is None and client.keeps_tags:
            self._set_aside_again(batch)
            self._give_back(batch)
        self._note(batch, "never made" if batch.batch_id is None else "running")
        return batch.batch_id is not None

    def _set_aside_again(self, batch: _Open) -> None:
        """What counted as possibly paid while nobody looked is on its way again."""
        self.progress.used_usd -= batch.most_usd
        self.reserved_usd += batch.most_usd

    @contextmanager
    def _stop_on_signals(self) -> Iterator[None]:
        """An interrupt ends the waiting; the batches go on at the provider."""

        def finish(*_: Any) -> None:
            self.stop.set()
            self.progress.stopping = True

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, finish) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _hopeless(error: CallError) -> ProviderError:
    return ProviderError(
        error.reason, "Give the same command again: it finds its batches and goes on."
    )


def _follow(found: dict[str, _Open], event: dict[str, Any]) -> None:
    """Take one line of the journal into account."""
    tag = event["tag"]
    if event["status"] == "making":
        address = (event["model"], event["api_base"])
        found[tag] = _Open(tag, address, None, list(event["requests"]))
    elif event["status"] == "running" and tag in found:
        found[tag].batch_id = event["batch_id"]
    else:
        found.pop(tag, None)
