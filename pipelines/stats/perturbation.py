"""What changing one thing does to labels: an experiment, paired by item.

Robustness rate RR: how often the label stays when the response is changed; consistency rate CR: how
often it stays when nothing is changed and the judge is asked again (CALM, Ye et al. 2024, arXiv
2410.02736). What the change itself does is the mean change of the score, and CR - RR.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from pipelines.stats.intervals import LEVEL, NO_VARIATION, Interval, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


def where_all_are_zero(found: Interval, said: str) -> Interval:
    """The limits of a mean that is 0 on every item, which has no error of its own.

    Such a mean is no larger than the share of items where it is not 0, and that is at most
    Wilson's upper limit of 0 of G prompts. `said` of it is the note.
    """
    if found.note != NO_VARIATION or found.estimate != 0:
        return found
    quantile = float(stdtrit(found.n_prompts - 1, 0.5 + LEVEL / 2))
    most = wilson(0.0, found.n_prompts, quantile)[1]
    return Interval(0.0, -most, most, found.n_prompts, said)
