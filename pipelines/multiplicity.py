"""Many differences looked at together: which are clear, not by chance of their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import false_discovery_control, t

from pipelines.sections.features import FLOOR
from pipelines.stats.intervals import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipelines.estimates import Estimate

RATE = 1 - LEVEL  # of false ones among those called clear (Benjamini & Hochberg 1995)


def clear_of_zero(
    rows: Iterable[Estimate], level: Callable[[Estimate], str] = lambda row: row.statistic
) -> list[Estimate]:
    """The rows whose difference from 0 stands among all rows of their level.

    Each level is a family of its own: what is sure at one must not make another one's threshold
    lenient. L2 has to be clear of its floor. p-values are those of the rows' own intervals; rows
    without one take no part.
    """
    families: dict[str, list[Estimate]] = {}
    for row in rows:
        if row.estimate is not None and row.low is not None:
            families.setdefault(level(row), []).append(row)
    return [row for family in families.values() for row in _clear(family)]


def _clear(family: list[Estimate]) -> list[Estimate]:
    values = np.array([row.estimate for row in family])
    ends = np.array([(row.low, row.high) for row in family], dtype=float)
    freedom = np.array([row.n_prompts - 1.0 for row in family])
    floors = np.array([FLOOR if row.method.startswith("L2") else 0.0 for row in family])
    # the side that faces 0; an interval cut at -1 or 1 is cut on the other one
    half = np.where(values > 0, values - ends[:, 0], ends[:, 1] - values)
    errors = half / t.ppf(0.5 + LEVEL / 2, freedom)
    with np.errstate(divide="ignore"):
        p = 2 * t.sf(np.maximum(np.abs(values) - floors, 0.0) / errors, freedom)
    kept = false_discovery_control(np.minimum(p, 1.0)) <= RATE
    return [row for row, clear in zip(family, kept, strict=True) if clear]
