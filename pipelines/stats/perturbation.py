"""What changing one thing does to labels: an experiment, paired by item.

Robustness rate RR: how often the label stays when the response is changed; consistency rate CR: how
often it stays when nothing is changed and the judge is asked again (CALM, Ye et al. 2024, arXiv
2410.02736). What the change itself does is the mean change of the score, and CR - RR.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]


def by_item(values: Floats, item: NDArray[np.integer[Any]], n_items: int) -> Floats:
    """Mean (n_items,) of the values (m,) of each item, so that items weigh alike.

    NaN where an item has none, or where one of its values is not known: a verdict that is missing
    in one order would let the other order's place count as an effect.
    """
    with np.errstate(invalid="ignore"):
        sums = np.bincount(item, weights=values, minlength=n_items)
        result: Floats = sums / np.bincount(item, minlength=n_items)
    return result


def shifted(found: Interval, by: float) -> Interval:
    """The interval of a statistic plus a number."""
    low, high, value = (
        None if v is None else v + by for v in (found.low, found.high, found.estimate)
    )
    return replace(found, estimate=value, low=low, high=high)
