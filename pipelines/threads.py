"""Work on several processors at once: numpy does it, and lets other threads work meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Given = TypeVar("Given")
    Found = TypeVar("Found")

MOST = 4  # at once: each has arrays of its own


def in_threads(function: Callable[[Given], Found], values: Iterable[Given]) -> list[Found]:
    """The function of each value, in their order."""
    with ThreadPoolExecutor(min(MOST, cpu_count() or 1)) as pool:
        return list(pool.map(function, values))
