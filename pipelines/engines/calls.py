"""One call with retries: exponential backoff with jitter, Retry-After honoured up to a cap."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import ProviderError
from judges.client import CallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from data.records import Reply
    from judges.client import Client, Request


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a call is tried again."""

    attempts: int = 6
    base_seconds: float = 0.5
    longest_seconds: float = 30.0
    longest_retry_after_seconds: float = 60.0

    def pause_seconds(self, attempt: int, error: CallError, chance: float) -> float:
        """Seconds before the attempt after number `attempt` (from 0); `chance` in [0, 1)."""
        backoff = min(self.longest_seconds, self.base_seconds * 2.0**attempt) * (0.5 + chance / 2)
        asked = min(self.longest_retry_after_seconds, error.retry_after_seconds or 0.0)
        return max(backoff, asked + 0.1 * chance if asked else 0.0)


class StoppedError(Exception):
    """The run was asked to stop while a call waited to be tried again."""


async def call(
    client: Client,
    request: Request,
    policy: RetryPolicy,
    *,
    on_send: Callable[[], None],
    on_answered: Callable[[], None],
    stop: asyncio.Event | None = None,
) -> Reply:
    """The provider's reply to one request.

    `on_send` is called before each attempt leaves; `on_answered` after an attempt that the provider
    is known not to have charged. Raises the last CallError when no attempt succeeds, and a
    ProviderError (a refused key, an unknown model) at once. After `stop` is set nothing is tried
    again: StoppedError.
    """
    attempt = 0
    while True:
        on_send()
        try:
            return await client.complete(request)
        except ProviderError:
            on_answered()
            raise
        except CallError as error:
            if not error.maybe_paid:
                on_answered()
            if not error.retryable or attempt + 1 >= policy.attempts:
                raise
            pause = policy.pause_seconds(attempt, error, random.random())  # noqa: S311 (jitter)
        attempt += 1
        await _pause(pause, stop)


async def _pause(seconds: float, stop: asyncio.Event | None) -> None:
    if stop is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    if stop.is_set():
        raise StoppedError
