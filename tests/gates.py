"""Gates: do the 95% intervals cover the planted truth, in how many of 1,000 simulated worlds?

Run: make gates   (or python -m tests.gates [--worlds 1000] [--only WORD])

Each gate draws its worlds from a seed that is the crc32 of its name: none is picked, and none may
be changed to pass. A gate is added by

    @gate("coverage: my statistic", world=CLUSTERED, truth=planted_value("my_statistic", "judge-1"))
    def my_statistic(data):
        columns = ...  # (n, k) from data.counts("judge-1"), data.human_counts(), ...
        return smooth_interval(function, cluster_sums(columns, data.prompt))

`truth` is a number, or a function of the world that gives (value, standard error of that value).
Where nobody has planted the statistic, `by_large_draw(function)` takes its value in one
large independent draw. A gate is of one of three kinds: the interval COVERS the truth in 95% of the
worlds (exact binomial bounds), the mean estimate RECOVERS the truth (normal bounds on the mean over
worlds), or the interval FAILS in more than a tenth of them, which shows that the gates have teeth.
All bounds are those of a 99.9% test of all gates together (Bonferroni).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from zlib import crc32

import numpy as np
from scipy.stats import binom, norm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.simulation.draw import Simulated, simulate  # noqa: E402
from pipelines.simulation.planted import planted, truth_of  # noqa: E402
from pipelines.simulation.world import HUMAN, Source, World  # noqa: E402
from pipelines.stats.agreement import (  # noqa: E402
    A,
    B,
    agreement_with_one,
    cohen_kappa,
    confusion,
    majority_by_mode,
    pair_agreement,
    share_of,
    shares,
    total,
)
from pipelines.stats.intervals import (  # noqa: E402
    Interval,
    cluster_sums,
    ratio,
    smooth_interval,
)
from pipelines.stats.position import first_shown_counts  # noqa: E402

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
PROBIT = replace(CLUSTERED, noise="probit", human=replace(CLUSTERED.human, taste=0.7))

Statistic = Callable[[Simulated], Interval]
Truth = Callable[[World], tuple[float, float]]


class Kind(StrEnum):
    """What a gate asks."""

    COVERS = "covers"
    RECOVERS = "recovers"
    FAILS = "fails to cover"


@dataclass(frozen=True, slots=True)
class Gate:
    """A statistic in worlds of one kind, and what must come out."""

    name: str
    world: World
    statistic: Statistic
    truth: float | Truth
    kind: Kind

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
    name: str, *, world: World, truth: float | Truth, kind: Kind = Kind.COVERS
) -> Callable[[Statistic], Statistic]:
    """Register a function from a simulated draw to an interval."""

    def register(statistic: Statistic) -> Statistic:
        if name in GATES:
            raise ValueError(f"two gates are called {name!r}")
        GATES[name] = Gate(name, world, statistic, truth, kind)
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


def run(n_worlds: int = WORLDS, only: str = "") -> list[Row]:
    """Every gate whose name holds `only`; the bounds are those of all gates together."""
    return [run_gate(each, n_worlds) for each in GATES.values() if only in each.name]


def run_gate(each: Gate, n_worlds: int) -> Row:
    """One gate in `n_worlds` worlds."""
    truth, error = each.true_value()
    world = each.seeded()
    found = [each.statistic(simulate(world, draw)) for draw in range(n_worlds)]
    without = sum(interval.low is None for interval in found)
    if each.kind is Kind.RECOVERS:
        return _recovery(each, np.array([i.estimate for i in found], float), truth, error, without)
    hits = sum(i.low is not None and i.low <= truth <= i.high for i in found)
    low, high = (0.0, TEETH) if each.kind is Kind.FAILS else coverage_bounds(n_worlds, len(GATES))
    return Row(each.name, each.kind, n_worlds, NOMINAL, hits / n_worlds, low, high, without)


def coverage_bounds(n_worlds: int, n_gates: int) -> tuple[float, float]:
    """Shares of worlds that a coverage of 95% leaves only once in 1,000, over all gates."""
    tail = ERROR / n_gates / 2
    counts = binom(n_worlds, NOMINAL)
    return float(counts.ppf(tail) / n_worlds), float(counts.isf(tail) / n_worlds)


def _recovery(each: Gate, estimates: np.ndarray, truth: float, error: float, without: int) -> Row:
    n = len(estimates)
    spread = np.hypot(estimates.std(ddof=1) / np.sqrt(n), error)
    bound = float(norm.isf(ERROR / len(GATES) / 2) * spread)
    off = float(estimates.mean() - truth)
    return Row(each.name, each.kind, n, 0.0, off, -bound, bound, without)


def mean_interval(values: np.ndarray, items: np.ndarray, clusters: np.ndarray) -> Interval:
    """Mean of per-item values over `items`, clustered."""
    columns = np.stack([values[items], np.ones(items.sum())], axis=1)
    return smooth_interval(ratio, cluster_sums(columns, clusters[items]))


# ---- The gates


def agreement_terms(data: Simulated, judge: str) -> np.ndarray:
    """P(agree with one human) per item; NaN without two humans or without the judge."""
    humans = data.human_counts()
    terms = agreement_with_one(shares(data.counts(judge)), humans)
    return np.where(total(humans) >= 2, terms, np.nan)


def agreement_interval(data: Simulated, judge: str, clusters: np.ndarray) -> Interval:
    """Single-human agreement."""
    terms = agreement_terms(data, judge)
    return mean_interval(terms, np.isfinite(terms), clusters)


def gap_interval(data: Simulated, judge: str, clusters: np.ndarray) -> Interval:
    """Agreement with one human, less that of another human."""
    terms = agreement_terms(data, judge) - pair_agreement(data.human_counts())
    return mean_interval(terms, np.isfinite(terms), clusters)


AGREEMENT = planted_value("single_human_agreement", "judge-1")


@gate("coverage: single-human agreement", world=CLUSTERED, truth=AGREEMENT)
@gate("coverage: single-human agreement, probit, tastes", world=PROBIT, truth=AGREEMENT)
@gate("recovery: single-human agreement", world=CLUSTERED, truth=AGREEMENT, kind=Kind.RECOVERS)
def single_human_agreement(data: Simulated) -> Interval:
    return agreement_interval(data, "judge-1", data.prompt)


@gate("teeth: single-human agreement by item", world=CLUSTERED, truth=AGREEMENT, kind=Kind.FAILS)
def agreement_by_item(data: Simulated) -> Interval:
    return agreement_interval(data, "judge-1", np.arange(data.items.n))


@gate(
    "coverage: human ceiling",
    world=CLUSTERED,
    truth=planted_value("single_human_agreement", "human ceiling"),
)
def ceiling(data: Simulated) -> Interval:
    terms = pair_agreement(data.human_counts())
    return mean_interval(terms, np.isfinite(terms), data.prompt)


@gate("coverage: gap of an exchangeable judge", world=CLUSTERED, truth=0.0)
@gate("recovery: gap of an exchangeable judge", world=CLUSTERED, truth=0.0, kind=Kind.RECOVERS)
def exchangeable_gap(data: Simulated) -> Interval:
    return gap_interval(data, "one more human", data.prompt)


@gate("coverage: gap", world=PROBIT, truth=planted_value("gap", "judge-2"))
def gap(data: Simulated) -> Interval:
    return gap_interval(data, "judge-2", data.prompt)


@gate(
    "coverage: majority agreement",
    world=CLUSTERED,
    truth=planted_value("majority_agreement", "judge-1"),
)
def majority_agreement(data: Simulated) -> Interval:
    majority = majority_by_mode(data.human_counts())
    terms = share_of(shares(data.counts("judge-1")), majority)
    return mean_interval(terms, np.isfinite(terms) & (majority >= 0), data.prompt)


@gate(
    "coverage: cohen_kappa with one human",
    world=CLUSTERED,
    truth=planted_value("cohen_kappa", "judge-2"),
)
def kappa(data: Simulated) -> Interval:
    mine, humans = shares(data.counts("judge-2")), data.human_counts()
    items = np.isfinite(mine[:, A]) & (total(humans) > 0)
    cells = confusion(mine[items], shares(humans[items]))
    return smooth_interval(cohen_kappa, cluster_sums(cells, data.prompt[items]))


def true_difference(world: World) -> tuple[float, float]:
    truths = planted(world, LARGE_DRAW)
    one, other = (truth_of(truths, "single_human_agreement", f"judge-{k}") for k in (1, 2))
    return one.value - other.value, float(np.hypot(one.error, other.error))


@gate("coverage: agreement difference of two judges", world=CLUSTERED, truth=true_difference)
def agreement_difference(data: Simulated) -> Interval:
    terms = agreement_terms(data, "judge-1") - agreement_terms(data, "judge-2")
    return mean_interval(terms, np.isfinite(terms), data.prompt)


FIRST = planted_value("first_shown_share", "judge-1")


@gate("coverage: first shown share", world=CLUSTERED, truth=FIRST)
@gate("recovery: first shown share", world=CLUSTERED, truth=FIRST, kind=Kind.RECOVERS)
def first_shown_share(data: Simulated) -> Interval:
    columns = first_shown_counts(*data.counts_by_order("judge-1"))
    return smooth_interval(ratio, cluster_sums(columns, data.prompt))


DELTA = planted_value("position_delta", "judge-2")


@gate("coverage: position delta", world=CLUSTERED, truth=DELTA)
@gate("recovery: position delta", world=CLUSTERED, truth=DELTA, kind=Kind.RECOVERS)
def position_delta(data: Simulated) -> Interval:
    """Mean of (s_1 + s_2)/2 - 1/2 over swapped pairs; s is 1 for first, 1/2 tie, 0 second."""
    ab, ba = data.counts_by_order("judge-2")
    terms = (ab[:, A] + ba[:, B] - ab[:, B] - ba[:, A]) / 4
    return mean_interval(terms, (total(ab) > 0) & (total(ba) > 0), data.prompt)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--only", default="", help="gates whose name holds this word")
    given = parser.parse_args()
    start = perf_counter()
    rows = []
    sys.stdout.write(f"{'gate':<52}{'worlds':>7}{'nominal':>9}{'observed':>10}  bounds\n")
    for each in GATES.values():
        if given.only in each.name:
            row = run_gate(each, given.worlds)
            rows.append(row)
            sys.stdout.write(text_of(row) + "\n")
            sys.stdout.flush()
    failed = [row.name for row in rows if not row.passed]
    sys.stdout.write(f"{len(rows)} gates, {len(failed)} failed, {perf_counter() - start:.0f} s\n")
    sys.exit(1 if failed or not rows else 0)


def text_of(row: Row) -> str:
    """A row of the table."""
    bounds = f"[{row.low:.4f}, {row.high:.4f}]"
    missing = f"  ({row.without} without an interval)" if row.without else ""
    verdict = "pass" if row.passed else "FAIL"
    return (
        f"{row.name:<52}{row.n_worlds:>7,}{row.nominal:>9.2f}{row.observed:>10.4f}"
        f"  {bounds:<19} {verdict}{missing}"
    )


if __name__ == "__main__":
    main()
