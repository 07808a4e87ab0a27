"""Choosing among strategies that were tried on the same items: which one, how good, which others.

A strategy is a column of quality per item; prompts are drawn, items of a prompt go together. The
best of many looks better than it is, so its figure is taken on prompts that had no part in choosing
it; and which others may be as good is asked of the true best, whichever that is (Hsu 1996, Multiple
Comparisons with the Best; here with the bootstrap's max-t, so strategies may be as alike as they
are).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.intervals import LEVEL
from pipelines.stats.power import distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Select = Callable[[Floats, Floats], int | None]

FOLDS = 10
_SAME = 1e-9  # differences and standard errors below it are rounding


def may_be_best(values: Floats, replicates: Floats) -> NDArray[np.bool_]:
    """Which of m strategies (m,) cannot be told from the best, from joint replicates (B, m).

    The true best is among them in 95% of samples: strategy i is left out where another one is ahead
    of it by more than c_i standard errors of the difference, c_i the 95% point of the largest such
    distance over all others. One that is identical to another is in with it.
    """
    kept = np.ones(len(values), dtype=bool)
    means = replicates.mean(axis=0)
    around = np.ascontiguousarray((replicates - means).T)  # (m, B)
    for i in range(len(values)):
        ahead = values - values[i]
        spread = around - around[i]
        errors = np.sqrt(np.einsum("jb,jb->j", spread, spread) / spread.shape[1])
        apart = errors > _SAME
        if (ahead[~apart] > _SAME).any():  # always ahead, in every resample
            kept[i] = False
        elif apart.any():
            spread *= np.where(apart, 1 / np.maximum(errors, _SAME), 0.0)[:, None]
            off = np.where(apart, (means - means[i] - ahead) / np.maximum(errors, _SAME), -np.inf)
            spread += off[:, None]
            furthest = spread.max(axis=0)
            kept[i] = (ahead[apart] <= np.quantile(furthest, LEVEL) * errors[apart]).all()
    return kept


def frontier(quality: Floats, cost: Floats) -> NDArray[np.bool_]:
    """Strategies (m,) that no other one beats in quality at the same or a lower cost.

    Of equal ones the first stays; a cost that is not known is on no frontier.
    """
    kept = np.zeros(len(quality), dtype=bool)
    best = -np.inf
    for i in np.lexsort((np.arange(len(quality)), -quality, cost)):
        if np.isfinite(cost[i]) and quality[i] > best + _SAME:
            kept[i], best = True, quality[i]
    return kept


def beaten_by(quality: Floats, cost: Floats) -> NDArray[np.bool_]:
    """Whether i is beaten by j, (..., m, m), from (..., m): as good, as cheap, and one better.

    What nobody beats is on the front, equal ones together. NaN beats nothing and is not beaten.
    """
    better = quality[..., None, :] - quality[..., :, None]
    cheaper = cost[..., :, None] - cost[..., None, :]
    none_worse = (better >= -_SAME) & (cheaper >= -_SAME)
    found: NDArray[np.bool_] = none_worse & ((better > _SAME) | (cheaper > _SAME))
    return found


def cross_selected(
    quality: Floats, cost: Floats, prompts: Integers, select: Select
) -> Floats | None:
    """The quality per item (n,) of what is selected without the item's own fold of prompts.

    From quality and cost per item (n, m). `select` maps mean quality and cost (m,) to a strategy,
    None where none will do: then there is no figure.
    """
    chosen = cross_chosen(quality, cost, prompts, select)
    return None if chosen is None else quality[np.arange(len(quality)), chosen]


def cross_chosen(
    quality: Floats, cost: Floats, prompts: Integers, select: Select
) -> Integers | None:
    """The strategy (n,) that is selected without the item's own fold of prompts."""
    found = np.zeros(len(quality), dtype=np.intp)
    inside = (prompts % FOLDS == np.arange(FOLDS)[:, None]).astype(float)  # (FOLDS, n)
    sizes, of_quality, of_cost = inside.sum(axis=1), inside @ quality, inside @ cost
    for fold in np.flatnonzero(sizes):
        rest = np.arange(FOLDS) != fold
        if not (n := sizes[rest].sum()):
            return None
        chosen = select(of_quality[rest].sum(axis=0) / n, of_cost[rest].sum(axis=0) / n)
        if chosen is None:
            return None
        found[inside[fold] > 0] = chosen
    return found


def prompts_to_tell(difference: float, standard_error: float, n_prompts: int) -> int | None:
    """Prompts in all with which this difference would be found in 80% of samples; None for none."""
    if abs(difference) <= _SAME or standard_error <= _SAME:
        return None
    return int(np.ceil(n_prompts * (distance() * standard_error / difference) ** 2))
