"""What a request may meet instead of a good reply, and when. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judges.simulated.behaviour import Behaviour


class Fault(StrEnum):
    """What may happen instead of a good reply; the order is that of the draw."""

    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    DROP = "drop"
    MALFORMED = "malformed"
    OFF_MENU = "off_menu"
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    BATCH_EXPIRED = "batch_expired"
    BATCH_FAILED = "batch_failed"


ON_THE_WAY = (
    Fault.RATE_LIMIT, Fault.OVERLOADED, Fault.SERVER_ERROR, Fault.DROP, Fault.MALFORMED
)  # fmt: skip
"""Drawn for each request in the order of arrival: the same one may succeed when it comes again."""
IN_BATCHES = (Fault.BATCH_EXPIRED, Fault.BATCH_FAILED)
"""Drawn for each request of a batch, in order; they take the place of what happens on the way."""
OF_CONTENT = (Fault.OFF_MENU, Fault.REFUSAL, Fault.TRUNCATED)
"""They follow from the content, as a choice does, and are charged for."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What one request meets on its way: a fault or none, after a time."""

    fault: Fault | None
    latency_seconds: float


@dataclass(slots=True)
class Fates:
    """The fates of a model's requests, drawn in the order in which they arrive."""

    behaviour: Behaviour
    model: str
    _random: random.Random = field(init=False)
    _random_in_batch: random.Random = field(init=False)
    _on_the_way: tuple[tuple[Fault, float], ...] = field(init=False)
    _in_batches: tuple[tuple[Fault, float], ...] = field(init=False)

    def __post_init__(self) -> None:
        # Simulated faults, not secrets.
        self._random = random.Random(f"{self.behaviour.seed}/{self.model}")  # noqa: S311
        self._random_in_batch = random.Random(f"{self.behaviour.seed}/{self.model}/batch")  # noqa: S311
        self._on_the_way = self.behaviour.planted(ON_THE_WAY)
        self._in_batches = self.behaviour.planted(IN_BATCHES)

    def draw(self) -> Fate:
        """The next request's."""
        spread = self.behaviour.latency_jitter * (2 * self._random.random() - 1)
        latency = self.behaviour.latency_seconds * (1 + spread)
        if self.behaviour.slow and self._random.random() < self.behaviour.slow:
            latency *= self.behaviour.slow_factor
        return Fate(draw_fault(self._on_the_way, self._random.random()), latency)

    def draw_in_batch(self) -> Fault | None:
        """Of the next request in a batch."""
        return draw_fault(self._in_batches, self._random_in_batch.random())


def draw_fault(planted: Iterable[tuple[Fault, float]], drawn: float) -> Fault | None:
    """The fault in whose share of the numbers from 0 to 1 the drawn one falls."""
    for fault, probability in planted:
        if drawn < probability:
            return fault
        drawn -= probability
    return None
