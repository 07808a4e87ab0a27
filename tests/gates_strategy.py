"""Gates of choosing a strategy: an honest figure, a set with the best in it, routing, audits."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pipelines.simulation.draw import simulate
from pipelines.simulation.world import Source
from pipelines.stats.agreement import TIE, A, agreement_with_one, pair_agreement, shares
from pipelines.stats.choosing import cross_chosen, may_be_best
from pipelines.stats.intervals import Interval, cluster_sums
from pipelines.stats.jury import error_columns, jury_correlation
from pipelines.stats.ppi import ppi_mean, routed_mean
from pipelines.stats.resampling import bootstrap
from pipelines.stats.routing import (
    certainty_score,
    disagreement_score,
    learned_score,
    new_score,
    sent_to_humans,
)
from tests.gating import CLUSTERED, Kind, cover, gate, mean_interval

if TYPE_CHECKING:
    from pipelines.simulation.draw import Simulated
    from pipelines.simulation.world import World

SHARE = 0.3  # of the comparisons to humans
# Four judges of whom three are equally good: which of seven strategies is best hangs on little.
LIKE = Source("judge-1", noise=1.0, shared_errors=0.3)
ALIKE = replace(
    CLUSTERED,
    n_prompts=100,
    comparisons_per_prompt=3,
    human=replace(CLUSTERED.human, missing=0.0),
    judges=(LIKE, replace(LIKE, name="judge-2"), replace(LIKE, name="judge-3"),
            replace(LIKE, name="judge-4", noise=1.3)),
)  # fmt: skip
# A judge that strays where answers differ in style, and says how certain it is.
STRAYING = replace(
    CLUSTERED,
    n_prompts=150,
    comparisons_per_prompt=4,
    human=replace(CLUSTERED.human, missing=0.0),
    judges=(
        Source("judge-1", noise=0.8, style_bias=1.2, confidence=0.7, orders="both"),
        Source("judge-2", noise=1.5),
    ),
)
# Three judges who share half of what they get wrong; the humans err on their own.
SHARING = replace(
    CLUSTERED,
    n_prompts=120,
    judges=tuple(Source(f"judge-{k}", noise=1.0, shared_errors=0.5) for k in (1, 2, 3)),
)
AUDITED = replace(
    CLUSTERED,
    n_prompts=120,
    comparisons_per_prompt=3,
    human=replace(CLUSTERED.human, missing=0.0),
    judges=(Source("judge-1", noise=0.8, length_bias=0.4),),
)


# Choosing


def qualities(data: Simulated) -> np.ndarray:
    """Quality (n, 7) of four judges, a jury of the first three, and two who are routed."""
    humans, names = data.human_counts(), [judge.name for judge in data.world.judges]
    judges = [shares(data.counts(name)) for name in names]
    alone = [agreement_with_one(judge, humans) for judge in judges]
    mean = np.round(np.mean([j[:, A] + j[:, TIE] / 2 for j in judges[:3]], axis=0), 12)
    jury = np.stack([mean > 0.5, mean == 0.5, mean < 0.5], axis=1).astype(float)
    one = pair_agreement(humans)
    routed = []
    for k, other in ((0, 1), (1, 2)):
        part, _ = sent_to_humans(disagreement_score(judges[k], judges[other]), 0.1)
        routed.append(part * one + (1 - part) * alone[k])
    return np.stack([*alone, agreement_with_one(jury, humans), *routed], axis=1)


@lru_cache(maxsize=4)
def true_qualities(world: World) -> np.ndarray:
    """Of one large draw."""
    return qualities(simulate(replace(world, n_prompts=20_000), draw=10**9)).mean(axis=0)


def highest(quality: np.ndarray, _: np.ndarray) -> int:
    return int(quality.argmax())


@gate("optimism: the recommended figure", world=ALIKE, truth=0.0, kind=Kind.RECOVERS, within=0.003)
def optimism(data: Simulated) -> Interval:
    """What was chosen looks better than it is by this, less what the whole draw is better by."""
    quality, truth = qualities(data), true_qualities(data.world)
    luck = (quality - truth).mean(axis=1)
    chosen = cross_chosen(quality, np.ones_like(quality), data.prompt, highest)
    terms = quality[np.arange(len(quality)), chosen] - truth[chosen] - luck
    return mean_interval(terms, np.isfinite(terms), data.prompt)


@gate("coverage: the recommended figure", world=ALIKE, truth=0.0)
def recommended(data: Simulated) -> Interval:
    """The interval around it holds the expected truth of what is chosen."""
    quality, truth = qualities(data), true_qualities(data.world)
    chosen = cross_chosen(quality, np.ones_like(quality), data.prompt, highest)
    terms = quality[np.arange(len(quality)), chosen] - truth[chosen]
    return mean_interval(terms, np.isfinite(terms), data.prompt)


@gate("coverage: the best is among the alike", world=ALIKE, truth=1.0, kind=Kind.AT_LEAST)
def alike(data: Simulated) -> Interval:
    """Of the three equal judges the first is a true best among judges: 1 where it is kept."""
    quality = qualities(data)[:, :4]
    sums = cluster_sums(np.column_stack([quality, np.ones(len(quality))]), data.prompt)
    replicates = bootstrap(lambda totals: totals[:, :-1] / totals[:, -1:], sums, replicates=1000)
    kept = float(may_be_best(quality.mean(axis=0), replicates)[0])
    return Interval(kept, kept - 0.5, kept + 0.5, len(sums))


# Routing


def routed_gain(data: Simulated) -> tuple[np.ndarray, np.ndarray]:
    """What a router sees (n, 4), and what a human adds to judge-1 (n,)."""
    humans = data.human_counts()
    one, other = (shares(data.counts(f"judge-{k}")) for k in (1, 2))
    stated = data.p_a[data.world.index("judge-1")].mean(axis=0)
    seen = np.stack([certainty_score(stated), disagreement_score(one, other),
                     np.abs(data.items.style), np.abs(data.items.length)], axis=1)  # fmt: skip
    return seen, pair_agreement(humans) - agreement_with_one(one, humans)


@lru_cache(maxsize=2)
def fresh(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Features and gain of comparisons that no world of the gate has."""
    return routed_gain(simulate(replace(world, n_prompts=2000), draw=10**9))


@gate(
    "recovery: a learned router on fresh data",
    world=STRAYING,
    truth=0.0,
    kind=Kind.RECOVERS,
    core=False,
    within=0.01,
)
def learned(data: Simulated) -> Interval:
    """What routing adds by the cross-fitted figure, less what the router adds on fresh data."""
    seen, gain = routed_gain(data)
    part, _ = sent_to_humans(learned_score(seen, gain, data.prompt), SHARE)
    others, their_gain = fresh(data.world)
    their_part, _ = sent_to_humans(new_score(seen, gain, others), SHARE)
    luck = gain.mean() - their_gain.mean()  # of the draw, whatever the router does
    terms = part * gain - SHARE * luck - (their_part * their_gain).mean()
    return mean_interval(terms, np.isfinite(terms), data.prompt)


# Juries


@cover("error correlation of a jury", world=SHARING, core=False)
def errors_in_common(data: Simulated) -> Interval:
    judges = [shares(data.counts(f"judge-{k}")) for k in (1, 2, 3)]
    columns = error_columns(judges, data.human_counts())
    known = np.isfinite(columns).all(axis=1)
    return jury_correlation(cluster_sums(columns[known], data.prompt[known]))


# Audits


def scores(data: Simulated) -> tuple[np.ndarray, np.ndarray]:
    """The first human label's score as share of one drawn (n,), and the judge's (n,)."""
    human, judge = (shares(c) for c in (data.human_counts(), data.counts("judge-1")))
    return human[:, A] + human[:, TIE] / 2, judge[:, A] + judge[:, TIE] / 2


@cover("audited mean, a third by humans", world=AUDITED)
def audited(data: Simulated) -> Interval:
    human, judge = scores(data)
    asked = data.prompt % 3 == 0
    return ppi_mean(
        human[asked], judge[asked], data.prompt[asked], judge[~asked], data.prompt[~asked]
    ).mean


@cover("routed mean, the uncertain more often", world=AUDITED)
def routed(data: Simulated) -> Interval:
    """Half of the comparisons on which the judge is split by order go to humans, of others .2."""
    human, judge = scores(data)
    probability = np.where(np.abs(judge - 0.5) < 0.3, 0.5, 0.2)
    drawn = np.random.default_rng([data.world.seed, data.draw % 2**31]).random(len(human))
    return routed_mean(
        np.where(drawn < probability, human, np.nan), judge, data.prompt, probability
    ).mean
