"""Batches of requests, as both providers have them: worked through in time, cancelled or expired.

    validating -> in_progress -> finalizing -> completed | expired
    validating -> failed                       any -> cancelling -> cancelled

A batch takes the `batch_seconds` of its model: a tenth before it is in progress and a tenth after,
and in between its requests at equal distances. It is kept in memory for as long as the server runs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from judges.simulated.faults import Fault
from judges.simulated.requestlog import body_sha256
from judges.simulated.shape import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from judges.simulated.provider import Provider
    from judges.simulated.shape import Shape

SHARE_BEFORE = SHARE_AFTER = 0.1
ENDED = frozenset({"completed", "expired", "failed", "cancelled"})


class Outcome(StrEnum):
    """What became of a request of a batch."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a batch."""

    custom_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a batch is not accepted; `line` counts from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a request of a batch brought: a reply or an error as the provider writes it."""

    custom_id: str
    outcome: Outcome
    status: int | None = None
    content: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """A batch; `times` holds when it reached each status, in Unix seconds, the last one last."""

    identity: str
    details: dict[str, Any]
    requests: Sequence[Asked] = ()
    mistakes: Sequence[Mistake] = ()
    results: list[Result] = field(default_factory=list)
    counts: Counter[Outcome] = field(default_factory=Counter)
    times: dict[str, float] = field(default_factory=lambda: {"validating": time.time()})
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def status(self) -> str:
        """In OpenAI's words."""
        return next(reversed(self.times))

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change."""
        return self.status in ENDED

    def add(self, result: Result) -> None:
        """One request more is done with."""
        self.results.append(result)
        self.counts[result.outcome] += 1

    def reach(self, status: str) -> None:
        """From now on it has this status."""
        self.times[status] = time.time()


class Batches:
    """The batches of one API, each worked on by a task."""

    def __init__(self, provider: Provider, shape: Shape) -> None:
        self._provider = provider
        self._shape = shape
        self._batches: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self,
        prefix: str,
        details: dict[str, Any],
        read: Callable[[], tuple[Sequence[Asked], Sequence[Mistake]]],
    ) -> Batch:
        """A new batch; its requests are read in a thread, as there may be very many."""
        batch = Batch(f"{prefix}{len(self._batches) + 1}", details)
        self._batches[batch.identity] = batch
        task = asyncio.create_task(self._run(batch, read))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def find(self, identity: str) -> Batch | None:
        """By its name."""
        return self._batches.get(identity)

    def newest_first(self) -> list[Batch]:
        """All of them."""
        return list(reversed(self._batches.values()))

    def cancel(self, batch: Batch) -> None:
        """Ask for its end; what is done stays done."""
        if not batch.cancelled.is_set():
            batch.reach("cancelling")
            batch.cancelled.set()

    async def close(self) -> None:
        """Stop working."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(
        self, batch: Batch, read: Callable[[], tuple[Sequence[Asked], Sequence[Mistake]]]
    ) -> None:
        now = asyncio.get_running_loop().time
        begun = now()
        batch.requests, batch.mistakes = await asyncio.to_thread(read)
        seconds = self._seconds(batch)
        await _until(batch, begun + seconds * SHARE_BEFORE)
        if batch.mistakes:
            batch.reach("failed")
            return
        if not batch.cancelled.is_set():
            batch.reach("in_progress")
        pace = seconds * (1 - SHARE_BEFORE - SHARE_AFTER) / max(1, len(batch.requests))
        await self._work(batch, now(), pace)
        if not batch.cancelled.is_set():
            batch.reach("finalizing")
        await asyncio.sleep(seconds * SHARE_AFTER)
        expired = "expired" if batch.counts[Outcome.EXPIRED] else "completed"
        batch.reach("cancelled" if batch.cancelled.is_set() else expired)

    async def _work(self, batch: Batch, begun: float, pace: float) -> None:
        for number, asked in enumerate(batch.requests):
            await _until(batch, begun + pace * number)
            if batch.cancelled.is_set():
                batch.add(Result(asked.custom_id, Outcome.CANCELLED))
            else:
                batch.add(self._answer(asked))

    def _seconds(self, batch: Batch) -> float:
        behaviours = self._provider.behaviours
        models = {str(asked.body.get("model")) for asked in batch.requests}
        known = (behaviours[model].batch_seconds for model in models & behaviours.keys())
        return max(known, default=0.0)

    def _answer(self, asked: Asked) -> Result:
        """As the live endpoint would, but for what goes wrong on the way."""
        try:
            return self._execute(asked)
        except Exception as error:  # the others of the batch go on
            sys.stderr.write(f"simulated provider: {error!r}\n")
            refusal = Refusal(500, f"simulated provider: {error!r}", "server_error")
            return Result(asked.custom_id, Outcome.ERRORED, 500, self._shape.error(refusal))

    def _execute(self, asked: Asked) -> Result:
        provider, shape, body = self._provider, self._shape, asked.body
        refusal, fault = shape.refuse(body, provider.behaviours), None
        if refusal is None:
            fault = provider.fates[body["model"]].draw_in_batch()
        if fault is Fault.BATCH_EXPIRED:
            return Result(asked.custom_id, Outcome.EXPIRED)
        if fault is Fault.BATCH_FAILED:
            refusal = Refusal(500, "The server had an error.", "server_error")
        body_id = body_sha256(body)
        if refusal is not None:
            provider.note_failure(body, body_id, refusal.status, fault, batch=True)
            error = shape.error(refusal)
            return Result(asked.custom_id, Outcome.ERRORED, refusal.status, error)
        replied = provider.reply(body, shape)
        provider.note_reply(body, body_id, replied, batch=True)
        content = shape.reply(replied, body, provider.behaviours[body["model"]])
        return Result(asked.custom_id, Outcome.SUCCEEDED, 200, content)


async def _until(batch: Batch, moment: float) -> None:
    """Until then or until it is cancelled; other requests have their turn in any case."""
    rest = moment - asyncio.get_running_loop().time()
    if rest <= 0 or batch.cancelled.is_set():
        await asyncio.sleep(0)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(batch.cancelled.wait(), rest)
