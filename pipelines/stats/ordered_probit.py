"""Preferences as a latent scale: an ordered probit without intercept, with cluster influences.

Who labels perceives z = x'b + e, e standard normal, and says a where z > c, b where z < -c, a tie
between. Thresholds are symmetric and nothing is added to x'b, so that a and b may change places (x
changes its sign with them). Fitted by Newton's method to shares of the classes (McCullagh 1980).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import erfcx, ndtr

from pipelines.stats.agreement import TIE, A, B
from pipelines.stats.intervals import cluster_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

MOST_STEPS = 50
BLOCK = 4096  # rows
_PRECISION = 1e-9  # of the last step's gain in log-likelihood
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class OrderedProbit:
    """A fitted scale: `weights` b (k,), half-width `width` c of the ties (0 without any).

    `influence` (G, k + 1) is how far each cluster moved b and c; sums of its squares are variances.
    """

    weights: Floats
    width: float
    influence: Floats

    def mean(self, x: Floats) -> Floats:
        """What is perceived of rows (n, k), but for the error."""
        result: Floats = x @ self.weights
        return result


def ordered_probit(x: Floats, shares: Floats, clusters: Integers) -> OrderedProbit | None:
    """Fit to rows x (n, k) and the weights of their classes (n, 3); None where there is no fit.

    That is where a label follows from x with certainty, or columns of x follow from each other.
    `clusters` (n,) are codes without gaps.
    """
    k = x.shape[1]
    columns = np.ascontiguousarray(x.T)  # a column together: several times as fast below
    ties = bool(shares[:, TIE].any())
    parameters = np.zeros(k + 1)
    parameters[k] = 0.5 if ties else 0.0
    free = k + ties
    for _ in range(MOST_STEPS):
        slopes, hessian = _slopes_and_hessian(columns, parameters, shares)
        hessian = hessian[:free, :free]
        score = np.append(columns @ slopes[0], slopes[1].sum())[:free]
        try:
            step = np.linalg.solve(hessian, -score)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all() or np.linalg.cond(hessian) > 1e12:
            return None
        if abs(score @ step) <= _PRECISION:
            inverse = np.zeros((k + 1, k + 1))
            inverse[:free, :free] = np.linalg.inv(-hessian)
            rows = np.concatenate([columns * slopes[0], slopes[1:]]).T
            return OrderedProbit(
                parameters[:k], float(parameters[k]), cluster_sums(rows, clusters) @ inverse
            )
        parameters[:free] += _damped(step, columns, parameters, ties)
    return None


def _damped(step: Floats, columns: Floats, parameters: Floats, ties: bool) -> Floats:
    """The step, shortened so that no row moves by more than 2 and the width stays positive."""
    k = len(columns)
    furthest = float(np.abs(step[:k] @ columns).max(initial=0.0))
    factor = min(1.0, 2.0 / furthest) if furthest > 0 else 1.0
    while ties and parameters[k] + factor * step[k] <= 0.1 * parameters[k]:
        factor /= 2
    return factor * step


def _slopes_and_hessian(
    columns: Floats, parameters: Floats, shares: Floats
) -> tuple[Floats, Floats]:
    """Slopes (2, n) by mean and width, and the Hessian (k + 1, k + 1), from columns (k, n) of x.

    A block of rows at a time, so that all that is made of it stays in the processor's cache.
    """
    k, n = columns.shape
    slopes, hessian = np.empty((2, n)), np.zeros((k + 1, k + 1))
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        x = columns[:, part]
        slopes[:, part], (mm, mc, cc) = _derivatives(
            parameters[:k] @ x, float(parameters[k]), shares[part]
        )
        hessian[:k, :k] += (x * mm) @ x.T
        hessian[:k, k] += x @ mc
        hessian[k, k] += cc.sum()
    hessian[k, :k] = hessian[:k, k]
    return slopes, hessian


def _hazard(z: Floats, weights: Floats) -> Floats:
    """Density over probability, phi(z) / ndtr(z), where a class has any weight; else 0.

    By erfcx, which loses nothing in either tail.
    """
    wanted = weights > 0
    result = np.zeros_like(z)
    result[wanted] = _ROOT_2_OVER_PI / erfcx(-_ROOT_HALF * z[wanted])
    return result


def _derivatives(
    mean: Floats, width: float, shares: Floats
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats, Floats]]:
    """Of the log-likelihood: slopes by mean and width; second derivatives mm, mc, cc; each (n,)."""
    above, below = mean - width, -mean - width  # P(a) = ndtr(above), P(b) = ndtr(below)
    w_a, w_t, w_b = shares[:, A], shares[:, TIE], shares[:, B]
    a, b = _hazard(above, w_a), _hazard(below, w_b)
    by_mean, by_width = w_a * a - w_b * b, -w_a * a - w_b * b
    bend_a, bend_b = -w_a * a * (above + a), -w_b * b * (below + b)
    mm, mc, cc = bend_a + bend_b, bend_b - bend_a, bend_a + bend_b
    if width > 0:
        density_a, density_b = (np.exp(-0.5 * z**2 - _LOG_ROOT_2_PI) for z in (above, below))
        tie = np.maximum(ndtr(-above) - ndtr(below), _TINY)
        t_m, t_c = (density_b - density_a) / tie, (density_a + density_b) / tie
        second_a, second_b = above * density_a / tie, below * density_b / tie
        by_mean, by_width = by_mean + w_t * t_m, by_width + w_t * t_c
        mm = mm + w_t * (second_a + second_b - t_m**2)
        mc = mc + w_t * (second_b - second_a - t_m * t_c)
        cc = cc + w_t * (second_a + second_b - t_c**2)
    return (by_mean, by_width), (mm, mc, cc)


_LOG_ROOT_2_PI = 0.5 * float(np.log(2 * np.pi))
_ROOT_HALF, _ROOT_2_OVER_PI = float(np.sqrt(0.5)), float(np.sqrt(2 / np.pi))
