"""How fast and how many at once: a steady pace, and a width that gives way to overload."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

HALVING_SECONDS = 1.0  # calls that were refused together are one sign of overload
_CRUMB = 1e-9  # what is missing for no other reason than rounding


@dataclass(slots=True)
class Bucket:
    """A token bucket: fills at `per_second`, holds one second's worth and at least 1. Pure."""

    per_second: float
    level: float
    filled_at: float

    @property
    def size(self) -> float:
        """The most it holds, and so the largest burst."""
        return max(1.0, self.per_second)

    def fill(self, now: float) -> None:
        """Add what came in until `now`, in seconds of any steady clock."""
        came = max(0.0, now - self.filled_at) * self.per_second
        self.level = min(self.size, self.level + came)
        self.filled_at = now

    def missing_seconds(self, amount: float) -> float:
        """Until `amount` may be taken. A full bucket gives any amount, and owes the rest."""
        missing = min(amount, self.size) - self.level
        return missing / self.per_second if missing > _CRUMB else 0.0


class Pacer:
    """Lets calls go at a steady pace, in order of arrival; for one event loop.

    None is no limit. In any minute no more goes than the limit and one second's worth of it. Raises
    ValueError for a limit that is not positive.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._requests = _full_bucket(requests_per_minute)
        self._tokens = _full_bucket(tokens_per_minute)
        self._line = asyncio.Lock()

    async def wait(self, tokens: int) -> None:
        """Until a call of so many tokens may leave. A cancelled wait has taken nothing."""
        if self._requests is None and self._tokens is None:
            return
        async with self._line:
            clock = asyncio.get_running_loop().time
            while (pause := self._missing_seconds(tokens, clock())) > 0:
                await asyncio.sleep(pause)
            if self._requests is not None:
                self._requests.level -= 1
            if self._tokens is not None:
                self._tokens.level -= tokens

    def _missing_seconds(self, tokens: int, now: float) -> float:
        pause = 0.0
        for bucket, amount in ((self._requests, 1), (self._tokens, tokens)):
            if bucket is not None:
                bucket.fill(now)
                pause = max(pause, bucket.missing_seconds(amount))
        return pause


def _full_bucket(per_minute: float | None) -> Bucket | None:
    if per_minute is None:
        return None
    if not math.isfinite(per_minute) or per_minute <= 0:
        raise ValueError(f"{per_minute} a minute is no pace")
    bucket = Bucket(per_minute / 60, 0.0, -math.inf)
    bucket.level = bucket.size
    return bucket


class Throttle:
    """At most `limit` calls at once, in order of arrival: `async with throttle`.

    The limit adapts as TCP does (additive increase, multiplicative decrease; Chiu and Jain 1989):
    overload halves it, and as many successes as it is wide raise it by one. For one event loop.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"at most {most} calls at once: none could be made")
        self._most = most
        self._width = float(most)
        self._running = 0
        self._halved_at = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return int(self._width)

    def overloaded(self) -> None:
        """The provider asked for fewer calls; heard no more than once in a second."""
        now = asyncio.get_running_loop().time()
        if now - self._halved_at >= HALVING_SECONDS:
            self._halved_at = now
            self._width = max(1.0, self._width / 2)

    def succeeded(self) -> None:
        """A call was answered."""
        self._width = min(float(self._most), self._width + 1 / self._width)
        self._serve()

    async def __aenter__(self) -> Throttle:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._serve()
        try:
            await place
        except asyncio.CancelledError:
            self._leave_line(place)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """What the end of the block does."""
        self._running -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._running < self.limit:
            place = self._waiting.popleft()
            if not place.done():  # a cancelled one has left
                self._running += 1
                place.set_result(None)

    def _leave_line(self, place: asyncio.Future[None]) -> None:
        if not place.cancelled() and place.done():
            self._running -= 1
        with suppress(ValueError):
            self._waiting.remove(place)
        self._serve()
