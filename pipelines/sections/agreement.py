"""Agreement rows: with one human beside the human ceiling, with a majority, kappa, coverage."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.findings import judges_by_agreement, main_reference
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
    majority_by_mode,
    pair_agreement,
    pair_confusion,
    share_of,
    shares,
    total,
)
from pipelines.stats.intervals import (
    cluster_sums,
    difference_of_ratios,
    ratio,
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
NONE_IN_COMMON = "no comparison labelled by both"
DIFFERENCE = (-1.0, 1.0)  # of two shares


def agreement_rows(view: View) -> Iterator[Estimate]:
    """All agreement rows of one slice."""
    annotators = view.panel.annotators
    any_humans = bool(view.panel.indices(AnnotatorKind.HUMAN))
    if not any_humans and view.name == ALL:
        yield undefined(view, SECTION, "single_human_agreement", CEILING, ONE_HUMAN, NO_HUMANS)
    found: list[Estimate] = []
    for k, who in enumerate(annotators):
        if is_subject(who):
            found += _with_one_human(view, k) if any_humans else ()
            found += _with_references(view, k)
    yield from found
    if view.name == ALL:
        yield from _differences(view, found)
    yield from _kappas(view)
    for k, who in enumerate(annotators):
        if not who.anonymous:
            yield _coverage(view, k)


def _with_one_human(view: View, k: int) -> Iterator[Estimate]:
    """The judge, the ceiling on the same items, and the gap between the two."""
    name, method = view.panel.annotators[k].name, view.rules.agreement
    judge, ceiling = _one_human_terms(view, k), pair_agreement(view.humans)
    items = np.isfinite(judge)
    if not items.any():
        if view.name == ALL:
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
    sums = cluster_sums(columns, view.prompt[items])
    gap = smooth_interval(difference_of_ratios, sums, bounds=DIFFERENCE)
    yield row(view, SECTION, "gap", name, CEILING, gap, n_items=n_items, n_labels=mine,
              unit="share difference", method=method)  # fmt: skip


def _one_human_terms(view: View, k: int) -> Floats:
    """Agreement with one human per item (n,); NaN without two humans and a usable label."""
    terms = agreement_with_one(view.shares(k), view.humans)
    return np.where(total(view.humans) >= 2, terms, np.nan)


def _left_out(view: View, k: int, used: NDArray[np.bool_]) -> str | None:
    """Which of the annotator's comparisons the number does not rest on, and why."""
    asked = view.ballots(k).rows[view.keep] > 0
    fewer = int((asked & (total(view.humans) < 2)).sum())
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
        label = majority_by_mode(view.counts(gold))
        yield _with_majority(view, k, label, panel.annotators[gold].name, view.rules.agreement)


def _majority_terms(view: View, k: int, majority: NDArray[np.int8]) -> Floats:
    """Agreement with a majority per item (n,); NaN without it or without a usable label."""
    return np.where(majority >= 0, share_of(view.shares(k), majority), np.nan)


def _with_majority(
    view: View, k: int, majority: NDArray[np.int8], reference: str, method: str
) -> Estimate:
    name, values = view.panel.annotators[k].name, _majority_terms(view, k, majority)
    items = np.isfinite(values)
    dropped = int((view.ballots(k).rows[view.keep] > 0).sum() - items.sum())
    note = f"left out: {dropped:,} without a usable label or reference" if dropped else None
    return row(view, SECTION, "majority_agreement", name, reference, view.mean(values, items),
               n_items=int(items.sum()), n_labels=view.n_labels(k, items),
               method=method, note=note)  # fmt: skip


def _differences(view: View, found: list[Estimate]) -> Iterator[Estimate]:
    """The judge of highest agreement less each other one, on the comparisons that both labelled.

    Judges may have labelled different comparisons: their agreements alone do not rank them.
    """
    best, *others = judges_by_agreement(found) or [""]
    reference = main_reference(found)
    index = {who.name: k for k, who in enumerate(view.panel.annotators) if is_subject(who)}
    for name in others:
        first, second = (_terms(view, index[judge], reference) for judge in (best, name))
        items = np.isfinite(first) & np.isfinite(second)
        columns = np.stack([(first - second)[items], np.ones(items.sum())], axis=1)
        sums = cluster_sums(columns, view.prompt[items])
        difference = smooth_interval(ratio, sums, bounds=DIFFERENCE, undefined=NONE_IN_COMMON)
        n_labels = view.n_labels(index[best], items) + view.n_labels(index[name], items)
        yield row(view, SECTION, "agreement_difference", best, name, difference,
                  n_items=int(items.sum()), n_labels=n_labels, unit="share difference",
                  method=f"{_method(view, reference)} with {reference}")  # fmt: skip


def _terms(view: View, k: int, reference: str) -> Floats:
    """Agreement per item (n,) with what `reference` names."""
    if reference == ONE_HUMAN:
        return _one_human_terms(view, k)
    if reference == MAJORITY:
        return _majority_terms(view, k, view.majority)
    golds = view.panel.indices(AnnotatorKind.AGGREGATE)
    [gold] = [g for g in golds if view.panel.annotators[g].name == reference]
    return _majority_terms(view, k, majority_by_mode(view.counts(gold)))


def _method(view: View, reference: str) -> str:
    return view.rules.with_majority if reference == MAJORITY else view.rules.agreement


def _kappas(view: View) -> Iterator[Estimate]:
    """Cohen's kappa of every pair of identified annotators; anonymous humans stand as one.

    In slices only the pairs with a human or a gold label: judge against judge would drown them.
    """
    annotators = view.panel.annotators
    named = [k for k, who in enumerate(annotators) if not who.anonymous]
    for first, second in combinations(named, 2):
        judges_only = is_subject(annotators[first]) and is_subject(annotators[second])
        if view.name == ALL or not judges_only:
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
    n_labels = view.n_usable(second, items) + view.n_usable(first, items)
    return _kappa_row(view, other.name, one.name, cells, items, n_labels)


def _order_of(kind: AnnotatorKind) -> int:
    """References first: humans, then gold, then judges, then baselines."""
    return ("human", "aggregate", "judge", "baseline").index(kind)


def _single(view: View, k: int) -> Floats:
    """Shares without unparsed labels: kappa has no class for them."""
    return shares(view.counts(k))


def _kappa_with_one_human(view: View, k: int) -> Estimate:
    mine = _single(view, k)
    items = np.isfinite(mine[:, 0]) & (total(view.humans) > 0)
    cells = confusion(mine[items], shares(view.humans[items]))
    name, n_labels = view.panel.annotators[k].name, view.n_usable(k, items)
    return _kappa_row(view, name, ONE_HUMAN, cells, items, n_labels)


def _kappa_among_humans(view: View) -> Estimate:
    items = total(view.humans) >= 2
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
    why = CHANCE_IS_ONE if items.any() else NONE_IN_COMMON
    sums = cluster_sums(cells, view.prompt[items])
    interval = smooth_interval(cohen_kappa, sums, bounds=(-1.0, 1.0), undefined=why)
    return row(view, SECTION, "cohen_kappa", subject, reference, interval,
               n_items=int(items.sum()), n_labels=n_labels, unit="kappa",
               method=f"stated orientation {view.rules.without_wrong}")  # fmt: skip


def _coverage(view: View, k: int) -> Estimate:
    """Usable labels among those asked for, over the comparisons with any row of the annotator."""
    ballots = view.ballots(k)
    asked = ballots.rows[view.keep]
    items = asked > 0
    ab, ba, unknown = view.stored(k).astype(float)
    usable = total(ab + ba + unknown) / np.maximum(asked, 1)
    return row(view, SECTION, "coverage", view.panel.annotators[k].name, "labels asked for",
               view.mean(usable, items), n_items=int(items.sum()),
               n_labels=int(asked.sum()))  # fmt: skip
