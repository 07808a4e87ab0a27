"""Chance rows: coefficients that correct for chance, and what trivial judges reach."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.panel import AB, BA
from pipelines.sections.view import (
    CEILING,
    ONE_HUMAN,
    UnparsedRule,
    View,
    is_subject,
    row,
    undefined,
)
from pipelines.stats.agreement import (
    TIE,
    TieRule,
    confusion,
    matches,
    pair_confusion,
    shares,
    total,
)
from pipelines.stats.chance import (
    coincidences,
    first_shown,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    longer_response,
    most_frequent_class,
    random_choice,
    scott_pi,
    symmetrised,
    symmetrised_alpha,
    symmetrised_pi,
    ties_lead,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Coefficient = Callable[[NDArray[Any]], Any]

SECTION = "chance"

MOST_FREQUENT = "always the most frequent class"
LONGER = "longer response"
FIRST = "first shown"
RANDOM = "random choice"

SYMMETRISED = "swap-symmetrised"
STATED = "stated orientation"

NO_HUMANS = "the data set has no human labels"
NO_TWO_HUMANS = "no comparison has labels of two humans"
NONE_IN_COMMON = "no comparison labelled by both"
NO_TERMS = "no comparison has labels of two humans and a usable label of this one"
ONE_CLASS = "chance agreement is 1: all labels are of the same class"
NO_TEXTS = "the texts of the responses are not known"
ALL_EQUAL = "no response is known to be longer than the other"
NO_ORDER = "the order in which the responses were shown is not known"


def chance_rows(view: View) -> Iterator[Estimate]:
    """All chance rows of one slice; outside of `all` only those that no naming of slots moves."""
    if not view.panel.indices(AnnotatorKind.HUMAN):
        if view.name == ALL:
            yield undefined(view, SECTION, "krippendorff_alpha", ONE_HUMAN, ONE_HUMAN, NO_HUMANS,
                            unit="kappa", method=SYMMETRISED)  # fmt: skip
        return
    yield from _among_humans(view)
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            yield from _with_one_human(view, k)
            yield from _baselines(view, k)


# coefficients


def _among_humans(view: View) -> Iterator[Estimate]:
    """Alpha by both methods, Fleiss's kappa and AC1, on comparisons with two humans or more."""
    items = view.n_humans >= 2
    if not items.any() and view.name != ALL:
        return
    humans = view.humans[items]
    alone = int((view.n_humans == 1).sum())
    found = partial(
        _coefficient, view, ONE_HUMAN, ONE_HUMAN, items, int(humans.sum()),
        why=ONE_CLASS if items.any() else NO_TWO_HUMANS,
        note=f"left out: {alone:,} with one human" if alone else None,
    )  # fmt: skip
    cells = coincidences(humans)
    yield found("krippendorff_alpha", symmetrised_alpha, symmetrised(cells), SYMMETRISED)
    if view.name == ALL:
        yield found("krippendorff_alpha", krippendorff_alpha, cells, STATED)
        pairs = pair_confusion(humans)
        yield found("fleiss_kappa", fleiss_kappa, pairs, STATED)
        yield found("gwet_ac1", _ac1(view), pairs, f"{STATED} classes={_classes(view)}")


def _with_one_human(view: View, k: int) -> Iterator[Estimate]:
    """Symmetrised and Scott's pi and AC1, on the comparisons of Cohen's kappa with one human."""
    mine = shares(view.counts(k))  # without unparsed labels: there is no class for them
    items = np.isfinite(mine[:, 0]) & (view.n_humans > 0)
    if not items.any() and view.name != ALL:
        return
    cells = confusion(mine[items], shares(view.humans[items]))
    lost = int((view.ballots(k).rows[view.keep] > 0).sum() - items.sum())
    name, rule = view.panel.annotators[k].name, view.rules.without_wrong
    found = partial(
        _coefficient, view, name, ONE_HUMAN, items, view.n_usable(k, items),
        why=ONE_CLASS if items.any() else NONE_IN_COMMON,
        note=f"left out: {lost:,} without a usable label or human" if lost else None,
    )  # fmt: skip
    yield found("symmetrised_pi", symmetrised_pi, symmetrised(cells), f"{SYMMETRISED} {rule}")
    if view.name == ALL:
        yield found("scott_pi", scott_pi, cells, f"{STATED} {rule}")
        yield found("gwet_ac1", _ac1(view), cells, f"{STATED} classes={_classes(view)} {rule}")
        yield from _ceiling(view, items & (view.n_humans >= 2), name)


def _ceiling(view: View, items: Mask, judge: str) -> Iterator[Estimate]:
    """Of two humans with each other, on the judge's comparisons that have two."""
    if items.any():
        humans = view.humans[items]
        yield _coefficient(
            view, CEILING, ONE_HUMAN, items, int(humans.sum()), "symmetrised_pi", symmetrised_pi,
            symmetrised(pair_confusion(humans)), f"{SYMMETRISED} items of {judge}",
            why=ONE_CLASS, note=None,
        )  # fmt: skip


def _coefficient(
    view: View,
    subject: str,
    reference: str,
    items: Mask,
    n_labels: int,
    statistic: str,
    function: Coefficient,
    cells: Floats,
    method: str,
    *,
    why: str,
    note: str | None,
) -> Estimate:
    interval = view.smooth(function, cells, items, bounds=(-1.0, 1.0), undefined=why)
    return row(view, SECTION, statistic, subject, reference, interval, n_items=int(items.sum()),
               n_labels=n_labels, unit="kappa", method=method, note=note)  # fmt: skip


def _ac1(view: View) -> Coefficient:
    return partial(gwet_ac1, classes=_classes(view))


def _classes(view: View) -> int:
    """How many classes there were to choose from: a data set without any tie did not offer it."""
    labels = view.panel.labels
    ties = bool((labels["preference"] == TIE).any())
    if view.rules.unparsed is UnparsedRule.TIE:
        ties |= bool(labels["unparsed"].any())
    return 3 if ties else 2


# trivial judges


def _baselines(view: View, k: int) -> Iterator[Estimate]:
    """Trivial judges against one human, on the comparisons of the judge's own agreement with one.

    An agreement of .6 is none to speak of where always choosing the longer response gives .65.
    """
    items = np.isfinite(view.shares(k)[:, 0]) & (view.n_humans >= 2)
    method = f"{view.rules.agreement} items of {view.panel.annotators[k].name}"
    if not items.any():
        if view.name == ALL:
            yield undefined(view, SECTION, "baseline_agreement", RANDOM, ONE_HUMAN, NO_TERMS,
                            method=method)  # fmt: skip
        return
    yield from _most_frequent(view, items, method)
    yield from _longer(view, items, method)
    yield from _first(view, k, items, method)
    yield _baseline(view, RANDOM, random_choice(len(items)), items, method)


def _most_frequent(view: View, items: Mask, method: str) -> Iterator[Estimate]:
    """The class is chosen on the same labels, so near a draw of two it is a little too good."""
    n, humans = len(items), view.humans[items]
    if view.rules.ties is TieRule.DROP:  # ties are left out: nobody says them
        humans = humans * np.array([1.0, 0.0, 1.0])
        humans = humans[total(humans) > 0]
    always_tie = np.tile(np.eye(3)[TIE], (n, 1))
    best, note = (
        (always_tie, "the class is tie")
        if ties_lead(humans)
        else (random_choice(n), "the class is a or b, either half of the time")
    )
    yield _baseline(view, MOST_FREQUENT, best, items, f"{SYMMETRISED} {method}", note)
    if view.name == ALL:
        place = most_frequent_class(humans)
        best = np.tile(np.eye(3)[place], (n, 1))
        note = f"the class is {('a', 'tie', 'b')[place]}"
        yield _baseline(view, MOST_FREQUENT, best, items, f"{STATED} {method}", note)


def _longer(view: View, items: Mask, method: str) -> Iterator[Estimate]:
    """Where some texts are not known, equal length cannot be told from unknown: both are out."""
    all_known = view.panel.n_with_texts == view.panel.n_items
    known = items & (all_known | (view.longer != 0))
    if known.any():
        lost = int(items.sum() - known.sum())
        note = f"left out: {lost:,} of equal or unknown length" if lost else None
        yield _baseline(view, LONGER, longer_response(view.longer), known, method, note)
    elif view.name == ALL:
        why = ALL_EQUAL if view.panel.n_with_texts else NO_TEXTS
        yield undefined(view, SECTION, "baseline_agreement", LONGER, ONE_HUMAN, why, method=method)


def _first(view: View, k: int, items: Mask, method: str) -> Iterator[Estimate]:
    """What was shown first to this judge."""
    drawn = view.counts_by_order(k).sum(axis=-1)
    if view.rules.unparsed is UnparsedRule.WRONG:
        drawn = view.stored(k).sum(axis=-1).astype(float)
    judge = first_shown(drawn[AB], drawn[BA])
    known = items & np.isfinite(judge[:, 0])
    if known.any():
        lost = int(items.sum() - known.sum())
        note = f"left out: {lost:,} whose order is not known" if lost else None
        yield _baseline(view, FIRST, judge, known, method, note)
    elif view.name == ALL:
        yield undefined(view, SECTION, "baseline_agreement", FIRST, ONE_HUMAN, NO_ORDER,
                        method=method)  # fmt: skip


def _baseline(
    view: View, name: str, judge: Floats, items: Mask, method: str, note: str | None = None
) -> Estimate:
    interval = view.share(matches(judge, view.humans, view.rules.ties), items)
    return row(view, SECTION, "baseline_agreement", name, ONE_HUMAN, interval,
               n_items=int(items.sum()), n_labels=int(view.humans[items].sum()),
               method=method, note=note)  # fmt: skip
