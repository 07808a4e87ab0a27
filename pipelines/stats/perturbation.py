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
    """Mean (n_items,) of the known values (m,) of each item, so that items weigh alike.

    NaN where an item has none.
    """
    known = np.isfinite(values)
    sums = np.bincount(item[known], weights=values[known], minlength=n_items)
    with np.errstate(invalid="ignore"):
        result: Floats = sums / np.bincount(item[known], minlength=n_items)
    return result


def less_columns(one: Floats, other: Floats) -> Floats:
    """Columns (n, 4) whose totals give mean(one) - mean(other) by `difference_of_ratios`.

    Items (n,) that lack one of the two values count in the other's mean alone.
    """
    parts = [(np.nan_to_num(values), np.isfinite(values)) for values in (one, other)]
    return np.stack([*parts[0], *parts[1]], axis=1).astype(float)


def shifted(found: Interval, by: float) -> Interval:
    """The interval of a statistic plus a number."""
    low, high, value = (
        None if v is None else v + by for v in (found.low, found.high, found.estimate)
    )
    return replace(found, estimate=value, low=low, high=high)


def where_all_are_zero(found: Interval, said: str) -> Interval:
    """The limits of a mean of which every label gives 0, which has no error of its own.

    Such a mean is no larger than the share of labels that are not 0, and that is at most Wilson's
    upper limit of 0 of G prompts. `said` of it is the note.
    """
    if found.note != NO_VARIATION or found.estimate != 0:
        return found
    quantile = float(stdtrit(found.n_prompts - 1, 0.5 + LEVEL / 2))
    most = wilson(0.0, found.n_prompts, quantile)[1]
    return Interval(0.0, -most, most, found.n_prompts, said)
