"""Cost and time rows: what 1,000 labels cost and take, and what 1,000 that match a human cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.agreement import one_human_terms
from pipelines.sections.view import NO_DECIDED, ONE_HUMAN, View, picked, row, undefined
from pipelines.stats.agreement import matches
from pipelines.stats.intervals import NO_VARIATION, ratio_of_ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "cost"
PER = 1000.0
FIXED = "the same on every prompt"
NO_PRICE = "the price of these labels is not known"
NO_TIME = "the time of these labels is not known"
NO_HUMAN = "no comparison of a known price has the label of a human to match"
NO_MATCH = "no label matches that of one human"


def cost_rows(view: View) -> Iterator[Estimate]:
    """Cost and time of labels: each annotator that has a name, and all humans as one."""
    for labels in _subjects(view):
        yield from _per_1000(view, labels, "cost_usd_per_1000", labels.cost, "usd")
        yield from _per_1000(view, labels, "seconds_per_1000", labels.seconds, "seconds")
        yield from _per_match(view, labels)


@dataclass(frozen=True, slots=True)
class _Labels:
    """(sum, number known) of cost and of seconds per comparison (n, 2), and its labels (n,).

    `k` is the annotator's place; None for all humans as one.
    """

    name: str
    kind: str
    cost: Floats
    seconds: Floats
    rows: NDArray[np.int64]
    k: int | None = None


def _subjects(view: View) -> Iterator[_Labels]:
    humans = [view.ballots(k) for k in view.panel.indices(AnnotatorKind.HUMAN)]
    if humans:
        yield _Labels(
            ONE_HUMAN,
            "human",
            np.sum([b.cost for b in humans], axis=0)[view.keep],
            np.sum([b.seconds for b in humans], axis=0)[view.keep],
            np.sum([b.rows for b in humans], axis=0)[view.keep],
        )
    for k, who in enumerate(view.panel.annotators):
        if not who.anonymous and who.kind != AnnotatorKind.AGGREGATE:
            ballots = view.ballots(k)
            yield _Labels(
                who.name,
                who.kind,
                ballots.cost[view.keep],
                ballots.seconds[view.keep],
                ballots.rows[view.keep],
                k,
            )


def _per_1000(
    view: View, labels: _Labels, statistic: str, sums: Floats, unit: str
) -> Iterator[Estimate]:
    items, reference = sums[:, 1] > 0, f"{labels.kind} labels"
    known = int(sums[:, 1].sum())
    if not items.any():
        if view.name == ALL:
            why = NO_PRICE if unit == "usd" else NO_TIME
            yield undefined(view, SECTION, statistic, labels.name, reference, why, unit=unit)
        return
    interval = view.of_ratio(sums[items] * np.array([PER, 1.0]), items, bounds=(0.0, np.inf))
    if interval.note == NO_VARIATION:  # a fixed price is known, not uncertain
        interval = replace(interval, note=FIXED)
    n_labels = int(labels.rows.sum())
    missing = n_labels - known
    note = f"not known for {missing:,} of {n_labels:,} labels" if missing else None
    yield row(view, SECTION, statistic, labels.name, reference, interval,
              n_items=int(items.sum()), n_labels=known, unit=unit, note=note)  # fmt: skip


def _per_match(view: View, labels: _Labels) -> Iterator[Estimate]:
    """What a label costs by how often it matches one (other) human, on the same comparisons."""
    statistic, method = "cost_usd_per_match", view.rules.agreement
    priced = labels.cost[:, 1] > 0
    terms = _matches(view, labels.k) if priced.any() else None
    items = priced if terms is None else priced & np.isfinite(terms[:, 0])
    if terms is None or not items.any():
        if view.name == ALL:
            why = NO_PRICE if terms is None else NO_HUMAN
            yield undefined(view, SECTION, statistic, labels.name, ONE_HUMAN, why, unit="usd",
                            method=method)  # fmt: skip
        return
    terms, cost = picked(terms, items), PER * labels.cost[items, 0] / labels.cost[items, 1]
    why = NO_MATCH if terms[:, 1].any() else NO_DECIDED
    columns = np.stack([cost, np.ones(len(cost)), *terms.T]).T
    interval = view.smooth(ratio_of_ratios, columns, items, bounds=(0.0, np.inf), undefined=why)
    yield row(view, SECTION, statistic, labels.name, ONE_HUMAN, interval,
              n_items=len(cost), n_labels=_n_labels(view, labels.k, items), unit="usd",
              method=method, note=_left_out(labels, items))  # fmt: skip


def _matches(view: View, k: int | None) -> Floats:
    """(match, weight) with one human, another one where the labels are humans'; NaN without."""
    if k is None:
        return view.pairs_of_humans
    if view.panel.annotators[k].kind is AnnotatorKind.HUMAN:
        return matches(view.shares(k), view.humans - view.counts(k), view.rules.ties)
    return one_human_terms(view, k)


def _n_labels(view: View, k: int | None, items: NDArray[np.bool_]) -> int:
    return int(view.n_humans[items].sum()) if k is None else view.n_labels(k, items)


def _left_out(labels: _Labels, items: NDArray[np.bool_]) -> str | None:
    n = int(((labels.rows > 0) & ~items).sum())
    return f"left out: {n:,} without a price, a usable label or a human to match" if n else None
