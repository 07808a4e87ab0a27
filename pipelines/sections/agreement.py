"""Agreement rows: with one human beside the human ceiling, with the majority, kappa, coverage."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.sections.view import (
    CEILING,
    MAJORITY,
    ONE_HUMAN,
    View,
    is_subject,
    row,
    undefined,
)
from pipelines.stats.agreement import (
    agreement_with_one,
    cohen_kappa,
    confusion,
    pair_agreement,
    pair_confusion,
    share_of,
    shares,
)
from pipelines.stats.intervals import (
    cluster_sums,
    difference_of_ratios,
    smooth_interval,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "agreement"
NO_HUMANS = "the data set has no human labels"
CHANCE_IS_ONE = "chance agreement is 1: both always give the same class"


def agreement_rows(view: View) -> Iterator[Estimate]:
    """All agreement rows of one slice."""
    annotators = view.panel.annotators
    any_humans = bool(view.panel.indices(AnnotatorKind.HUMAN))
    if not any_humans and view.name == "all":
        yield undefined(view, SECTION, "single_human_agreement", CEILING, ONE_HUMAN, NO_HUMANS)
    for k, who in enumerate(annotators):
        if is_subject(who):
            yield from _with_one_human(view, k) if any_humans else ()
            yield from _with_references(view, k)
    yield from _kappas(view)
    for k, who in enumerate(annotators):
        if not who.anonymous:
            yield _coverage(view, k)


def _with_one_human(view: View, k: int) -> Iterator[Estimate]:
    """The judge, the ceiling on the same items, and the gap between the two."""
    name, method = view.panel.annotators[k].name, view.rules.agreement
    judge = agreement_with_one(view.shares(k), view.humans)
    ceiling = pair_agreement(view.humans)
    items = np.isfinite(judge) & np.isfinite(ceiling)
    if not items.any():
        if view.name == "all":
            why = "no comparison has labels of two humans and a usable label of this one"
            yield undefined(
                view, SECTION, "single_human_agreement", name, ONE_HUMAN, why, method=method
            )
        return
    n_items, human_labels = int(items.sum()), int(view.humans[items].sum())
    mine = view.n_labels(k, items)
    note = _left_out(view, k, items)
    yield row(view, SECTION, "single_human_agreement", name, ONE_HUMAN, view.mean(judge, items),
              n_items=n_items, n_labels=mine, method=method, note=note)  # fmt: skip
    yield row(view, SECTION, "single_human_agreement", CEILING, ONE_HUMAN,
              view.mean(ceiling, items), n_items=n_items, n_labels=human_labels,
              method=f"{method} items of {name}")  # fmt: skip
    ones = np.ones(n_items)
    columns = np.stack([judge[items], ones, ceiling[items], ones], axis=1)
    gap = smooth_interval(difference_of_ratios, cluster_sums(columns, view.prompt[items]))
    yield row(view, SECTION, "gap", name, CEILING, gap, n_items=n_items, n_labels=mine,
              unit="share difference", method=method)  # fmt: skip


def _left_out(view: View, k: int, used: NDArray[np.bool_]) -> str | None:
    """Which of the annotator's comparisons the number does not rest on, and why."""
    asked = view.ballots(k).rows[view.keep] > 0
    fewer = int((asked & (view.humans.sum(axis=1) < 2)).sum())
    no_label = int((asked & ~used).sum()) - fewer
    parts = []
    if fewer:
        parts.append(f"{fewer:,} with fewer than two humans")
    if no_label:
        parts.append(f"{no_label:,} without a usable label")
    return f"left out: {', '.join(parts)}" if parts else None


def _with_references(view: View, k: int) -> Iterator[Estimate]:
    """Agreement with the human majority, and with each gold or majority of somebody else's."""
    panel = view.panel
    if panel.indices(AnnotatorKind.HUMAN):
        yield _with_majority(view, k, view.majority, MAJORITY, view.rules.with_majority)
    for gold in panel.indices(AnnotatorKind.AGGREGATE):
        counts = view.counts(gold)
        label = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), -1).astype(np.int8)
        yield _with_majority(view, k, label, panel.annotators[gold].name, view.rules.agreement)


def _with_majority(
    view: View, k: int, majority: NDArray[np.int8], reference: str, method: str
) -> Estimate:
    name, mine = view.panel.annotators[k].name, view.shares(k)
    items = (majority >= 0) & np.isfinite(mine[:, 0])
    values = np.zeros(len(items))
    values[items] = share_of(mine[items], majority[items])
    dropped = int((view.ballots(k).rows[view.keep] > 0).sum() - items.sum())
    note = f"left out: {dropped:,} without a usable label or reference" if dropped else None
    return row(view, SECTION, "majority_agreement", name, reference, view.mean(values, items),
               n_items=int(items.sum()), n_labels=view.n_labels(k, items),
               method=method, note=note)  # fmt: skip


def _kappas(view: View) -> Iterator[Estimate]:
    """Cohen's kappa of every pair of identified annotators; anonymous humans stand as one.

    In slices only the pairs with a human or a gold label: judge against judge would drown them.
    """
    annotators = view.panel.annotators
    named = [k for k, who in enumerate(annotators) if not who.anonymous]
    for first, second in combinations(named, 2):
        judges_only = is_subject(annotators[first]) and is_subject(annotators[second])
        if view.name == "all" or not judges_only:
            yield _kappa_of_pair(view, first, second)
    if any(who.anonymous for who in annotators):
        yield _kappa_among_humans(view)
        for k in named:
            if is_subject(annotators[k]):
                yield _kappa_with_one_human(view, k)


def _kappa_of_pair(view: View, first: int, second: int) -> Estimate:
    one, other = view.panel.annotators[first], view.panel.annotators[second]
    if _order_of(other.kind) < _order_of(one.kind):
        first, second, one, other = second, first, other, one
    a, b = _single(view, second), _single(view, first)
    items = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    cells = confusion(a[items], b[items])
    n_labels = view.n_labels(second, items) + view.n_labels(first, items)
    return _kappa_row(view, other.name, one.name, cells, items, n_labels)


def _order_of(kind: AnnotatorKind) -> int:
    """References first: humans, then gold, then judges, then baselines."""
    return ("human", "aggregate", "judge", "baseline").index(kind)


def _single(view: View, k: int) -> Floats:
    """Shares without unparsed labels: kappa has no class for them."""
    return shares(view.counts(k))


def _kappa_with_one_human(view: View, k: int) -> Estimate:
    mine = _single(view, k)
    items = np.isfinite(mine[:, 0]) & (view.humans.sum(axis=1) > 0)
    cells = confusion(mine[items], shares(view.humans[items]))
    name, n_labels = view.panel.annotators[k].name, view.n_labels(k, items)
    return _kappa_row(view, name, ONE_HUMAN, cells, items, n_labels)


def _kappa_among_humans(view: View) -> Estimate:
    items = view.humans.sum(axis=1) >= 2
    cells = pair_confusion(view.humans[items])
    n_labels = int(view.humans[items].sum())
    return _kappa_row(view, ONE_HUMAN, ONE_HUMAN, cells, items, n_labels)


def _kappa_row(
    view: View,
    subject: str,
    reference: str,
    cells: Floats,
    items: NDArray[np.bool_],
    n_labels: int,
) -> Estimate:
    why = CHANCE_IS_ONE if items.any() else "no comparison labelled by both"
    sums = cluster_sums(cells, view.prompt[items])
    interval = smooth_interval(cohen_kappa, sums, undefined=why)
    rule = "drop" if view.rules.unparsed != "tie" else "tie"
    return row(view, SECTION, "cohen_kappa", subject, reference, interval,
               n_items=int(items.sum()), n_labels=n_labels, unit="kappa",
               method=f"stated orientation unparsed={rule}")  # fmt: skip


def _coverage(view: View, k: int) -> Estimate:
    """Usable labels among those asked for, over the comparisons with any row of the annotator."""
    ballots = view.ballots(k)
    asked = ballots.rows[view.keep]
    items = asked > 0
    usable = ballots.counts[:, view.keep, :3].sum(axis=(0, 2)).astype(float)
    columns = np.stack([usable[items] / asked[items], np.ones(items.sum())], axis=1)
    interval = view.of_ratio(columns, items, proportion=True)
    return row(view, SECTION, "coverage", view.panel.annotators[k].name, "labels asked for",
               interval, n_items=int(items.sum()), n_labels=int(asked.sum()))  # fmt: skip
