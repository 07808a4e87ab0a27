"""How far two labels of the same comparison go together beyond what features explain.

Each labeller perceives z = m + e on an ordered probit scale (`ordered_probit`), the two errors
standard normal with correlation rho: a polychoric correlation given the features. It solves one
moment equation: the product of the two scores (a 1, tie 0, b -1) is on average what rho says.
With several labels that average needs the counts alone, not every pair of labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from pipelines.stats.intervals import cluster_sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

MOST_STEPS = 50
HIGHEST = 0.9999
_PRECISION = 1e-10
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_SIGNS = ((1, 1), (-1, -1), (1, -1), (-1, 1))
_FEW = 20_000
_LEAST_SLOPE = 1e-9  # of the mean product by rho


@dataclass(frozen=True, slots=True)
class Margin:
    """One labeller on n rows: `mean` (n,) and `width` of its scale, and how these are known.

    `x` (n, k) are the features that the mean is made of, `influence` (G, k + 1) that of the fit.
    """

    x: Floats
    mean: Floats
    width: float
    influence: Floats


@dataclass(frozen=True, slots=True)
class Correlation:
    """The correlation of two labellers' errors; `influence` (G,) is how each cluster moved it."""

    value: float
    influence: Floats

    @property
    def error(self) -> float:
        """Standard error."""
        n = len(self.influence)
        return float(np.sqrt(n / (n - 1) * (self.influence @ self.influence)))


def latent_correlation(
    products: Floats, weights: Floats, first: Margin, second: Margin, clusters: Integers
) -> Correlation | None:
    """From weighted mean products of scores (n,); None where no correlation gives their sum."""
    corners = _Corners.of(first, second)
    rho = _solved(products, weights, corners)
    if rho is None:
        return None
    moments = weights * (products - corners.expected_product(rho))
    moved = cluster_sums(moments[:, None], clusters)[:, 0]
    for one, other in ((first, second), (second, first)):
        by_mean, by_width = _by_margin(one, other, rho)
        slopes = np.append(one.x.T @ (weights * by_mean), float(weights @ by_width))
        moved = moved - one.influence @ slopes
    return Correlation(rho, moved / float(weights @ corners.slope(rho)))


def expected_product(first: Margin, second: Margin, rho: float) -> Floats:
    """Mean product of the two scores (n,) where errors correlate by rho."""
    return _Corners.of(first, second).expected_product(rho)


def _solved(products: Floats, weights: Floats, corners: _Corners) -> float | None:
    """The root by Newton's method, halving where that leaves the bracket."""
    n, rho = len(products), 0.0
    if n > _FEW:  # a part of the rows says nearly where
        part = slice(None, None, n // _FEW + 1)
        rho = _solved(products[part], weights[part], corners.part(part)) or 0.0
    target, low, high = float(products @ weights), -HIGHEST, HIGHEST
    for _ in range(MOST_STEPS):
        missing = target - float(weights @ corners.expected_product(rho))
        low, high = (rho, high) if missing > 0 else (low, rho)
        slope = float(weights @ corners.slope(rho))
        if slope < _LEAST_SLOPE * len(products):  # every label is certain, whatever rho is
            return None
        step = missing / slope
        if abs(step) < _PRECISION:
            return rho
        rho = rho + step if low < rho + step < high else (low + high) / 2
    return None


@dataclass(frozen=True, slots=True)
class _Corners:
    """Where both scores are decided: h and k are the distances from the thresholds there.

    `products` (n,) are those of the mean scores, `squares` of each corner h^2 + k^2, `crosses`
    2 h k with the sign of the product of scores. Without ties opposite corners are alike: two
    stand for four, `each` times.
    """

    products: Floats
    squares: list[Floats]
    crosses: list[Floats]
    each: int

    @classmethod
    def of(cls, first: Margin, second: Margin) -> _Corners:
        tied = first.width > 0 or second.width > 0
        squares, crosses = [], []
        for one, other, h, k in _distances(first, second, _SIGNS if tied else _SIGNS[::2]):
            squares.append(h * h + k * k)
            crosses.append(2 * one * other * h * k)
        return cls(_score(first) * _score(second), squares, crosses, 1 if tied else 2)

    def part(self, rows: slice) -> _Corners:
        """Of these rows."""
        squares, crosses = ([c[rows] for c in columns] for columns in (self.squares, self.crosses))
        return _Corners(self.products[rows], squares, crosses, self.each)

    def expected_product(self, rho: float) -> Floats:
        """The product of the mean scores plus the integral of `slope` from 0 to rho.

        Over the arcsine of rho, where it is smooth (Drezner & Wesolowsky 1990).
        """
        end = float(np.arcsin(rho))
        result = self.products.copy()
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            angle = end * (node + 1) / 2
            # d rho is cos(angle) d angle
            result += (end / 2 * weight * np.cos(angle)) * self.slope(float(np.sin(angle)))
        return result

    def slope(self, rho: float) -> Floats:
        """How the expected product (n,) grows with rho: bivariate normal densities."""
        room = 1 - rho * rho
        result = np.zeros(len(self.products))
        for squares, crosses in zip(self.squares, self.crosses, strict=True):
            result += np.exp((squares - rho * crosses) / (-2 * room))
        result *= self.each / (2 * np.pi * np.sqrt(room))
        return result


def _score(margin: Margin) -> Floats:
    result: Floats = ndtr(margin.mean - margin.width) - ndtr(-margin.mean - margin.width)
    return result


def _distances(
    first: Margin, second: Margin, signs: Sequence[tuple[int, int]] = _SIGNS
) -> Iterator[tuple[int, int, Floats, Floats]]:
    """Signs of the two scores, and how far each mean lies beyond the threshold there."""
    for one, other in signs:
        yield one, other, one * first.mean - first.width, other * second.mean - second.width


def _by_margin(first: Margin, second: Margin, rho: float) -> tuple[Floats, Floats]:
    """Slopes of the expected product by the first labeller's mean and by its width."""
    by_mean, by_width = np.zeros(len(first.mean)), np.zeros(len(first.mean))
    for one, other, h, k in _distances(first, second):
        both = one * other
        moved = np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi)
        moved *= ndtr((k - both * rho * h) / np.sqrt(1 - rho * rho))
        by_mean += both * one * moved
        by_width -= both * moved
    return by_mean, by_width
