"""What a gate is: a statistic in many simulated worlds, and what must come out.

A gate's seed is the crc32 of its name: none is picked, and none may be changed to pass. It is added
by

    @gate("coverage: my statistic", world=CLUSTERED, truth=planted_value("my_statistic", "judge-1"))
    def my_statistic(data):
        columns = ...  # (n, k) from data.counts("judge-1"), data.human_counts(), ...
        return smooth_interval(function, cluster_sums(columns, data.prompt))

`truth` is a number, or a function of the world that gives (value, standard error of that value).
Where nobody has planted the statistic, `@cover` takes its value in one large independent draw as
the truth. A gate is of one of four kinds: the interval COVERS the truth in 95% of the worlds (exact
binomial bounds), or AT_LEAST in so many, the mean estimate RECOVERS the truth (normal bounds on the
mean over worlds), or the interval FAILS in more than a tenth of them, which shows that the gates
have teeth. With `within` a recovery is held to that bound as well, as far as chance lets it be
seen. All bounds are those of a 99.9% test of all gates together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from zlib import crc32

import numpy as np
from scipy.stats import binom, norm

from pipelines.simulation.draw import Simulated, simulate
from pipelines.simulation.planted import planted, truth_of
from pipelines.simulation.world import HUMAN, Source, World
from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval

WORLDS = 1000
NOMINAL = 0.95
ERROR = 0.001  # of all gates together
TEETH = 0.90  # what item-level intervals must stay below
LARGE_DRAW = 60_000  # prompts

# 60 prompts of 6 comparisons among 4 responses: comparisons of a prompt share responses, and with
# them what annotators get wrong. No lasting tastes: an exchangeable judge has gap 0 exactly.
CLUSTERED = World(
    n_prompts=60,
    comparisons_per_prompt=6,
    n_humans=5,
    humans_per_comparison=3,
    difficulty=1.0,
    response_errors=0.9,
    human=replace(HUMAN, noise=1.0, missing=0.1, position_bias=0.1),
    judges=(
        Source("judge-1", noise=0.8, position_bias=0.5, shared_errors=0.3, missing=0.05),
        Source("judge-2", noise=1.5, length_bias=0.6, position_bias=-0.3, shared_errors=0.3),
        Source("one more human", exchangeable=True),
    ),
)

Statistic = Callable[[Simulated], Interval]
Truth = Callable[[World], tuple[float, float]]


class Kind(StrEnum):
    """What a gate asks."""

    COVERS = "covers"
    AT_LEAST = "covers at least"
    RECOVERS = "recovers"
    FAILS = "fails to cover"


@dataclass(frozen=True, slots=True)
class Gate:
    """A statistic in worlds of one kind, and what must come out; `core` ones run in each test."""

    name: str
    world: World
    statistic: Statistic
    truth: float | Truth
    kind: Kind
    core: bool
    worlds: int = WORLDS  # at most: fewer where a world is large
    within: float | None = None  # how far off a recovery may be, in truth

    def seeded(self) -> World:
        """The gate's world, with the seed of its name."""
        return replace(self.world, seed=crc32(self.name.encode()))

    def true_value(self) -> tuple[float, float]:
        """The truth and its standard error."""
        if isinstance(self.truth, int | float):
            return float(self.truth), 0.0
        return self.truth(self.seeded())


@dataclass(frozen=True, slots=True)
class Row:
    """What a gate found. `observed` is a share of worlds, or the mean estimate less the truth."""

    name: str
    kind: Kind
    n_worlds: int
    nominal: float
    observed: float
    low: float
    high: float
    without: int  # worlds without an interval: they count as not covered

    @property
    def passed(self) -> bool:
        """Inside the bounds, ends included."""
        return self.low <= self.observed <= self.high


GATES: dict[str, Gate] = {}


def gate(
    name: str,
    *,
    world: World,
    truth: float | Truth,
    kind: Kind = Kind.COVERS,
    core: bool = True,
    worlds: int = WORLDS,
    within: float | None = None,
) -> Callable[[Statistic], Statistic]:
    """Register a function from a simulated draw to an interval."""

    def register(statistic: Statistic) -> Statistic:
        if name in GATES:
            raise ValueError(f"two gates are called {name!r}")
        GATES[name] = Gate(name, world, statistic, truth, kind, core, worlds, within)
        return statistic

    return register


def planted_value(statistic: str, subject: str, reference: str | None = None) -> Truth:
    """The truth that `planted` gives under these names."""

    def value(world: World) -> tuple[float, float]:
        found = truth_of(planted(world, LARGE_DRAW), statistic, subject, reference)
        return found.value, found.error

    return value


def by_large_draw(statistic: Statistic) -> Truth:
    """The statistic itself on one large draw that no world of a gate uses."""

    def value(world: World) -> tuple[float, float]:
        found = statistic(simulate(replace(world, n_prompts=LARGE_DRAW // 5), draw=10**9))
        return found.estimate, (found.high - found.low) / 2 / 1.96

    return value


def cover(
    name: str, *, world: World, kind: Kind = Kind.COVERS, core: bool = True
) -> Callable[[Statistic], Statistic]:
    """Register a gate of coverage whose truth is that of one large draw."""

    def register(statistic: Statistic) -> Statistic:
        truth = by_large_draw(statistic)
        return gate(f"coverage: {name}", world=world, truth=truth, kind=kind, core=core)(statistic)

    return register


def run_gate(each: Gate, n_worlds: int) -> Row:
    """One gate in `n_worlds` worlds, or as many as it takes at most."""
    n_worlds = min(n_worlds, each.worlds)
    truth, error = each.true_value()
    world = each.seeded()
    found = [each.statistic(simulate(world, draw)) for draw in range(n_worlds)]
    without = sum(interval.low is None for interval in found)
    if each.kind is Kind.RECOVERS:
        return _recovery(each, np.array([i.estimate for i in found], float), truth, error, without)
    hits = sum(i.low is not None and i.low <= truth <= i.high for i in found)
    low, high = coverage_bounds(n_worlds, len(GATES))
    low, high = {Kind.FAILS: (0.0, TEETH), Kind.AT_LEAST: (low, 1.0)}.get(each.kind, (low, high))
    return Row(each.name, each.kind, n_worlds, NOMINAL, hits / n_worlds, low, high, without)


def coverage_bounds(n_worlds: int, n_gates: int) -> tuple[float, float]:
    """Shares of worlds that a coverage of 95% leaves only once in 1,000, over all gates."""
    tail = ERROR / n_gates / 2
    counts = binom(n_worlds, NOMINAL)
    return float(counts.ppf(tail) / n_worlds), float(counts.isf(tail) / n_worlds)


def _recovery(each: Gate, estimates: np.ndarray, truth: float, error: float, without: int) -> Row:
    n = len(estimates)
    spread = np.hypot(estimates.std(ddof=1) / np.sqrt(n), error)
    if each.within is None:
        bound = float(norm.isf(ERROR / len(GATES) / 2) * spread)
    else:  # three standard errors, as no bias is the rule: a small one is let pass, and no larger
        bound = max(each.within, float(3 * spread))
    off = float(estimates.mean() - truth)
    return Row(each.name, each.kind, n, 0.0, off, -bound, bound, without)


def mean_interval(values: np.ndarray, items: np.ndarray, clusters: np.ndarray) -> Interval:
    """Mean of per-item values over `items`, clustered."""
    columns = np.stack([values[items], np.ones(items.sum())], axis=1)
    return smooth_interval(ratio, cluster_sums(columns, clusters[items]))


def text_of(row: Row) -> str:
    """A row of the table."""
    bounds = f"[{row.low:.4f}, {row.high:.4f}]"
    missing = f"  ({row.without} without an interval)" if row.without else ""
    verdict = "pass" if row.passed else "FAIL"
    return (
        f"{row.name:<52}{row.n_worlds:>7,}{row.nominal:>9.2f}{row.observed:>10.4f}"
        f"  {bounds:<19} {verdict}{missing}"
    )
