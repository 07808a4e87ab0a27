"""A hard cap on what a run may spend: every call's largest cost is set aside before it is sent."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import TypeGuard

PICO = 10**12  # amounts are whole picodollars: sums of floats drift, and a cap must not


class Budget:
    """Dollars that may be spent, those that are, and those set aside for calls in flight.

    For one event loop. Whoever waits is served in order of arrival. With a cap of None nothing ever
    waits, and the sums are kept all the same.
    """

    def __init__(self, cap_usd: float | None, spent_usd: float = 0.0) -> None:
        self._cap = None if cap_usd is None else _pico(cap_usd)
        self._spent = _pico(spent_usd)
        self._reserved = 0
        self._stopped = False
        self._refused = False
        self._waiting: deque[tuple[int, asyncio.Future[bool]]] = deque()

    @property
    def spent_usd(self) -> float:
        """Paid so far, and what may have been paid."""
        return self._spent / PICO

    @property
    def reserved_usd(self) -> float:
        """Set aside for calls in flight."""
        return self._reserved / PICO

    @property
    def left_usd(self) -> float | None:
        """Neither spent nor set aside; None without a cap."""
        return None if self._cap is None else max(0, self._room) / PICO

    @property
    def exhausted(self) -> bool:
        """Whether a call was turned away because it can never fit."""
        return self._refused

    async def reserve(self, most_usd: float) -> bool:
        """Set aside the largest cost of a call, as soon as there is room for it.

        False when there will never be: what is spent already leaves too little, or `stop` was
        called. While calls in flight may give room back, it waits. Raises ValueError for a cost
        that is negative or not finite.
        """
        most = _pico(most_usd)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((most, answer))
        self._serve()
        try:
            return await answer
        except asyncio.CancelledError:
            self._leave_line(most, answer)
            raise

    def settle(self, most_usd: float, paid_usd: float | None) -> None:
        """Give back what `reserve` set aside, and count what was paid.

        None, or no amount at all (nan, below 0): nobody knows, so the whole reservation counts.
        """
        most = _pico(most_usd)
        self._reserved -= most
        self._spent += _pico(paid_usd) if _is_amount(paid_usd) else most
        self._serve()

    def stop(self) -> None:
        """Turn away whoever waits, and whoever comes."""
        self._stopped = True
        self._serve()

    @property
    def _room(self) -> int:
        return (self._cap or 0) - self._spent - self._reserved

    def _serve(self) -> None:
        """Answer from the head of the line on, until somebody has to wait."""
        while self._waiting:
            most, answer = self._waiting[0]
            if not answer.done():  # a cancelled one has left
                granted = self._decide(most)
                if granted is None:
                    return
                # At once, not when the waiting task wakes up: nobody can come in between.
                self._reserved += most if granted else 0
                answer.set_result(granted)
            self._waiting.popleft()

    def _decide(self, most: int) -> bool | None:
        """Whether a call may go; None: not before another one settles."""
        if self._stopped:
            return False
        if self._cap is None or most <= self._room:
            return True
        if most <= self._cap - self._spent:
            return None
        self._refused = True
        return False

    def _leave_line(self, most: int, answer: asyncio.Future[bool]) -> None:
        if answer.done() and not answer.cancelled():
            self._reserved -= most if answer.result() else 0
        with suppress(ValueError):
            self._waiting.remove((most, answer))
        self._serve()


def _is_amount(usd: float | None) -> TypeGuard[float]:
    return usd is not None and math.isfinite(usd) and usd >= 0


def _pico(usd: float) -> int:
    """The nearest whole number of picodollars."""
    if not _is_amount(usd):
        raise ValueError(f"{usd} is no amount of dollars that can be spent")
    return round(usd * PICO)
