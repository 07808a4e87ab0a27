"""An event loop whose clock jumps to the next timer: hours pass at once, and to the second."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class StuckError(Exception):
    """Everybody waits for somebody, and no timer is set."""


class _Clock(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is None:
            raise StuckError
        self.now += 0.0 if found else max(0.0, timeout or 0.0)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, from second 0 on; StuckError where a real loop would wait for ever."""
    faults: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        result = runner.run(main)
    assert faults == [], "what a real loop would only log"
    return result


def now() -> float:
    """Seconds since the loop began."""
    return asyncio.get_running_loop().time()
