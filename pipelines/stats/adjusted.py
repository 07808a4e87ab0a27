"""What a judge's choices owe to a feature beyond the quality that humans see: the L2 level.

The model: humans perceive u + e, the judge s u + d'x + e', errors independent and standard normal,
u = b'x + the rest of quality, which is normal given the features x (differences a - b). A judge who
is only sharper or duller than a human has d = 0 and any s. Of both scales only what is seen is
fitted (ordered probits of the labels on x), and two correlations of what x leaves: between two
humans (HH) and between the judge and a human (JH). The rest of quality being common to all,

    d = b_judge - (JH / HH) b_human     in standard deviations of what the judge perceives.

JH / HH is what an instrumental variable finds, one human's label standing for quality and another's
as its instrument; here on the scale on which labels come about, where a sharp judge bends nothing.
Intervals are sandwich ones, from the influence of prompts on all parts together. Where HH is not
well above 0, humans do not say what quality is, and there is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from pipelines.stats.agreement import A, B, total
from pipelines.stats.latent_correlation import Correlation, Margin, latent_correlation
from pipelines.stats.ordered_probit import OrderedProbit, ordered_probit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

STRENGTH = 3.2  # the humans' correlation over its error: an F of about 10 (Staiger & Stock 1997)
NO_FIT = "the labels follow from the features with certainty, or one feature from the others"
WEAK = "humans agree too little beyond the features to say what quality is"


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The judge's own weight of k features, and what they do to its choices.

    `weights` (k,): d above, for one unit of x. `excess` (k,): how much more often the judge chooses
    the response with more of the feature (ties half) than it would without that weight, over
    comparisons that differ in it. `influence` (G, k) is that of the excess. `sharpness` is JH / HH:
    above 1 the judge perceives quality more clearly than one human.
    """

    weights: Floats
    excess: Floats
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
    if hh is None or not hh.value > STRENGTH * hh.error:
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
    slope_moved = (jh.influence - slope * hh.influence) / hh.value
    moved = (
        own.influence[:, :k] - slope * human.influence[:, :k] - slope_moved[:, None] * human.weights
    )
    found = [
        _excess(j, float(weights[j]), moved[:, j], own, judge, weight, clusters) for j in range(k)
    ]
    excess = np.array([value for value, _ in found])
    influence = np.stack([column for _, column in found], axis=1)
    return Adjusted(weights, excess, influence, hh, jh)


def _excess(
    j: int, d: float, d_moved: Floats, own: OrderedProbit, judge: Margin, weight: Floats,
    clusters: Integers,
) -> tuple[float, Floats]:  # fmt: skip
    """Mean of sign(x) (F(m) - F(m - d x)) over rows where x is not 0, and clusters' influence.

    F(m) is P(a) with ties half.
    """
    x, n_clusters = judge.x[:, j], len(d_moved)
    used = x != 0
    w = weight * used / (weight @ used)
    with_it, without = judge.mean, judge.mean - d * x
    sign = np.sign(x)
    values = sign * (_chosen(with_it, judge.width) - _chosen(without, judge.width))
    mean = float(w @ values)
    own_terms = np.bincount(clusters, w * (values - mean), n_clusters)
    slope_with, slope_without = _density(with_it, judge.width), _density(without, judge.width)
    by_mean = judge.x.T @ (w * sign * (slope_with - slope_without))
    by_width = w @ (sign * (_by_width(with_it, judge.width) - _by_width(without, judge.width)))
    by_d = float(w @ (np.abs(x) * slope_without))
    return mean, own_terms + own.influence @ np.append(by_mean, by_width) + by_d * d_moved


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
