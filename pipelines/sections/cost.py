"""Cost and time rows: what 1,000 labels, or 1,000 that match, cost; who is unbeaten."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.agreement import one_human_terms
from pipelines.sections.view import NO_DECIDED, ONE_HUMAN, View, picked, row, undefined
from pipelines.stats.agreement import matches
from pipelines.stats.choosing import beaten_by
from pipelines.stats.intervals import NO_VARIATION, Interval, cluster_sums, ratio_of_ratios
from pipelines.stats.resampling import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
RESAMPLED = "no interval: the share of resamples of the prompts in which nobody beats it"
AGREEMENT_FRONT, TIME_FRONT = "price and agreement with one human", "price and time"
ON_FRONT = "nobody beats it by the estimates"
BEATEN = "beaten by the estimates"


def cost_rows(view: View) -> Iterator[Estimate]:
    """Cost and time of labels: each annotator that has a name, and all humans as one."""
    yield from price_rows(view)
    yield from value_rows(view)


def price_rows(view: View) -> Iterator[Estimate]:
    """What 1,000 labels cost and take."""
    for labels in _subjects(view):
        yield from _per_1000(view, labels, "cost_usd_per_1000", labels.cost, "usd")
        yield from _per_1000(view, labels, "seconds_per_1000", labels.seconds, "seconds")


def value_rows(view: View) -> Iterator[Estimate]:
    """What 1,000 labels that match cost, and who is unbeaten."""
    subjects = list(_subjects(view))
    for labels in subjects:
        yield from _per_match(view, labels)
    yield from _front(view, subjects)


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


def _front(view: View, subjects: Sequence[_Labels]) -> Iterator[Estimate]:
    """Who is beaten by nobody in price and in agreement; in time, where there are no humans.

    Of those whose two figures are known, each on the comparisons it labelled, if there are two.
    """
    if view.name != ALL or not view.rules.intervals:
        return
    kept = [labels for labels in subjects if labels.k is None or not _is_human(view, labels.k)]
    for reference, columns_of in ((AGREEMENT_FRONT, _agreement), (TIME_FRONT, _haste)):
        known = [(labels, columns) for labels in kept
                 if (columns := columns_of(view, labels)) is not None]  # fmt: skip
        if len(known) > 1:
            yield from _front_rows(view, known, reference)
            return


def _is_human(view: View, k: int) -> bool:
    """One person among all humans, who are compared as one."""
    return view.panel.annotators[k].kind is AnnotatorKind.HUMAN


def _agreement(view: View, labels: _Labels) -> Floats | None:
    """(matches, weights, US dollars, number of prices) (n, 4); None where one is not known."""
    terms = _matches(view, labels.k)
    columns = np.nan_to_num(np.stack([*terms.T, *labels.cost.T], axis=1))
    return columns if columns[:, 1].any() and columns[:, 3].any() else None


def _haste(_: View, labels: _Labels) -> Floats | None:
    """(seconds less, number of times, US dollars, number of prices) (n, 4)."""
    seconds = labels.seconds * np.array([-1.0, 1.0])
    columns = np.concatenate([seconds, labels.cost], axis=1)
    return columns if columns[:, 1].any() and columns[:, 3].any() else None


def _front_rows(
    view: View, known: Sequence[tuple[_Labels, Floats]], reference: str
) -> Iterator[Estimate]:
    sums = cluster_sums(np.concatenate([columns for _, columns in known], axis=1), view.prompt)
    beaten = _beaten(sums.sum(axis=0)[None])[0]
    resampled = bootstrap(lambda totals: _beaten(totals).sum(axis=2) == 0, sums)
    for i, (labels, columns) in enumerate(known):
        who = [known[int(j)][0].name for j in np.flatnonzero(beaten[i])]
        items = (columns[:, [1, 3]] > 0).any(axis=1)
        n_prompts = len(np.unique(view.prompt[items]))
        interval = Interval(float(resampled[:, i].mean()), None, None, n_prompts, RESAMPLED)
        yield row(view, SECTION, "front_share", labels.name, reference, interval,
                  n_items=int(items.sum()), n_labels=int(labels.rows.sum()),
                  method=f"{BEATEN}: {', '.join(who)}" if who else ON_FRONT)  # fmt: skip


def _beaten(totals: Floats) -> NDArray[np.bool_]:
    """Totals (B, 4 m) to whether i is beaten by j (B, m, m)."""
    of = totals.reshape(len(totals), -1, 4)
    return beaten_by(of[..., 0] / of[..., 1], of[..., 2] / of[..., 3])
