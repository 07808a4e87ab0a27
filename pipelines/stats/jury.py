"""How alike judges err, and how many judges a jury is worth.

Judges who err on the same comparisons outvote nobody: a jury of k whose errors correlate by rho is
worth k / (1 + (k - 1) rho) independent ones (Kish 1965, the design effect). An error shows as a
label that does not match a human's, but humans err too, and two judges held against the *same*
human's label would share that human's slips. So each product is of matches with two *different*
humans of the comparison, above the fraction line as well as below it (Spearman's correction for
attenuation, 1904):

    rho_jl = C_jl / sqrt(C_jj C_ll),   C_jl = E[match of j with h  x  match of l with h'] - A_j A_l

h and h' two humans, A the agreement with one. Chance slips of humans scale all C alike and cancel;
what makes a comparison hard for everybody stays in, as no vote takes it out. Arrays as in
`agreement`: judge shares and human counts (n, 3).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.agreement import agreement_with_one, total
from pipelines.stats.intervals import Interval, smooth_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NOTHING_COMMON = (
    "no comparisons are seen to be harder than others for one of the judges, beyond the humans' "
    "own differences"
)
CANCEL = "the judges' errors cancel out"
_ROUNDING = 1e-9


def error_columns(judges: Sequence[Floats], humans: Floats) -> Floats:
    """What `error_correlation` sums, (n, k(k+1)/2 + k + 1): products, matches, 1.

    Products come in the order of `pairs`, of matches with two different humans. NaN below two
    human labels or without a judge's.
    """
    m = total(humans)
    with np.errstate(invalid="ignore", divide="ignore"):
        couples = np.where(m >= 2, m * (m - 1), np.nan)
    matched = [total(shares * humans) for shares in judges]
    products = [
        (matched[j] * matched[k] - total(judges[j] * judges[k] * humans)) / couples
        for j, k in pairs(len(judges))
    ]
    agreement = [agreement_with_one(shares, humans) for shares in judges]
    return np.stack([*products, *agreement, np.ones(len(m))], axis=1)


def pairs(k: int) -> list[tuple[int, int]]:
    """The couples of k judges, each with itself too."""
    return list(combinations_with_replacement(range(k), 2))


def columns_of(jury: Sequence[int], k: int) -> list[int]:
    """Where the columns of a jury, places in ascending order, stand among those of all k judges."""
    place = {pair: column for column, pair in enumerate(pairs(k))}
    products = [place[pair] for pair in combinations_with_replacement(jury, 2)]
    return [*products, *(len(place) + j for j in jury), len(place) + k]


def error_correlation(totals: NDArray[Any]) -> Any:
    """Column totals of a jury to the mean of rho over its couples; NaN where one has none."""
    k = _size(len(totals))
    means = totals[:-1] / totals[-1]
    agreement = means[-k:]
    of = {pair: means[c] - agreement[pair[0]] * agreement[pair[1]]
          for c, pair in enumerate(pairs(k))}  # fmt: skip
    if any(np.real(of[j, j]) <= 0 for j in range(k)):
        return np.nan
    found = [of[j, m] / np.sqrt(of[j, j] * of[m, m]) for j, m in of if j != m]
    return sum(found) / len(found)


def jury_correlation(sums: Floats) -> Interval:
    """The mean error correlation of a jury from its columns' prompt sums (G, columns).

    Cut to [-1/(k - 1), 1], what k errors can have: sampling carries an estimate beyond.
    """
    least = _least(sums.shape[1])
    found = smooth_interval(error_correlation, sums, bounds=(least, 1.0), undefined=NOTHING_COMMON)
    if found.estimate is None:
        return found
    low, high = (None if x is None else min(max(x, least), 1.0) for x in (found.low, found.high))
    return replace(found, estimate=min(max(found.estimate, least), 1.0), low=low, high=high)


def effective_size(correlation: Interval, k: int) -> Interval:
    """How many independent judges a jury of k is worth, from its error correlation."""
    if correlation.estimate is None:
        return correlation
    value = _worth(correlation.estimate, k)
    if value is None:
        return Interval(None, None, None, correlation.n_prompts, f"undefined: {CANCEL}")
    if correlation.low is None or correlation.high is None:
        return replace(correlation, estimate=value)
    low, high = _worth(correlation.high, k), _worth(correlation.low, k)
    if low is None or high is None:
        why = f"no interval, as perhaps {CANCEL}"
        return Interval(value, None, None, correlation.n_prompts, why)
    return replace(correlation, estimate=value, low=low, high=high)


def _worth(rho: float, k: int) -> float | None:
    """None where the errors leave the mean of the k without any."""
    left = 1 + (k - 1) * rho
    return k / left if left > _ROUNDING else None


def _size(columns: int) -> int:
    """The k of k(k+1)/2 + k + 1 columns."""
    return int((np.sqrt(8 * columns + 1) - 3) / 2 + 0.5)


def _least(columns: int) -> float:
    return -1.0 / (_size(columns) - 1)
