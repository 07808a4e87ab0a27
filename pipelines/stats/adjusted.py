"""What a judge's choices owe to a feature beyond the quality that humans see: the L2 level.

The model: humans perceive u + e, the judge s u + d'x + e', errors independent and standard normal,
u = b'x + the rest of quality, which is normal given the features x (differences a - b). A judge who
is only sharper or duller than a human has d = 0 and any s. Of both scales only what is seen is
fitted (ordered probits of the labels on x), and two correlations of what x leaves: between two
humans (HH) and between the judge and a human (JH). The rest of quality being common to all,

    d = b_judge - (JH / HH) b_human     in standard deviations of what the judge perceives.

JH / HH is what an instrumental variable finds, one human's label standing for quality and another's
as its instrument; here on the scale on which labels come about, where a sharp judge bends nothing.
The interval of d is Fieller's (1954): all values that a test of HH b_judge - JH b_human = HH d does
not reject, from the influence of prompts on all parts together. Where HH may be 0 no value is
rejected: humans do not say what quality is, and there is no answer. The usual interval around d
would miss too often where HH is weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, stdtrit

from pipelines.stats.agreement import A, B, total
from pipelines.stats.intervals import LEVEL
from pipelines.stats.latent_correlation import Correlation, Margin, latent_correlation
from pipelines.stats.ordered_probit import OrderedProbit, ordered_probit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

NO_FIT = "the labels follow from the features with certainty, or one feature from the others"
_LEAST_SLOPE = 1e-3  # of P(a) by d: below, every label is certain
WEAK = "humans agree too little beyond the features to say what quality is"


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The judge's own weight of k features, and what they do to its choices.

    `weights` (k,): d above, for one unit of x. `excess` (k,): how much more often the judge chooses
    the response with more of the feature (ties half) than it would without that weight, over
    comparisons that differ in it; NaN where the feature decides every label. `low` and `high` (k,)
    are its 95% limits over G clusters, `influence` (G, k) what each cluster did to it. `sharpness`
    is JH / HH: above 1 the judge perceives quality more clearly than one human.
    """

    weights: Floats
    excess: Floats
    low: Floats
    high: Floats
    influence: Floats
    humans: Correlation
    with_judge: Correlation

    @property
    def sharpness(self) -> float:
        """The judge's hold on quality relative to one human's."""
        return self.with_judge.value / self.humans.value


def adjusted(
    x: Floats, humans: Floats, judge: Floats, clusters: Integers
) -> tuple[Adjusted | None, str | None]:
    """Fit to items: features (n, k), class counts of humans (n, 3), at least two of them, and of
    the judge by order shown (3, n, 3: ab, ba, not known). Every item weighs the same.

    The order is one more feature of the judge's scale, +1 where a was shown first. Returns None and
    why where there is no answer.
    """
    human = ordered_probit(x, humans / total(humans)[:, None], clusters)
    item, order, shares = _by_order(judge)
    shown = x[item] if not order.any() else np.column_stack([x[item], order])
    own = ordered_probit(shown, shares, clusters[item])
    if human is None or own is None:
        return None, NO_FIT
    of_human = Margin(x, human.mean(x), human.width, human.influence)
    pair = _pair_products(humans)
    hh = latent_correlation(pair, np.ones(len(x)), of_human, of_human, clusters)
    if hh is None or not hh.value > _quantile(clusters) * hh.error:
        return None, WEAK
    weight = total(shares)
    product = (shares[:, A] - shares[:, B]) / weight * _mean_score(humans)[item]
    here = Margin(x[item], of_human.mean[item], human.width, human.influence)
    there = Margin(shown, own.mean(shown), own.width, own.influence)
    jh = latent_correlation(product, weight, there, here, clusters[item])
    if jh is None:
        return None, NO_FIT
    return _combined(human, own, hh, jh, there, weight, clusters[item]), None


def _by_order(judge: Floats) -> tuple[Integers, Floats, Floats]:
    """A row for each item and order that has labels: item, order (1, -1, 0) and class shares.

    The shares (., 3) add up to 1 over an item.
    """
    counts = total(judge.reshape(-1, 3)).reshape(judge.shape[:2])
    order, item = np.nonzero(counts)
    shares = judge[order, item] / counts.sum(axis=0)[item][:, None]
    return item, np.array([1.0, -1.0, 0.0])[order], shares


def _mean_score(counts: Floats) -> Floats:
    result: Floats = (counts[:, A] - counts[:, B]) / total(counts)
    return result


def _pair_products(counts: Floats) -> Floats:
    """Mean product of the scores of two different labels (n,)."""
    m, sum_, squares = total(counts), counts[:, A] - counts[:, B], counts[:, A] + counts[:, B]
    result: Floats = (sum_**2 - squares) / (m * (m - 1))
    return result


def _combined(
    human: OrderedProbit, own: OrderedProbit, hh: Correlation, jh: Correlation, judge: Margin,
    weight: Floats, clusters: Integers,
) -> Adjusted:  # fmt: skip
    k = len(human.weights)
    slope = jh.value / hh.value
    weights = own.weights[:k] - slope * human.weights
    # of HH b_judge - JH b_human, of which HH d is no multiple but for the right d
    moved = (
        hh.value * own.influence[:, :k]
        + hh.influence[:, None] * own.weights[:k]
        - jh.value * human.influence[:, :k]
        - jh.influence[:, None] * human.weights
    )
    limits = [_fieller(hh.value * weights[j], moved[:, j], hh, clusters) for j in range(k)]
    moved = (moved - hh.influence[:, None] * weights) / hh.value
    effects = [_Effect.of(j, judge, weight) for j in range(k)]
    found = [each.excess(weights[j], moved[:, j], own, clusters) for j, each in enumerate(effects)]
    ends = np.array(
        [[each.at(d) for d in both] for each, both in zip(effects, limits, strict=True)]
    )
    excess = np.array([value for value, _ in found])
    influence = np.stack([column for _, column in found], axis=1)
    return Adjusted(weights, excess, ends[:, 0], ends[:, 1], influence, hh, jh)


def _quantile(clusters: Integers) -> float:
    freedom = float(clusters.max())
    return float(stdtrit(freedom, 0.5 + LEVEL / 2))


def _fieller(
    value: float, moved: Floats, hh: Correlation, clusters: Integers
) -> tuple[float, float]:
    """The limits of value / HH: (value - d HH)^2 = t^2 var(value - d HH), HH being clear of 0."""
    n = len(moved)
    t2 = _quantile(clusters) ** 2 * n / (n - 1)
    a = hh.value**2 - t2 * (hh.influence @ hh.influence)
    b = hh.value * value - t2 * (hh.influence @ moved)
    c = value**2 - t2 * (moved @ moved)
    half = np.sqrt(max(float(b * b - a * c), 0.0))
    return float((b - half) / a), float((b + half) / a)


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a weight of one feature does to the judge's choices, over rows that differ in it."""

    x: Floats
    share: Floats
    judge: Margin

    @classmethod
    def of(cls, j: int, judge: Margin, weight: Floats) -> _Effect:
        x = judge.x[:, j]
        share = weight * (x != 0)
        return cls(x, share / share.sum(), judge)

    def values(self, d: float) -> Floats:
        """sign(x) (F(m) - F(m - d x)) of each row, F(m) being P(a) with ties half."""
        with_it, width = self.judge.mean, self.judge.width
        without = _chosen(with_it - d * self.x, width)
        result: Floats = np.sign(self.x) * (_chosen(with_it, width) - without)
        return result

    def at(self, d: float) -> float:
        """Their mean: it grows with d."""
        return float(self.share @ self.values(d))

    def excess(
        self, d: float, d_moved: Floats, own: OrderedProbit, clusters: Integers
    ) -> tuple[float, Floats]:
        """`at` and the influence of clusters on it; NaN where no label depends on the feature."""
        judge, share, x = self.judge, self.share, self.x
        values, sign, without = self.values(d), np.sign(x), judge.mean - d * x
        slope_with, slope_without = (_density(m, judge.width) for m in (judge.mean, without))
        by_d = float(share @ (np.abs(x) * slope_without))
        mean = float(share @ values)
        if by_d < _LEAST_SLOPE:
            return np.nan, np.zeros(len(d_moved))
        by_mean = judge.x.T @ (share * sign * (slope_with - slope_without))
        by_width = share @ (sign * (_by_width(judge.mean, judge.width)
                                    - _by_width(without, judge.width)))  # fmt: skip
        terms = np.bincount(clusters, share * (values - mean), len(d_moved))
        return mean, terms + own.influence @ np.append(by_mean, by_width) + by_d * d_moved


def _chosen(mean: Floats, width: float) -> Floats:
    """P(a) with ties half."""
    result: Floats = (1 + ndtr(mean - width) - ndtr(-mean - width)) / 2
    return result


def _density(mean: Floats, width: float) -> Floats:
    """Slope of `_chosen` by the mean."""
    both = np.exp(-0.5 * (mean - width) ** 2) + np.exp(-0.5 * (mean + width) ** 2)
    result: Floats = both / (2 * np.sqrt(2 * np.pi))
    return result


def _by_width(mean: Floats, width: float) -> Floats:
    """Slope of `_chosen` by the width."""
    both = np.exp(-0.5 * (mean + width) ** 2) - np.exp(-0.5 * (mean - width) ** 2)
    result: Floats = both / (2 * np.sqrt(2 * np.pi))
    return result
