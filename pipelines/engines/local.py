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
    ahead: int = 500,
) -> None:
    """Give every cell to `work`, `concurrency` at a time, in order of arrival.

    After `stop` is set no new cell is begun; those under way are finished. The first exception of
    `work` or `cells` cancels the rest and is raised.
    """
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}: nobody would do the work")
    queue: asyncio.Queue[Cell | None] = asyncio.Queue(maxsize=ahead)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_produce(cells, queue, concurrency, stop))
            for _ in range(concurrency):
                group.create_task(_consume(queue, work, stop))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _produce(
    cells: AsyncIterator[Cell],
    queue: asyncio.Queue[Cell | None],
    consumers: int,
    stop: asyncio.Event,
) -> None:
    async for cell in cells:
        if stop.is_set():
            break
        await queue.put(cell)
    for _ in range(consumers):
        await queue.put(None)


async def _consume(
    queue: asyncio.Queue[Cell | None],
    work: Callable[[Cell], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    while (cell := await queue.get()) is not None:
        if not stop.is_set():
            await _finish(work(cell))


async def _finish(work: Awaitable[None]) -> None:
    """Await work; one that cancels itself fails, else its worker would be gone without a word."""
    task = asyncio.current_task()
    try:
        await work
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a cell's work was cancelled from within") from error
