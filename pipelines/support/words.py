"""Counts in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.stats.intervals import CAUTION_PROMPTS, FEWEST_PROMPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


NAMED = 3  # names in a sentence before "and k more"


def few(prompts: int) -> str:
    """What few prompts mean, to stand behind their number."""
    if prompts < FEWEST_PROMPTS:
        return f", too few for an interval, which takes {FEWEST_PROMPTS}"
    return ", few: read with caution" if prompts < CAUTION_PROMPTS else ""


def number(n: int, noun: str) -> str:
    """A number with its noun."""
    ending = "" if n == 1 or noun.endswith("majority") else "s"
    return f"{n:,} {noun}{ending}"


def some(n: int) -> str:
    """A number; none is "none"."""
    return f"{n:,}" if n else "none"


def span(values: NDArray[np.int64]) -> str:
    """The least and the most of them."""
    least, most = int(values.min()), int(values.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def listed(names: Sequence[str]) -> str:
    """Up to three names, then how many more."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} more"
