"""What an audit is worth: a judge's scores of a pool beside humans' scores of some of it.

`Pool` puts the two ways of `ppi` under one name. How much the judge adds is itself an estimate: the
correlation r of human and judge scores and the gain, the variance of humans alone over that of
PPI++, get intervals by the jackknife over groups of prompts (Quenouille 1956; Wolter 2007, ch. 4),
on the scale of atanh r (Fisher 1921) and log gain. `Moments` are what a purchase is planned by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from pipelines.stats.intervals import (
    CAUTION_PROMPTS,
    FEWEST_PROMPTS,
    LEVEL,
    Interval,
    cluster_sums,
    ratio,
    smooth_interval,
)
from pipelines.stats.ppi import ppi_mean, routed_mean, without_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from pipelines.stats.ppi import PpiMean

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Mask = NDArray[np.bool_]

SHARE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
MOST_GROUPS = 50
NO_CORRELATION = "undefined: the scores of one of the two do not vary over prompts"
NO_GAIN = "undefined: without both intervals there is no gain"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Pool:
    """Scores in [0, 1] of n items: `human` (n,) is NaN where no human was asked, `judge` never.

    `clusters` (n,) are codes of prompts. `probability` (n,) of having been sent to humans, in
    [0, 1]; None: the items with human scores are a random part of all.
    """

    human: Floats
    judge: Floats
    clusters: Integers
    probability: Floats | None = None

    @property
    def asked(self) -> Mask:
        """Items (n,) with a human score."""
        return ~np.isnan(self.human)

    def restricted(self, items: Mask) -> Pool:
        """The pool of these items."""
        chance = None if self.probability is None else self.probability[items]
        return Pool(self.human[items], self.judge[items], self.clusters[items], chance)

    @property
    def drawn(self) -> int | None:
        """Prompts with an item that a human was asked about by chance; None: all of them are.

        What was sent for certain tells nothing of the items left over: these stand for them.
        """
        if self.probability is None or self.asked.all():
            return None
        return len(np.unique(self.clusters[self.asked & (self.probability < 1)]))

    def mean(self) -> PpiMean:
        """The mean human score, by humans alone and by PPI++."""
        if self.probability is not None:
            found = routed_mean(
                self.human, self.judge, self.clusters, self.probability, bounds=SHARE
            )
            known: dict[str, Any] = (
                {} if _enough(self.drawn) else {"correlation": None, "gain": None}
            )
            humans, mean = (by_drawn(each, self.drawn) for each in (found.humans, found.mean))
            return replace(found, humans=humans, mean=mean, **known)
        asked = self.asked
        return ppi_mean(
            self.human[asked], self.judge[asked], self.clusters[asked],
            self.judge[~asked], self.clusters[~asked], bounds=SHARE,
        )  # fmt: skip

    def judge_alone(self) -> Interval:
        """The mean judge score of all n items: what is known without any human."""
        columns = np.stack([self.judge, np.ones(len(self.judge))], axis=1)
        return smooth_interval(ratio, cluster_sums(columns, self.clusters), proportion=True)

    def difference(self) -> Interval:
        """Judge less human over the items with both, weighted as the mean is."""
        asked = self.asked
        weights = np.ones(asked.sum())
        if self.probability is not None:
            weights /= self.probability[asked]
        columns = np.stack([weights * (self.judge - self.human)[asked], weights], axis=1)
        sums = cluster_sums(columns, self.clusters[asked])
        return by_drawn(smooth_interval(ratio, sums, bounds=DIFFERENCE), self.drawn, DIFFERENCE)


def _enough(drawn: int | None) -> bool:
    return drawn is None or drawn >= FEWEST_PROMPTS


def by_drawn(found: Interval, drawn: int | None, bounds: tuple[float, float] = SHARE) -> Interval:
    """An interval with the degrees of freedom of the prompts drawn by chance.

    Nearly all of a routed pool's variance is theirs, however many others were sent for certain.
    """
    if drawn is None or found.estimate is None or found.low is None or found.high is None:
        return found
    if not _enough(drawn):
        few = f"too few prompts for an interval ({drawn} of {FEWEST_PROMPTS} drawn by chance)"
        return replace(found, low=None, high=None, note=few)
    wider = stdtrit(drawn - 1, 0.5 + LEVEL / 2) / stdtrit(found.n_prompts - 1, 0.5 + LEVEL / 2)
    low, high = (found.estimate + wider * (end - found.estimate) for end in (found.low, found.high))
    note = "few prompts: read with caution" if drawn < CAUTION_PROMPTS else found.note
    return replace(found, low=max(bounds[0], low), high=min(bounds[1], high), note=note)


def uncertainty(pool: Pool, found: PpiMean) -> tuple[Interval, Interval]:
    """Intervals of the correlation and of the gain that `pool.mean()` found."""
    asked, drawn = pool.asked, pool.drawn
    n = found.mean.n_prompts if drawn is None else drawn
    others, chance = ~asked, None
    if pool.probability is not None:
        others, chance = np.ones(len(asked), dtype=bool), pool.probability[asked]
    r, gain = without_groups(
        pool.human[asked], pool.judge[asked], pool.clusters[asked],
        pool.judge[others], pool.clusters[others],
        probability=chance, most_groups=MOST_GROUPS,
    )  # fmt: skip
    return (
        _jackknifed(found.correlation, r, n, np.arctanh, np.tanh, NO_CORRELATION),
        _jackknifed(found.gain, gain, n, np.log, np.exp, NO_GAIN),
    )


def _jackknifed(
    value: float | None, without: Floats, n_prompts: int,
    to: Callable[[Any], Any], back: Callable[[Any], Any], undefined: str,
) -> Interval:  # fmt: skip
    """A number's interval from those without each group (K,), on the scale `to`."""
    if value is None:
        return Interval(None, None, None, n_prompts, undefined)
    if n_prompts < FEWEST_PROMPTS:
        too_few = f"too few prompts for an interval ({n_prompts} of {FEWEST_PROMPTS})"
        return Interval(value, None, None, n_prompts, too_few)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, around = to(value), to(without)
    if not np.isfinite([centre, *around]).all():
        return Interval(value, None, None, n_prompts, "no interval: one prompt decides it")
    k = len(around)
    error = np.sqrt((k - 1) / k * ((around - around.mean()) ** 2).sum())
    half = float(stdtrit(k - 1, 0.5 + LEVEL / 2)) * error
    return Interval(value, float(back(centre - half)), float(back(centre + half)), n_prompts)


# planning


@dataclass(frozen=True, slots=True)
class Moments:
    """Variances of prompt scores and their correlation with its interval, from G prompts."""

    human_variance: float
    judge_variance: float
    correlation: Interval


def moments(pools: Sequence[Pool], prompts: Integers) -> Moments:
    """Of a prompt's part in the means, averaged over pools that share the labelled `prompts` (G,).

    A prompt's part in a mean over n items of G prompts is the sum of its items' distances from it,
    divided by n/G: the mean's variance is that of the parts over G. Only items with both scores
    count, each as much as any other; a prompt without such items has part 0.
    """
    products: Floats = np.mean([_products(pool, prompts) for pool in pools], axis=0)
    n = len(prompts)
    human, both, judge = products.sum(axis=0) / max(n - 1, 1)
    if min(human, judge) <= _ROUNDING:
        nothing = Interval(None, None, None, n, NO_CORRELATION)
        return Moments(float(human), float(judge), nothing)
    without = products.sum(axis=0) - products  # (G, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        others = without[:, 1] / np.sqrt(without[:, 0] * without[:, 2])
    value = float(np.clip(both / np.sqrt(human * judge), -1, 1))
    found = _jackknifed(value, others, n, np.arctanh, np.tanh, NO_CORRELATION)
    return Moments(float(human), float(judge), found)


def _products(pool: Pool, prompts: Integers) -> Floats:
    """(human^2, human judge, judge^2) of each prompt's parts (G, 3)."""
    asked = pool.asked
    place = np.searchsorted(prompts, pool.clusters[asked])
    per_prompt = asked.sum() / len(prompts)
    parts = [
        np.bincount(place, score[asked] - score[asked].mean(), len(prompts)) / per_prompt
        for score in (pool.human, pool.judge)
    ]
    return np.stack([parts[0] ** 2, parts[0] * parts[1], parts[1] ** 2], axis=1)


def most_gain(correlation: float) -> float:
    """1 / (1 - r^2): what human labels are worth beside a judge's of everything else there is."""
    left = 1 - max(0.0, correlation) ** 2
    return 1 / left if left > _ROUNDING else np.inf
