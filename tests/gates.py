"""Gates: do the 95% intervals cover the planted truth, in how many of 1,000 simulated worlds?

Run: make gates   (or python -m tests.gates [--worlds 1000] [--only WORD])

What a gate is, and how one is added, stands in `gating`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

import tests.gates_beyond_agreement
import tests.gates_bias
import tests.gates_strategy  # noqa: F401  (their gates are added)
from pipelines.simulation.planted import planted, truth_of
from pipelines.stats.agreement import (
    A,
    agreement_with_one,
    cohen_kappa,
    confusion,
    majority_by_mode,
    pair_agreement,
    share_of,
    shares,
    total,
)
from pipelines.stats.features import richer_counts
from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval
from pipelines.stats.position import first_shown_counts, swapped_effect
from tests.gating import (
    CLUSTERED,
    GATES,
    LARGE_DRAW,
    WORLDS,
    Kind,
    gate,
    mean_interval,
    planted_value,
    run_gate,
    text_of,
)

if TYPE_CHECKING:
    from pipelines.simulation.draw import Simulated
    from pipelines.simulation.world import World

PROBIT = replace(CLUSTERED, noise="probit", human=replace(CLUSTERED.human, taste=0.7))


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
    terms = swapped_effect(*data.counts_by_order("judge-2"))
    return mean_interval(terms, np.isfinite(terms), data.prompt)


@gate(
    "coverage: longer chosen share",
    world=CLUSTERED,
    truth=planted_value("longer_chosen_share", "judge-2"),
    core=False,
)
def longer_chosen_share(data: Simulated) -> Interval:
    longer = np.sign(data.items.length).astype(np.int8)
    columns = richer_counts(data.counts("judge-2"), longer)
    return smooth_interval(ratio, cluster_sums(columns, data.prompt))


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


if __name__ == "__main__":
    main()
