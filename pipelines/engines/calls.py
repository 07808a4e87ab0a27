"""One call with its retries, and the gates that every attempt passes before it leaves.

Backoff is exponential with jitter; a Retry-After is honoured up to a cap.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import ConcordError
from judges.client import CallError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from data.records import Reply
    from judges.client import Client, Request
    from pipelines.engines.budget import Budget
    from pipelines.engines.pacing import Pacer, Throttle


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is tried again."""

    attempts: int = 6
    base_seconds: float = 0.5
    longest_seconds: float = 30.0
    longest_retry_after_seconds: float = 60.0
    deadline_seconds: float = 600.0
    """Of the whole call, the waits at the gates aside: no pause goes beyond it."""

    def pause_seconds(self, attempt: int, error: CallError, chance: float) -> float:
        """Seconds before the attempt after number `attempt` (from 0); `chance` in [0, 1)."""
        backoff = min(self.longest_seconds, self.base_seconds * 2.0**attempt) * (0.5 + chance / 2)
        asked = min(self.longest_retry_after_seconds, error.retry_after_seconds or 0.0)
        return max(backoff, asked + 0.1 * chance if asked else 0.0)


class StoppedError(Exception):
    """The run was asked to stop while a call waited to be sent or to be tried again."""


class BudgetSpentError(Exception):
    """What is left of the budget can never pay for this attempt; it was not sent."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What an attempt passes before it leaves; None is an open gate."""

    budget: Budget | None = None
    pacer: Pacer | None = None
    throttle: Throttle | None = None

    async def enter(self, most_usd: float, tokens: int) -> None:
        """Wait for each in turn, the pace last: what passes it leaves at once.

        Raises BudgetSpentError. Whoever does not come through holds nothing.
        """
        if self.throttle is not None:
            await self.throttle.__aenter__()
        try:
            await self._enter_within(most_usd, tokens)
        except BaseException:
            if self.throttle is not None:
                self.throttle.leave()
            raise

    async def _enter_within(self, most_usd: float, tokens: int) -> None:
        if self.budget is not None and not await self.budget.reserve(most_usd):
            raise BudgetSpentError
        try:
            if self.pacer is not None:
                await self.pacer.wait(tokens)
        except BaseException:
            if self.budget is not None:
                self.budget.settle(most_usd, 0.0)
            raise

    def leave(self, most_usd: float, paid_usd: float | None) -> None:
        """Settle an attempt that came in by `enter`; None: nobody knows what it cost."""
        if self.budget is not None:
            self.budget.settle(most_usd, paid_usd)
        if self.throttle is not None:
            self.throttle.leave()

    def heard(self, error: Exception | None) -> None:
        """Adapt the width to how an attempt ended; None is a reply."""
        if self.throttle is not None and error is None:
            self.throttle.succeeded()
        elif self.throttle is not None and isinstance(error, CallError) and error.overloaded:
            self.throttle.overloaded()


OPEN = Gates()


async def call(
    client: Client,
    request: Request,
    policy: RetryPolicy,
    *,
    gates: Gates = OPEN,
    most_usd: float = 0.0,
    tokens: int = 0,
    on_send: Callable[[], None],
    on_answered: Callable[[], None],
    stop: asyncio.Event | None = None,
) -> Reply:
    """The provider's reply to one request.

    Every attempt passes the gates, where `most_usd` is the most that it can cost and `tokens` what
    it counts for. `on_send` is called before each attempt leaves; `on_answered` after an attempt
    that the provider is known not to have charged. Raises the last CallError when no attempt
    succeeds, a ConcordError of the client (a refused key, an unknown model) at once, and
    BudgetSpentError. After `stop` is set no attempt begins: StoppedError.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + policy.deadline_seconds
    attempt = 0
    while True:
        came = clock()
        await _enter(gates, most_usd, tokens, stop)
        deadline += clock() - came
        try:
            return await _attempt(client, request, gates, most_usd, on_send, on_answered)
        except CallError as error:
            pause = policy.pause_seconds(attempt, error, random.random())  # noqa: S311 (jitter)
            last = attempt + 1 >= policy.attempts or clock() + pause > deadline
            if last or not error.retryable:
                raise
        attempt += 1
        await _pause(pause, stop)


async def _enter(gates: Gates, most_usd: float, tokens: int, stop: asyncio.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise StoppedError
    if gates is OPEN or stop is None:
        await gates.enter(most_usd, tokens)
        return
    async with _until(stop):
        await gates.enter(most_usd, tokens)


async def _attempt(
    client: Client,
    request: Request,
    gates: Gates,
    most_usd: float,
    on_send: Callable[[], None],
    on_answered: Callable[[], None],
) -> Reply:
    """One attempt that has passed the gates; whatever happens, it is settled."""
    paid_usd: float | None = 0.0
    try:
        on_send()
        paid_usd = None  # from here on it may have been charged
        try:
            reply = await client.complete(request)
        except (CallError, ConcordError) as error:
            gates.heard(error)
            if not (isinstance(error, CallError) and error.maybe_paid):
                paid_usd = 0.0
                on_answered()
            raise
        paid_usd = reply.paid_usd
        gates.heard(None)
        return reply
    finally:
        gates.leave(most_usd, paid_usd)


@asynccontextmanager
async def _until(stop: asyncio.Event) -> AsyncIterator[None]:
    """Cancel the block when `stop` is set: StoppedError. A timeout with an event for a clock."""

    def expire(_: asyncio.Task[object]) -> None:
        with suppress(RuntimeError):  # the block has just ended
            limit.reschedule(asyncio.get_running_loop().time())

    limit = asyncio.timeout(None)
    watch = asyncio.create_task(stop.wait())
    watch.add_done_callback(expire)
    try:
        async with limit:
            yield
    except TimeoutError:
        raise StoppedError from None
    finally:
        watch.cancel()


async def _pause(seconds: float, stop: asyncio.Event | None) -> None:
    if stop is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    if stop.is_set():
        raise StoppedError
