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
_CHUNK = 256  # replicates at once: they stay in the processor's cache
_SAME = 1e-9  # differences and standard errors below it are rounding


def may_be_best(values: Floats, replicates: Floats) -> NDArray[np.bool_]:
    """Which of m strategies (m,) cannot be told from the best, from joint replicates (B, m).

    The true best is among them in 95% of samples: strategy i is left out where another one is ahead
    of it by more than c_i standard errors of the difference, c_i the 95% point of the largest such
    distance over all others. One that is identical to another is in with it.
    """
    means = replicates.mean(axis=0)
    around = np.ascontiguousarray((replicates - means).T)  # (m, B)
    products = around @ around.T / len(replicates)
    variances = np.diag(products)
    spread = variances[:, None] + variances - products - products.T  # alike both ways
    errors = np.sqrt(np.maximum(spread, 0.0))
    ahead = values - values[:, None]  # of j before i, (m, m)
    apart = errors > _SAME
    furthest = _furthest(around + (means - values)[:, None], errors, apart)
    factor = np.where(apart.any(axis=1), np.quantile(furthest, LEVEL, axis=1), 0.0)
    # what is ahead in every resample has no error, and is ahead of any number of them
    limits = np.where(apart, factor[:, None] * errors, _SAME)
    kept: NDArray[np.bool_] = np.all(ahead <= limits, axis=1)
    return kept


def _furthest(moved: Floats, errors: Floats, apart: NDArray[np.bool_]) -> Floats:
    """The largest (moved_j - moved_i) / errors_ij over the j apart from i, (m, B) from (m, B).

    Each couple once, for both: j's distance from i is that of i from j turned round.
    """
    factors = np.where(apart, 1 / np.maximum(errors, _SAME), np.nan)
    found = np.full(moved.shape, -np.inf)
    for start in range(0, moved.shape[1], _CHUNK):
        part, here = (each[:, start : start + _CHUNK] for each in (moved, found))
        for i in range(len(moved) - 1):
            distance = part[i + 1 :] - part[i]
            distance *= factors[i, i + 1 :, None]
            here[i] = np.fmax(here[i], np.fmax.reduce(distance))
            np.fmax(here[i + 1 :], np.negative(distance, out=distance), out=here[i + 1 :])
    return np.where(np.isfinite(found), found, 0.0)


def frontier(quality: Floats, cost: Floats) -> NDArray[np.bool_]:
    """Strategies (m,) that no other one beats in quality at the same or a lower cost.

    Of equal ones the first stays; a cost that is not known is on no frontier.
    """
    kept = np.zeros(len(quality), dtype=bool)
    best = -np.inf
    for i in np.lexsort((np.arange(len(quality)), -quality, np.round(cost, 9))):
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
    quality: Floats, cost: Floats, prompts: Integers, select: Select, n: Floats | None = None
) -> Floats | None:
    """The quality per item (n,) of what is selected without the item's own fold of prompts.

    From quality and cost per item (n, m). `select` maps mean quality and cost (m,) to a strategy,
    None where none will do: then there is no figure. With `n` as in `cross_chosen`, sums of it.
    """
    chosen = cross_chosen(quality, cost, prompts, select, n)
    return None if chosen is None else quality[np.arange(len(quality)), chosen]


def cross_chosen(
    quality: Floats, cost: Floats, prompts: Integers, select: Select, n: Floats | None = None
) -> Integers | None:
    """The strategy (n,) that is selected without the item's own fold of prompts.

    With `n` each row is the sum over so many items, whose prompts are all of the same fold.
    """
    found = np.zeros(len(quality), dtype=np.intp)
    inside = (prompts % FOLDS == np.arange(FOLDS)[:, None]).astype(float)  # (FOLDS, n)
    sizes = inside.sum(axis=1) if n is None else inside @ n
    of_quality, of_cost = inside @ quality, inside @ cost
    for fold in np.flatnonzero(sizes):
        rest = np.arange(FOLDS) != fold
        if not (left := sizes[rest].sum()):
            return None
        chosen = select(of_quality[rest].sum(axis=0) / left, of_cost[rest].sum(axis=0) / left)
        if chosen is None:
            return None
        found[inside[fold] > 0] = chosen
    return found


def prompts_to_tell(difference: float, standard_error: float, n_prompts: int) -> int | None:
    """Prompts in all with which this difference would be found in 80% of samples; None for none."""
    if abs(difference) <= _SAME or standard_error <= _SAME:
        return None
    return int(np.ceil(n_prompts * (distance() * standard_error / difference) ** 2))
