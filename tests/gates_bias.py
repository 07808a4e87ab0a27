"""Gates of L2, what a judge likes beyond quality: its size, its coverage, and the traps beside it.

The trap: a judge sharper than humans, with no liking for length, where length goes with quality.
It must not be called biased at any size of data; two usual analyses of the same data do call it so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.sections.features import FLOOR, limits_of
from pipelines.simulation.draw import class_probabilities, draw_items, stream
from pipelines.simulation.world import HUMAN, Noise, Source, World
from pipelines.stats.adjusted import adjusted
from pipelines.stats.agreement import A, B, shares
from pipelines.stats.features import scaled
from pipelines.stats.intervals import (
    Interval,
    cluster_sums,
    smooth_interval,
)
from tests.gating import Kind, gate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.simulation.draw import Simulated

    Floats = NDArray[np.float64]

LARGE = 200_000
JUDGE = "judge-1"
SHARP = Source(JUDGE, noise=0.25)
TRAP = World(
    n_prompts=600,
    comparisons_per_prompt=1,
    n_humans=4,
    humans_per_comparison=4,
    models=(0.0, 0.0),
    response_spread=0.7071,
    difficulty=0.0,
    length_effect=0.6,
    noise=Noise.PROBIT,
    human=replace(HUMAN, noise=1.0),
    judges=(SHARP,),
)
# Comparisons of a prompt share responses and their errors; the judge likes length and the first.
CLUSTERED = replace(
    TRAP,
    n_prompts=200,
    comparisons_per_prompt=3,
    models=(0.0, 0.0, 0.0),
    response_errors=0.9,
    judges=(replace(SHARP, noise=0.8, length_bias=0.4, position_bias=0.4),),
)
# Not normal: hard and easy prompts, logistic errors, models that differ.
ODD = replace(
    TRAP, n_prompts=20_000, models=(0.0, 0.7), difficulty=0.7, noise=Noise.LOGISTIC,
)  # fmt: skip


def adjusted_length(data: Simulated) -> Interval:
    """The L2 figure of length; the judge's two orders are labels of its own."""
    x = scaled(np.stack([data.items.length, data.items.style], axis=1))
    judge = np.concatenate([data.counts_by_order(JUDGE), np.zeros((1, *x.shape[:1], 3))])
    found, _ = adjusted(x, data.human_counts(), judge, data.prompt)
    if found is None:  # humans agree too little in this world: nothing is said, and nothing wrong
        return Interval(0.0, -1.0, 1.0, len(x))
    return limits_of(found, 0)


def called(data: Simulated) -> Interval:
    """What the report goes by: biased where the interval is clear of the floor."""
    found = adjusted_length(data)
    return replace(found, low=found.low - FLOOR, high=found.high + FLOOR)


def without_liking(world: World) -> tuple[float, float]:
    """How much more often the judge chooses the longer response than without its liking."""
    large = replace(world, n_prompts=LARGE, comparisons_per_prompt=1)
    items, _ = draw_items(large, stream(world, 9))
    plain = replace(large, judges=(replace(large.judges[0], length_bias=0.0),))
    chosen = [
        np.mean([score(each, items, order) for order in (0, 1)], axis=0) for each in (large, plain)
    ]
    values = np.sign(items.length) * (chosen[0] - chosen[1])
    return float(values.mean()), float(values.std() / np.sqrt(LARGE))


def score(world: World, items, order: int) -> Floats:
    """P(a) with ties half."""
    found = class_probabilities(world, world.n_humans, items, order)
    return (1 + found[:, A] - found[:, B]) / 2


COVERAGE = {
    "sharp judge without liking": TRAP,
    "two humans": replace(TRAP, n_humans=2, humans_per_comparison=2),
    "humans who agree little": replace(TRAP, response_spread=0.4, n_prompts=1000),
    "dull judge": replace(TRAP, judges=(replace(SHARP, noise=3.0),)),
    "clusters, liking, position": CLUSTERED,
}
for name, world in COVERAGE.items():
    gate(f"coverage: L2, {name}", world=world, truth=without_liking,
         core=name.startswith(("sharp", "clusters")))(adjusted_length)  # fmt: skip

for n, worlds in ((600, 1000), (3_000, 400), (20_000, 100), (100_000, 30)):
    for effect in (0.0, 0.3, 0.6):
        for humans in (2, 4):
            gate(
                f"not called: n = {n:,}, effect {effect}, {humans} humans",
                world=replace(TRAP, n_prompts=n, length_effect=effect, n_humans=humans,
                              humans_per_comparison=humans),
                truth=0.0, kind=Kind.AT_LEAST, core=False, worlds=worlds,
            )(called)  # fmt: skip

for name, world in {
    "not normal": ODD,
    "not normal, 2 humans": replace(ODD, n_humans=2, humans_per_comparison=2),
    "lasting tastes": replace(ODD, human=replace(HUMAN, taste=0.5)),
}.items():
    gate(f"not called: {name}", world=world, truth=0.0, kind=Kind.AT_LEAST, core=False,
         worlds=100)(called)  # fmt: skip

BIG = replace(TRAP, n_prompts=20_000)


@gate("trap: interaction of length and source", world=BIG, truth=0.0, kind=Kind.FAILS,
      core=False, worlds=100)  # fmt: skip
def interaction(data: Simulated) -> Interval:
    """The judge's slope on length less one human's (Allison 1999 says why it is no bias)."""
    x, judge, human = terms(data)
    columns = np.stack([x * judge, x * human[:, 0], x * x], axis=1)
    return smooth_interval(
        lambda totals: (totals[0] - totals[1]) / totals[2], cluster_sums(columns, data.prompt)
    )


@gate("trap: linear IV without a floor", world=BIG, truth=0.0, kind=Kind.FAILS, core=False,
      worlds=100)  # fmt: skip
def linear_iv(data: Simulated) -> Interval:
    """The judge's score on one half of the humans, instrumented by the other, and length."""
    x, judge, humans = terms(data)
    one, other = humans[:, :2].mean(axis=1), humans[:, 2:].mean(axis=1)
    columns = np.stack(
        [x * judge, x * x, one * other, other * judge, other * x, x * one, one * judge], axis=1
    )

    def slope(totals):
        xy, xx, zq, zy, zx, xq, qy = totals
        first = (zq * xy - xq * zy) / (zq * xx - zx * xq)
        second = (zq * xy - zx * qy) / (zq * xx - xq * zx)
        return (first + second) / 2

    return smooth_interval(slope, cluster_sums(columns, data.prompt))


def terms(data: Simulated) -> tuple[Floats, Floats, Floats]:
    """Length difference (n,), the judge's mean score (n,) and each human's (n, humans)."""
    labels = data.labels[: data.world.n_humans].max(axis=1)  # one order each
    judge = shares(data.counts(JUDGE))
    return scaled(data.items.length[:, None])[:, 0], judge[:, A] - judge[:, B], 1.0 - labels.T
