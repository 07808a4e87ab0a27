"""Gates of chance-corrected agreement, calibration, consistency, replacement, ranking, slices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.panel import Panel, Who
from pipelines.sections.agreement import agreement_rows
from pipelines.sections.view import Rules, View
from pipelines.simulation.draw import MISSING, UNASKED
from pipelines.simulation.world import Source
from pipelines.slices import simultaneous, slice_codes
from pipelines.stats.agreement import A, confusion, shares, total
from pipelines.stats.calibration import (
    calibration_errors,
    excess_brier,
    log_loss_columns,
    slope_interval,
)
from pipelines.stats.chance import (
    coincidences,
    gwet_ac1,
    symmetrised,
    symmetrised_alpha,
    symmetrised_pi,
)
from pipelines.stats.consistency import flip, repeat_agreement, reversal
from pipelines.stats.equivalence import human_equivalence
from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval
from pipelines.stats.leave_one_out import judge_with_others
from pipelines.stats.ranking import (
    kendall_tau_b,
    model_points,
    ranking,
    reversals,
    win_counts,
)
from pipelines.stats.replacement import replacement
from pipelines.stats.resampling import percentile_interval
from tests.gating import CLUSTERED, Kind, cover, gate, mean_interval, planted_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.estimates import Estimate
    from pipelines.simulation.draw import Simulated
    from pipelines.stats.intervals import Function
    from tests.gating import Statistic

# Five humans, of whom two in five are missing: 0 to 5 labels an item.
SPARSE = replace(
    CLUSTERED, humans_per_comparison=5, human=replace(CLUSTERED.human, missing=0.4), judges=()
)
STATED = replace(CLUSTERED, judges=(replace(CLUSTERED.judges[0], confidence=0.7),))
# One judge asked twice in each order: what the two have in common does not change when asked again.
ASKED = Source("asked once", noise=0.8, position_bias=0.5, shared_errors=0.6, missing=0.1)
REPEATED = replace(CLUSTERED, judges=(ASKED, replace(ASKED, name="asked again")))
CROWD = replace(
    CLUSTERED,
    n_humans=6,
    humans_per_comparison=6,
    human=replace(CLUSTERED.human, missing=0.0),
    judges=CLUSTERED.judges[:1],
)
RANKED = replace(
    CLUSTERED,
    n_prompts=150,
    models=tuple(np.linspace(-0.6, 0.6, 8)),
    judges=(Source("judge-1", noise=0.8),),
)
# The categories, of 50 prompts or so each, differ in nothing.
SLICED = replace(
    CLUSTERED,
    n_prompts=200,
    comparisons_per_prompt=3,
    categories=("facts", "writing", "code", "chat"),
    judges=CLUSTERED.judges[:1],
)


# Beyond chance


def beyond_chance(coefficient: Function) -> Statistic:
    """A coefficient of judge-1 and one human."""

    def interval(data: Simulated) -> Interval:
        mine, humans = shares(data.counts("judge-1")), data.human_counts()
        items = np.isfinite(mine[:, A]) & (total(humans) > 0)
        cells = symmetrised(confusion(mine[items], shares(humans[items])))
        return smooth_interval(coefficient, cluster_sums(cells, data.prompt[items]))

    return interval


cover("symmetrised_pi with one human", world=CLUSTERED)(beyond_chance(symmetrised_pi))
cover("gwet_ac1 with one human", world=CLUSTERED, core=False)(beyond_chance(gwet_ac1))


@cover("krippendorff_alpha, missing labels", world=SPARSE)
def among_humans(data: Simulated) -> Interval:
    humans = data.human_counts()
    items = total(humans) >= 2
    cells = symmetrised(coincidences(humans[items]))
    return smooth_interval(symmetrised_alpha, cluster_sums(cells, data.prompt[items]))


# Stated probabilities


def stated(data: Simulated) -> np.ndarray:
    """The mean P(a preferred) that judge-1 states, per item; NaN where it states none."""
    p = data.p_a[data.world.index("judge-1")]
    with np.errstate(invalid="ignore"):
        return np.nansum(p, axis=0) / np.isfinite(p).sum(axis=0)


@cover("excess_brier", world=STATED)
def excess(data: Simulated) -> Interval:
    terms = excess_brier(stated(data), data.human_counts())
    return mean_interval(terms, np.isfinite(terms), data.prompt)


@cover("log_loss", world=STATED, core=False)
def log_loss(data: Simulated) -> Interval:
    p = stated(data)
    items = np.isfinite(p)
    columns = log_loss_columns(p[items], data.human_counts()[items])
    return smooth_interval(ratio, cluster_sums(columns, data.prompt[items]))


@cover("calibration_slope", world=STATED)
def slope(data: Simulated) -> Interval:
    p = stated(data)
    items = np.isfinite(p)
    return slope_interval(p[items], data.human_counts()[items], data.prompt[items])


@cover("calibration_error", world=STATED, core=False)
def calibration_error(data: Simulated) -> Interval:
    p, humans = stated(data), data.human_counts()
    items = np.isfinite(p) & (total(humans) > 0)
    return calibration_errors([p[items]], humans[items], data.prompt[items])[0]


# Consistency


def between_orders(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Statistic:
    """Of judge-1's labels in both orders."""

    def interval(data: Simulated) -> Interval:
        terms = function(*(shares(counts) for counts in data.counts_by_order("judge-1")))
        return mean_interval(terms, np.isfinite(terms), data.prompt)

    return interval


cover("flip rate", world=CLUSTERED)(between_orders(flip))
cover("reversal rate", world=CLUSTERED, core=False)(between_orders(reversal))


@cover("repeat agreement", world=REPEATED, core=False)
def repeats(data: Simulated) -> Interval:
    by_order = sum(data.counts_by_order(name) for name in ("asked once", "asked again"))
    terms = repeat_agreement(by_order)
    return mean_interval(terms, np.isfinite(terms), data.prompt)


# A judge in place of humans


@cover("advantage probability", world=CLUSTERED)
def advantage(data: Simulated) -> Interval:
    labels = data.labels[: data.world.n_humans].max(axis=1).T  # a human labels in one order only
    judge = shares(data.counts("judge-1"))
    return replacement(np.maximum(labels, -1), judge, data.prompt, epsilon=0.15).advantage


@cover("human equivalence", world=CROWD, core=False)
def equivalence(data: Simulated) -> Interval:
    judge, humans = shares(data.counts("judge-1")), data.human_counts()
    found = human_equivalence(judge, humans, data.prompt)
    return Interval(found.estimate, found.low, found.high, found.n_prompts)


@cover("leave-one-out agreement", world=CLUSTERED, core=False)
def leave_one_out(data: Simulated) -> Interval:
    terms = judge_with_others(shares(data.counts("judge-1")), data.human_counts())
    return mean_interval(terms, np.isfinite(terms), data.prompt)


# Rankings of models

BEST = 3  # of the models


@cover("win rate", world=CLUSTERED)
def win_rate(data: Simulated) -> Interval:
    a, b = data.items.model_a, data.items.model_b
    points = model_points(data.counts("judge-1"), a, BEST)
    return mean_interval(points, np.isfinite(points) & ((a == BEST) | (b == BEST)), data.prompt)


@cover("Bradley-Terry strength", world=CLUSTERED, core=False)
def strength(data: Simulated) -> Interval:
    """By the judge, on what the humans labelled too."""
    sources = [data.human_counts(), data.counts("judge-1")]
    wins = win_counts(sources, data.items.model_a, data.items.model_b, data.prompt)
    found = ranking(wins)
    drawn = found.replicates[1, :, BEST]
    return percentile_interval(float(found.strengths[1, BEST]), drawn, wins.n_prompts)


@cover("kendall_tau_b", world=RANKED, kind=Kind.AT_LEAST, core=False)
def tau(data: Simulated) -> Interval:
    """Eight models close to each other, which the judge ranks as the humans do."""
    sources = [data.human_counts(), data.counts("judge-1")]
    wins = win_counts(sources, data.items.model_a, data.items.model_b, data.prompt)
    found = ranking(wins, replicates=400)
    value = float(kendall_tau_b(*found.strengths))
    return Interval(value, *reversals(found.strengths, found.replicates).tau_limits, wins.n_prompts)


# All slices of a judge together


def panel_of(data: Simulated) -> Panel:
    """The draw as the arrays that a report is made from, without texts, prices and times."""
    world, items = data.world, data.items
    annotator, shown, item = np.nonzero(data.labels != UNASKED)
    given, n = data.labels[annotator, shown, item], len(item)
    kinds = [AnnotatorKind.HUMAN] * world.n_humans + [AnnotatorKind.JUDGE] * len(world.judges)
    return Panel(
        dataset="drawn", criterion="overall", simulated=True, prompt=items.prompt,
        category=np.array(world.categories, dtype=object)[items.category],
        longer=np.zeros(items.n, np.int8), length=np.full(items.n, np.nan),
        models=world.model_names, model_a=items.model_a, model_b=items.model_b, n_with_texts=0,
        annotators=tuple(  # anonymous humans: no rows of each couple of them
            Who(source.name, source.name, kind, anonymous=kind is AnnotatorKind.HUMAN)
            for source, kind in zip(world.sources, kinds, strict=True)
        ),
        labels={
            "annotator": annotator, "item": item, "shown": shown, "repeat": np.zeros(n, int),
            "preference": np.maximum(given, -1), "unparsed": given == MISSING, "at": item,
            **dict.fromkeys(("p_a", "cost_usd", "seconds"), np.full(n, np.nan)),
        },
    )  # fmt: skip


def slice_rows(data: Simulated) -> tuple[Panel, list[Estimate]]:
    """Single-human agreement of judge-1 in each slice."""
    panel, wanted = panel_of(data), ("single_human_agreement", "judge-1")
    names, codes = slice_codes(panel, "category")
    views = [View(panel, Rules(), name, codes == k) for k, name in enumerate(names)]
    found = [row for view in views for row in agreement_rows(view)]
    return panel, [row for row in found if (row.statistic, row.subject) == wanted]


def in_common(rows: list[Estimate]) -> Interval:
    """What all intervals share: it holds the truth, the same in every slice, where all do."""
    low, high = max(row.low for row in rows), min(row.high for row in rows)
    return Interval(rows[0].estimate, low, high, rows[0].n_prompts)


AGREEMENT = planted_value("single_human_agreement", "judge-1")


@gate("coverage: all slices of a judge together", world=SLICED, truth=AGREEMENT)
def all_slices(data: Simulated) -> Interval:
    panel, rows = slice_rows(data)
    return in_common(simultaneous(panel, Rules(), "category", rows))


@gate("teeth: slices one by one", world=SLICED, truth=AGREEMENT, kind=Kind.FAILS, core=False)
def each_slice(data: Simulated) -> Interval:
    return in_common(slice_rows(data)[1])
