"""Planning: how many items find a difference, and the smallest difference that a sample finds.

Two-sided tests at 5%, 80% power unless told. A mean with variance V per item needs

    n = (z_.975 + z_power)^2 V / delta^2        (normal approximation, Lachin 1981)

items that are independent. Items of one prompt are not: multiply by the design effect. Differences
are shares (.02 is two points). What cannot be is None: a difference of zero, one beyond its range.
"""

from __future__ import annotations

from math import ceil, isfinite, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri, stdtrit

from pipelines.stats.intervals import FEWEST_PROMPTS, LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.stats.intervals import Interval

POWER = 0.8
_UPPER = 0.5 + LEVEL / 2
_ROUNDING = 1e-9  # a product that should be whole may end a digit above it


def n_for_position(
    delta: float, flip_rate: float | None = None, design_effect: float = 1
) -> int | None:
    """Items to find a position effect: the first shown is chosen with probability 1/2 + delta.

    Variance under no effect: 1/4 for an item shown once in a random order; flip_rate / 4 for one
    shown in both orders, flip_rate being the share whose preference turns with the order (no ties).
    None where delta is 0 or beyond what can be: 1/2, and half the flip rate in both orders.
    """
    share = 1.0 if flip_rate is None else flip_rate
    if not 0 < abs(delta) <= share / 2 <= 0.5:
        return None
    return _items(share / 4, delta, design_effect)


def n_for_difference(delta: float, discordance: float, design_effect: float = 1) -> int | None:
    """Items to find a difference in agreement between two judges who label the same items.

    `discordance` is the share of items on which exactly one of them agrees with the reference: the
    variance of an item's difference is discordance - delta^2. None where delta is 0 or not within
    the discordance.
    """
    if not 0 < abs(delta) < discordance <= 1:
        return None
    return _items(discordance - delta * delta, delta, design_effect)


def difference_at(n_items: float, discordance: float, design_effect: float = 1) -> float | None:
    """The difference for which `n_for_difference` is `n_items`; None without items.

    Solves n delta^2 = z^2 (discordance - delta^2) with n = n_items / design_effect.
    """
    if n_items <= 0 or not 0 < discordance <= 1:
        return None
    z2 = distance() ** 2
    return sqrt(z2 * discordance / (n_items / design_effect + z2))


def most_design_effect(clusters: NDArray[np.integer[Any]]) -> float | None:
    """Design effect if all items of a prompt were one: sum m^2 / sum m, m items a prompt.

    Kish (1965): 1 + (m - 1) rho with rho = 1, the prompts weighted by their items. The true one
    lies between 1 and this. None without items.
    """
    sizes = np.bincount(clusters) if len(clusters) else np.zeros(1)
    return float((sizes.astype(float) ** 2).sum() / sizes.sum()) if sizes.any() else None


def standard_error_of(interval: Interval) -> float | None:
    """Standard error of an estimate -+ t SE: its half width over t of n_prompts - 1.

    The longer half, as an interval may be cut on one side to the values that can be. None without
    an interval. Wilson's and percentile intervals have no such standard error.
    """
    if interval.estimate is None or interval.low is None or interval.high is None:
        return None
    half = max(interval.high - interval.estimate, interval.estimate - interval.low)
    return half / float(stdtrit(interval.n_prompts - 1, _UPPER))


def smallest_difference(
    standard_error: float | None, n_prompts: int, power: float = POWER
) -> float | None:
    """The true difference that a test finds with this power: (t_.975 + t_power) SE.

    Quantiles of Student's t with n_prompts - 1 degrees of freedom (Bloom 1995). None without a
    standard error, and below the prompts that an interval needs.
    """
    if standard_error is None or not isfinite(standard_error) or n_prompts < FEWEST_PROMPTS:
        return None
    degrees = n_prompts - 1
    return float(stdtrit(degrees, _UPPER) + stdtrit(degrees, power)) * standard_error


def _items(variance: float, delta: float, design_effect: float) -> int:
    n = distance() ** 2 * variance / (delta * delta) * design_effect
    return max(1, ceil(n * (1 - _ROUNDING)))


def distance() -> float:
    """How many standard errors the truth must lie from zero, in large samples."""
    return float(ndtri(_UPPER) + ndtri(POWER))
