"""Population means from few human and many judge scores: PPI++ by prompt, and how many to buy.

Angelopoulos, Duchi & Zrnic 2023 (arXiv 2311.01453), for a mean. n items carry a human score Y and a
judge score f, N others f alone; both are samples of the same items. With lam to weigh the judge,

    theta = mean_n Y + lam D,   D = mean_N f - mean_n f,   lam = -Cov(mean_n Y, D) / Var(D)

cut to [0, 1]. The (co)variances are those of means over prompts drawn at random, so prompts in both
samples bring their cross terms, above the fraction as well as below; without such prompts lam is
Cov(mean_n Y, mean_n f) / (Var(mean_n f) + Var(mean_N f)). theta is a smooth function of prompt sums
and of sums of their products, lam included: one infinitesimal jackknife (intervals.py) gives an
interval that knows that lam is estimated. Its G, in G/(G-1) and in t with G - 1 degrees of freedom,
counts the prompts with human scores, as these limit what is known, however many the judge has seen.

Items that humans got with known probabilities weigh 1/probability, in ratios (Hajek 1971). The rest
of such a pool is no sample of it: `routed_mean` holds the labelled against the whole pool instead.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.intervals import (
    FEWEST_PROMPTS,
    Interval,
    cluster_sums,
    interval_from_influence,
)
from pipelines.stats.power import standard_error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Bounds = tuple[float, float]

UNBOUNDED = (-inf, inf)
NO_HUMANS = "undefined: no human labels"
NO_OTHERS = "undefined: no items with a judge score alone"
ONE_PROMPT = "undefined: one prompt does not show how human and judge scores go together"
CONSTANT = "undefined: the judge gives every item the same score"
NOT_APART = "undefined: the judge's means of both samples do not vary apart from each other"
NEVER_ASKED = "undefined: some items could not be sent to humans (probability 0)"
FREE_JUDGE = "a judge that costs nothing labels all there is: say how many prompts there are"
IMPOSSIBLE = (
    "budget, variances and the judge's cost must be finite and not negative, "
    "the humans' cost positive, the correlation within -1 and 1"
)
_COLUMNS = 5
_STEP = 1e-30
_ROUNDING = 1e-12
_WHOLE = 1e-9  # a number of prompts that should be whole may end a digit below it


@dataclass(frozen=True, slots=True)
class PpiMean:
    """The mean human score by PPI++, and by humans alone, over the same population.

    `lam` is the judge's weight, `correlation` that of mean_n Y and mean_n f over prompts, `gain`
    the variance of humans alone over that of `mean`: n items are worth gain n. It may fall below 1,
    as lam must be estimated. None where undefined: `mean.note` says why.
    """

    mean: Interval
    humans: Interval
    n_human: int
    n_judge_only: int
    lam: float | None = None
    correlation: float | None = None
    gain: float | None = None

    @property
    def n_effective(self) -> float | None:
        """Items that humans alone would have to label for the same standard error."""
        return None if self.gain is None else self.gain * self.n_human


def ppi_mean(
    human: Floats,
    judge: Floats,
    clusters: Integers,
    others: Floats,
    other_clusters: Integers,
    *,
    probability: Floats | None = None,
    other_probability: Floats | None = None,
    lam: float | None = None,
    bounds: Bounds = UNBOUNDED,
) -> PpiMean:
    """PPI++ of finite scores (n,) of humans and judge and (N,) of the judge on others, by prompt.

    `clusters` (n,) and `other_clusters` (N,) are codes of prompts, a prompt having the same in
    both. Probabilities in (0, 1] of being in the sample, (n,) and (N,); None: the same for all.
    `lam` None is tuned. All is cut to `bounds`, the values a mean can have.
    """
    shift = float(human.mean()) if len(human) else 0.0  # squares of large scores lose digits
    sums = _prompt_sums(
        (human - shift, judge, clusters, _weights(probability, len(human))),
        (others, other_clusters, _weights(other_probability, len(others))),
    )
    by_humans = _interval(lambda totals: _mean(totals, 0.0), sums, shift, NO_HUMANS)
    known = PpiMean(by_humans, _cut(by_humans, bounds), len(human), len(others))
    why = _undefined(sums, known, np.concatenate([judge, others]), tuned=lam is None)
    if why is not None:
        return replace(known, mean=Interval(None, None, None, by_humans.n_prompts, why))
    mean = _interval(lambda totals: _mean(totals, lam), sums, shift, NO_OTHERS)
    totals = np.ones(len(sums)) @ sums
    return replace(
        known,
        mean=_cut(mean, bounds),
        lam=float(_tuned(totals)) if lam is None else lam,
        correlation=_correlation(totals),
        gain=_gain(by_humans, mean),
    )


def routed_mean(
    human: Floats,
    judge: Floats,
    clusters: Integers,
    probability: Floats,
    *,
    lam: float | None = None,
    bounds: Bounds = UNBOUNDED,
) -> PpiMean:
    """`ppi_mean` of a pool (n,) that a router sent to humans with known probabilities (n,).

    `human` is NaN where it did not. Every item must have had a chance. The labelled items, weighted
    by 1/probability, are held against all n: those left over are what the router found easy.
    """
    asked = ~np.isnan(human)
    left = int((~asked).sum())
    if (probability <= 0).any():
        nothing = Interval(None, None, None, 0, NEVER_ASKED)
        return PpiMean(nothing, nothing, len(human) - left, left)
    pool = slice(None if left else 0)
    found = ppi_mean(
        human[asked], judge[asked], clusters[asked], judge[pool], clusters[pool],
        probability=probability[asked], lam=lam, bounds=bounds,
    )  # fmt: skip
    return replace(found, n_judge_only=left)


def without_groups(
    human: Floats,
    judge: Floats,
    clusters: Integers,
    others: Floats,
    other_clusters: Integers,
    *,
    probability: Floats | None = None,
    most_groups: int,
) -> Floats:
    """(correlation, gain) of `ppi_mean` without each of K groups of prompts, (2, K); NaN undefined.

    As many groups as there are prompts with human scores, or `most_groups`; these and the other
    prompts are dealt to them in turn.
    """
    shift = human.mean() if len(human) else 0.0
    sums = _prompt_sums(
        (human - shift, judge, clusters, _weights(probability, len(human))),
        (others, other_clusters, _weights(None, len(others))),
    )
    labelled = sums[:, 0] > 0
    n_groups = min(most_groups, int(labelled.sum()))
    if not n_groups or not len(others):
        return np.full((2, n_groups), np.nan)
    group = np.zeros(len(sums), dtype=int)
    for part in (labelled, ~labelled):
        group[part] = np.arange(part.sum()) % n_groups
    totals = (sums.sum(axis=0) - cluster_sums(sums, group)).T
    kept = group[:, None] != np.arange(n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_human, of_judge, _ = _influences(totals)
        spread = _product(of_human, totals, of_human) * _product(of_judge, totals, of_judge)
        r = _product(of_human, totals, of_judge) / np.sqrt(spread)
        alone, both = (_variances(sums, totals, kept, lam) for lam in (0.0, None))
        return np.stack([r, alone / both])


def _variances(sums: Floats, totals: Floats, kept: NDArray[np.bool_], lam: float | None) -> Floats:
    """Of theta over the prompts that are `kept` (G, K), but for a factor, from totals (k, K)."""
    steps = totals[:, None] + _STEP * 1j * np.eye(len(totals))[:, :, None]
    influence = sums @ (np.imag(_mean(steps, lam)) / _STEP)
    mean = (influence * kept).sum(axis=0) / kept.sum(axis=0)
    found: Floats = ((influence - mean) ** 2 * kept).sum(axis=0)
    return found


def effective_n(n: float, others: float, correlation: float) -> float:
    """Human labels that n of them are worth with `others` judge scores beside: independent items.

    n (n + N) / (n + (1 - r^2) N), r their correlation: what lam = r sd(Y)/sd(f) N/(n + N) leaves of
    the variance (uncut). At most n / (1 - r^2).
    """
    return n * (n + others) / (n + (1 - correlation * correlation) * others)


# how many to buy


@dataclass(frozen=True, slots=True)
class Prices:
    """What one more prompt costs and tells: variances of the scores' prompt means."""

    human_usd: float
    judge_usd: float
    human_variance: float
    judge_variance: float
    correlation: float

    @property
    def both_usd(self) -> float:
        """A human score comes with a judge's."""
        return self.human_usd + self.judge_usd

    @property
    def covariance(self) -> float:
        """Of a prompt's human and judge mean."""
        return self.correlation * sqrt(self.human_variance * self.judge_variance)

    def variance(self, n: Floats, others: Floats) -> tuple[Floats, Floats]:
        """Variance of theta at its best lam in [0, 1], and that lam, for arrays of prompts."""
        lam = np.clip(self.covariance / self.judge_variance * others / (n + others), 0, 1)
        both = self.human_variance - 2 * lam * self.covariance + lam**2 * self.judge_variance
        return both / n + lam**2 * self.judge_variance / others, lam


@dataclass(frozen=True, slots=True)
class Allocation:
    """Prompts to buy with both scores and with the judge's alone, and the variances to expect."""

    n_human: int
    n_judge_only: int
    lam: float
    variance: float
    human_only_variance: float

    @property
    def gain(self) -> float:
        """Variance of humans alone for the same budget over this one; 1 where that is the best."""
        return self.human_only_variance / self.variance


def optimal_allocation(
    budget_usd: float,
    prices: Prices,
    *,
    available: int | None = None,
    fewest: int = FEWEST_PROMPTS,
) -> tuple[Allocation | None, str | None]:
    """The n and N of least variance for a budget, in prompts; None and why where there are none.

    With r the correlation, V the humans' variance, h and a the costs, m = n + N, and lam at its
    best, the variance is V [(1 - r^2)/n + r^2/m] and the cost h n + a m. By Cauchy-Schwarz

        n = B sqrt((1 - r^2)/h) / s,  m = B sqrt(r^2/a) / s,  s = sqrt(h (1 - r^2)) + sqrt(a r^2)

    (double sampling: Cochran 1977, 12.7), variance V s^2 / B against V h / B by humans alone, who
    need no judge: they win where s^2 >= h, the judge being worthless or dear. Where that lam would
    exceed 1, the variance is Var(Y - f)/n + Var(f)/N at costs h + a and a, solved alike. On the
    line that the budget draws the variance is convex, so bounds hold where they are passed: at
    least `fewest` with human scores, as the judge must be checked, and at most `available` in all.
    """
    if not _possible(budget_usd, prices):
        return None, IMPOSSIBLE
    most = min(_whole(budget_usd / prices.human_usd), inf if available is None else available)
    if most < fewest:
        return None, f"the budget or the pool has {most:.0f} prompts for humans, of {fewest} needed"
    variance = prices.human_variance / most
    humans = Allocation(int(most), 0, 0.0, variance, variance)
    if prices.correlation <= _ROUNDING or not prices.judge_variance or not prices.human_variance:
        return humans, None
    if prices.judge_usd == 0 and available is None:
        return None, FREE_JUDGE
    n, others = _candidates(budget_usd, prices, inf if available is None else available, fewest)
    if not len(n):
        return humans, None
    variances, lams = prices.variance(n, others)
    best = int(np.argmin(variances))
    if variances[best] >= variance:
        return humans, None
    found = Allocation(
        int(n[best]), int(others[best]), float(lams[best]), float(variances[best]), variance
    )
    return found, None


def _possible(budget: float, prices: Prices) -> bool:
    costs = prices.human_usd > 0 and prices.judge_usd >= 0 and budget >= 0
    variances = prices.human_variance >= 0 and prices.judge_variance >= 0
    finite = np.isfinite([budget, *astuple(prices)]).all()
    return bool(costs and variances and finite and abs(prices.correlation) <= 1)


def _whole(number: Any) -> Any:
    return np.floor(number * (1 + _WHOLE))


def _candidates(
    budget: float, prices: Prices, available: float, fewest: int
) -> tuple[Floats, Floats]:
    """Whole n around the best real one, with the N that the rest of the budget buys (k,), (k,).

    Rounding N down loses less than one prompt of the judge's: a variance that a shift of n by more
    than sqrt(N) a/(h + a) loses too.
    """
    centre = max(_best_real(budget, prices), fewest)
    if np.isfinite(available):
        centre = max(centre, (budget - prices.judge_usd * available) / prices.human_usd)
    rest = max(0.0, budget - centre * prices.both_usd)
    width = ceil(sqrt(rest * prices.judge_usd) / prices.both_usd) + 2
    n = np.arange(max(fewest, int(centre) - width), int(centre) + width + 1, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = _whole((budget - n * prices.both_usd) / prices.judge_usd)
    affordable = n * prices.both_usd <= budget * (1 + _WHOLE)
    others = np.where(affordable, np.minimum(np.nan_to_num(left, nan=inf), available - n), 0.0)
    return n[others >= 1], others[others >= 1]


def _best_real(budget: float, prices: Prices) -> float:
    """The n of the closed forms, not yet whole nor within any bounds."""
    h, a, r2 = prices.human_usd, prices.judge_usd, prices.correlation**2
    alone, shared = sqrt((1 - r2) / h), sqrt(a * r2)
    share = sqrt(a * (1 - r2) / (h * r2))  # n / m
    if prices.covariance * (1 - share) > prices.judge_variance:
        rest = prices.human_variance - 2 * prices.covariance + prices.judge_variance
        h, shared = prices.both_usd, sqrt(a * prices.judge_variance)
        alone = sqrt(max(0.0, rest) / h)
    spent = h * alone + shared
    return budget * alone / spent if spent else 0.0


# sums over prompts


def _weights(probability: Floats | None, n: int) -> Floats:
    return np.ones(n) if probability is None else 1 / probability


def _prompt_sums(
    labelled: tuple[Floats, Floats, Integers, Floats], others: tuple[Floats, Integers, Floats]
) -> Floats:
    """(w, wY, wf, v, vf) by prompt and all products of two of them, (G, 5 + 25)."""
    human, judge, clusters, w = labelled
    other, other_clusters, v = others
    centre = np.concatenate([judge, other]).mean() if len(judge) + len(other) else 0.0
    columns = np.zeros((len(human) + len(other), _COLUMNS))
    columns[: len(human), :3] = np.stack([w, w * human, w * (judge - centre)], axis=1)
    columns[len(human) :, 3:] = np.stack([v, v * (other - centre)], axis=1)
    sums = cluster_sums(columns, np.concatenate([clusters, other_clusters]))
    products = (sums[:, :, None] * sums[:, None, :]).reshape(len(sums), _COLUMNS**2)
    return np.concatenate([sums, products], axis=1)


def _mean(totals: NDArray[Any], lam: float | None) -> Any:
    """Theta from the totals of `_prompt_sums`; with lam 0 the humans' mean, whatever the judge."""
    w, wy, wf, v, vf = totals[:_COLUMNS]
    if lam == 0:
        return wy / w
    return wy / w + (_tuned(totals) if lam is None else lam) * (vf / v - wf / w)


def _tuned(totals: NDArray[Any]) -> Any:
    """Lam from the totals (30, ...), cut to [0, 1]; accepts complex numbers."""
    human, judge, other = _influences(totals)
    apart = other - judge
    lam = -_product(human, totals, apart) / _product(apart, totals, apart)
    return np.where(np.real(lam) < 0, 0, np.where(np.real(lam) > 1, 1, lam))


def _product(one: NDArray[Any], totals: NDArray[Any], other: NDArray[Any]) -> Any:
    """Sum over prompts of the products of two influences, from their gradients (5, ...)."""
    products = totals[_COLUMNS:].reshape(_COLUMNS, _COLUMNS, *totals.shape[1:])
    if totals.ndim == 1:  # many times faster
        return one @ products @ other
    return (one * (products * other).sum(axis=1)).sum(axis=0)


def _influences(totals: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Gradients (5, ...) of mean_n Y, mean_n f, mean_N f: times a prompt's sums its influence."""
    w, wy, wf, v, vf = totals[:_COLUMNS]
    none = w * 0
    return (
        np.array([-wy / w**2, 1 / w, none, none, none]),
        np.array([-wf / w**2, none, 1 / w, none, none]),
        np.array([none, none, none, -vf / v**2, 1 / v]),
    )


def _interval(
    function: Callable[[NDArray[Any]], Any], sums: Floats, shift: float, undefined: str
) -> Interval:
    """Shift plus the function of the totals, where only G prompts with human scores count."""
    n_prompts = int((sums[:, 0] > 0).sum())
    if not n_prompts:
        return Interval(None, None, None, 0, undefined)

    def influence(gradient: Floats) -> Floats:
        of_all, of_labelled = (g / (g - 1) for g in (len(sums), n_prompts))
        return sqrt(of_labelled / of_all) * (sums @ gradient)

    totals = np.ones(len(sums)) @ sums
    return interval_from_influence(
        lambda t: shift + function(t), totals, influence, n_prompts, undefined=undefined
    )


def _undefined(sums: Floats, known: PpiMean, scores: Floats, *, tuned: bool) -> str | None:
    """Why there is no PPI++ mean; a lam that is given needs no variances."""
    if not known.n_human or not known.n_judge_only:
        return NO_OTHERS if known.n_human else NO_HUMANS
    if not tuned:
        return None
    if known.humans.n_prompts < 2:
        return ONE_PROMPT
    totals = np.ones(len(sums)) @ sums
    _, judge, other = _influences(totals)
    if np.ptp(scores) == 0:
        return CONSTANT
    return None if _variance(totals, other - judge) > _ROUNDING**2 else NOT_APART


def _variance(totals: Floats, gradient: Floats) -> float:
    return float(_product(gradient, totals, gradient))


def _correlation(totals: Floats) -> float | None:
    human, judge, _ = _influences(totals)
    of_human, of_judge = _variance(totals, human), _variance(totals, judge)
    if min(of_human, of_judge) <= _ROUNDING**2:
        return None
    return float(_product(human, totals, judge)) / sqrt(of_human * of_judge)


def _gain(humans: Interval, mean: Interval) -> float | None:
    alone, with_judge = standard_error_of(humans), standard_error_of(mean)
    return None if alone is None or with_judge is None else (alone / with_judge) ** 2


def _cut(interval: Interval, bounds: Bounds) -> Interval:
    low, at, high = (
        None if value is None else min(max(value, bounds[0]), bounds[1])
        for value in (interval.low, interval.estimate, interval.high)
    )
    return replace(interval, estimate=at, low=low, high=high)
