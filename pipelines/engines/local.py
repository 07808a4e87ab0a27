"""The asyncio engine: a producer that reads ahead, workers that call, one loop in one process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

Cell = TypeVar("Cell")


async def run_cells(
    cells: AsyncIterator[Cell],
    work: Callable[[Cell], Awaitable[None]],
    *,
    concurrency: int,
    stop: asyncio.Event,
    ahead: int = 2000,
) -> None:
    """Give every cell to `work`, `concurrency` at a time, in order of arrival.

    After `stop` is set no new cell is begun; those under way are finished. The first exception of
    `work` or `cells` cancels the rest and is raised.
    """
    queue: asyncio.Queue[Cell | None] = asyncio.Queue(maxsize=ahead)

    async def produce() -> None:
        async for cell in cells:
            if stop.is_set():
                break
            await queue.put(cell)
        for _ in range(concurrency):
            await queue.put(None)

    async def consume() -> None:
        while (cell := await queue.get()) is not None:
            if not stop.is_set():
                await work(cell)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            for _ in range(concurrency):
                group.create_task(consume())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
