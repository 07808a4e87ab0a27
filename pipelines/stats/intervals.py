"""Prompt-clustered 95% intervals of smooth functions of sums.

A statistic is f(S), S = sum over prompts g of T_g, the prompt's sufficient statistics. The
infinitesimal jackknife: U_g = grad f(S)' (T_g - mean T), SE = sqrt(G/(G-1) sum U_g^2), Student's t
with G - 1 degrees of freedom (Jaeckel 1972; Efron 1982, ch. 6). For a mean it is the usual
cluster-robust one. The gradient is taken with a complex step, exact to rounding (Squire & Trapp
1998), so f must be written in arithmetic that accepts complex numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Function = Callable[[NDArray[Any]], Any]

FEWEST_PROMPTS = 20
CAUTION_PROMPTS = 50
LEVEL = 0.95
NOT_ASKED = "no interval, as none was asked for"
NO_VARIATION = "no interval, as all prompts give the same value"
ALL_ALIKE = "the same on all prompts: the limits are those of the share that may differ"
_STEP = 1e-30
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval; None where undefined, and why in `note`."""

    estimate: float | None
    low: float | None
    high: float | None
    n_prompts: int
    note: str | None = None


def cluster_sums(columns: Floats, clusters: Integers) -> Floats:
    """Sum the rows of `columns` (n, k) within clusters (n,), to (G, k); empty clusters vanish.

    Clusters are small non-negative codes: memory grows with the largest.
    """
    present = np.bincount(clusters) > 0
    return np.stack(
        [np.bincount(clusters, weights=column)[present] for column in columns.T], axis=1
    )


def smooth_interval(
    function: Function,
    sums: Floats,
    *,
    proportion: bool = False,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    undefined: str = "nothing to divide by",
) -> Interval:
    """The function of the column totals of `sums` (G, k) with its interval over the G prompts.

    `function` maps (k,) to a number. The interval is cut to `bounds`, the values it can have.
    `proportion` says that these are [0, 1]: at the very end the interval is Wilson's with n = G.
    Otherwise prompts that do not differ at all say nothing of how far others would: no interval. An
    undefined value (no data, division by zero) is an Interval of None with `undefined` as reason.
    """
    totals = np.ones(len(sums)) @ sums  # six times faster than sums.sum(axis=0)
    return interval_from_influence(
        function, totals, lambda gradient: sums @ gradient, len(sums),
        proportion=proportion, bounds=bounds, undefined=undefined,
    )  # fmt: skip


def interval_from_influence(
    function: Function,
    totals: Floats,
    influence: Callable[[Floats], Floats] | None,
    n_prompts: int,
    *,
    proportion: bool = False,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    undefined: str = "nothing to divide by",
) -> Interval:
    """`smooth_interval` where the prompts' sums need not be kept.

    `influence` maps the gradient (k,) at the totals to its product with each prompt's sums, (G,);
    None asks for the estimate alone.
    """
    with np.errstate(all="ignore"):
        value = float(np.real(function(totals.astype(complex)))) if n_prompts else np.nan
    if not np.isfinite(value):
        return Interval(None, None, None, n_prompts, f"undefined: {undefined}")
    at_end = proportion and abs(value - round(value)) <= _ROUNDING
    value = float(round(value)) if at_end else value  # sums of shares end a digit off
    if influence is None:
        return Interval(value, None, None, n_prompts, NOT_ASKED)
    if n_prompts < FEWEST_PROMPTS:
        too_few = f"too few prompts for an interval ({n_prompts} of {FEWEST_PROMPTS})"
        return Interval(value, None, None, n_prompts, too_few)
    note = "few prompts: read with caution" if n_prompts < CAUTION_PROMPTS else None
    quantile = float(stdtrit(n_prompts - 1, 0.5 + LEVEL / 2))
    if at_end:
        low, high = wilson(value, n_prompts, quantile)
        return Interval(value, low, high, n_prompts, note)
    half = quantile * _standard_error(influence(_gradient(function, totals)))
    if half <= _ROUNDING * max(1.0, abs(value)):
        return Interval(value, None, None, n_prompts, NO_VARIATION)
    least, most = (0.0, 1.0) if proportion else bounds
    return Interval(value, max(least, value - half), min(most, value + half), n_prompts, note)


def interval_around(value: float, influence: Floats) -> Interval:
    """An estimate with its interval from how far each of the G prompts moved it (G,)."""
    n, value = len(influence), float(value)
    if n < FEWEST_PROMPTS:
        too_few = f"too few prompts for an interval ({n} of {FEWEST_PROMPTS})"
        return Interval(value, None, None, n, too_few)
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * _standard_error(influence)
    if half <= _ROUNDING * max(1.0, abs(value)):
        return Interval(value, None, None, n, NO_VARIATION)
    note = "few prompts: read with caution" if n < CAUTION_PROMPTS else None
    return Interval(value, value - half, value + half, n, note)


def where_all_are_alike(
    found: Interval, bounds: tuple[float, float], said: str = ALL_ALIKE
) -> Interval:
    """The limits of a mean of values within `bounds` that is the same on every prompt.

    It has no error of its own; but prompts that were not seen may differ: their share is at most
    Wilson's upper limit of 0 of G, and they may lie at either bound. `said` of it is the note.
    """
    if found.note != NO_VARIATION or found.estimate is None:
        return found
    value, quantile = found.estimate, float(stdtrit(found.n_prompts - 1, 0.5 + LEVEL / 2))
    most = wilson(0.0, found.n_prompts, quantile)[1]
    low, high = value - most * (value - bounds[0]), value + most * (bounds[1] - value)
    return Interval(value, low, high, found.n_prompts, said)


def wilson(share: float, n: int, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a proportion `share` of n (Wilson 1927); it holds `share`."""
    z2 = quantile * quantile
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = quantile / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return float(min(low, share)), float(max(high, share))  # at 0 and 1 rounding would miss it


def ratio(totals: NDArray[Any]) -> Any:
    """First total over the second."""
    return totals[0] / totals[1]


def ratio_of_ratios(totals: NDArray[Any]) -> Any:
    """First over second, over third over fourth."""
    return totals[0] / totals[1] / (totals[2] / totals[3])


def difference_of_ratios(totals: NDArray[Any]) -> Any:
    """First over second minus third over fourth."""
    return totals[0] / totals[1] - totals[2] / totals[3]


def _standard_error(influence: Floats) -> float:
    n_prompts = len(influence)
    influence = influence - influence.mean()
    return float(np.sqrt(n_prompts / (n_prompts - 1) * (influence @ influence)))


def _gradient(function: Function, totals: Floats) -> Floats:
    steps = totals.astype(complex) + 1j * _STEP * np.eye(len(totals))
    return np.array([np.imag(function(step)) / _STEP for step in steps])
