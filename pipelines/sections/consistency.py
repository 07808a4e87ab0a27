"""Consistency rows: how often judges and humans agree with themselves; Dawid-Skene on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN, UNPARSED
from pipelines.sections.view import ONE_HUMAN, View, is_subject, row, undefined
from pipelines.stats.agreement import matches, one_hot, shares, total
from pipelines.stats.consistency import flip, repeat_agreement, repeated_labels, reversal
from pipelines.stats.dawid_skene import WARNING, dawid_skene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel

    Floats = NDArray[np.float64]

SECTION = "consistency"
STATISTICS = {
    "repeat_agreement": "same preference when asked again",
    "flip_rate": "other preference when the order is swapped",
    "reversal_rate": "opposite preference when the order is swapped",
    "test_retest": "same preference of the same human later",
    "dawid_skene_agreement": "agreement with the Dawid-Skene class",
}
EXPLAINED = {
    "repeat_agreement": "How often two labels of the same annotator on the same comparison in the "
    "same order are equal; a tie equals a tie.",
    "flip_rate": "How often the preference differs when the order is swapped, a tie being one of "
    "three preferences. It holds chance too: whoever does not repeat its labels in the same order "
    "will not in the other (Shi et al. 2024, arXiv 2406.07791).",
    "reversal_rate": "How often one response is preferred in one order and the other response in "
    "the other, among all comparisons labelled in both; changes from or to a tie are left out.",
    "test_retest": "How often two labels of the same human on the same comparison are equal, "
    "whatever the order shown.",
    "dawid_skene_agreement": "How often a label equals the likeliest class of the comparison, from "
    "the identified humans' labels and their estimated errors (Dawid & Skene 1979).",
}

AGAIN, SWAPPED, CLASSES = "asked again", "orders swapped", "Dawid-Skene class"
COLLECT_REPEATS = "collect them with concord label --repeats 2"
NO_REPEATS = f"no comparison was labelled twice in the same order; {COLLECT_REPEATS}"
ONE_ORDER = (
    'no comparison was labelled in both orders; collect them with orders = "both" in the judge file'
)
NO_SECOND = (
    "no identified human labelled a comparison twice; ask the same human again and import the "
    "labels with their repeat"
)
NO_HUMANS = "the data set has no human labels"
ANONYMOUS = "the humans are anonymous: which labels are of the same person is not known"
FEWEST_HUMANS = 3
FEW_HUMANS = (
    f"fewer than {FEWEST_HUMANS} identified humans: who errs how often cannot be told apart"
)
NO_OVERLAP = "no comparison has labels of two identified humans"
NONE_IN_COMMON = "no comparison has a usable label of this one and of an identified human"
NOT_CONVERGED = "the fit did not converge"


def consistency_rows(view: View) -> Iterator[Estimate]:
    """All rows of one slice: each judge and baseline, each identified human, the humans as one."""
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            by_order = view.counts_by_order(k)
            yield from _repeated(view, who.name, by_order)
            yield from _swapped(view, who.name, by_order[AB], by_order[BA])
    yield from _test_retest(view)


def _repeated(view: View, name: str, by_order: Floats) -> Iterator[Estimate]:
    known = by_order[[AB, BA]]
    values = repeat_agreement(known)
    items = np.isfinite(values)
    n_unknown = int(by_order[UNKNOWN].sum())
    left_out = f"left out: {n_unknown:,} labels whose order is not known" if n_unknown else None
    method = f"ties=class {view.rules.without_wrong}"
    if items.any():
        yield row(view, SECTION, "repeat_agreement", name, AGAIN, view.mean(values, items),
                  n_items=int(items.sum()), n_labels=int(repeated_labels(known)[items].sum()),
                  method=method, note=left_out)  # fmt: skip
    elif view.name == ALL:
        why = "; ".join(text for text in (NO_REPEATS, left_out) if text)
        yield undefined(view, SECTION, "repeat_agreement", name, AGAIN, why, method=method)


def _swapped(view: View, name: str, ab: Floats, ba: Floats) -> Iterator[Estimate]:
    one, other = shares(ab), shares(ba)
    items = np.isfinite(one[:, 0] + other[:, 0])
    method = f"ties=class {view.rules.without_wrong}"
    for statistic, function in (("flip_rate", flip), ("reversal_rate", reversal)):
        if items.any():
            yield row(view, SECTION, statistic, name, SWAPPED,
                      view.mean(function(one, other), items), n_items=int(items.sum()),
                      n_labels=int((ab[items] + ba[items]).sum()), method=method)  # fmt: skip
        elif view.name == ALL:
            yield undefined(view, SECTION, statistic, name, SWAPPED, ONE_ORDER, method=method)


# humans


@dataclass(frozen=True, slots=True)
class _Repeats:
    """A human's second thoughts: the agreement of its labels on `items` (places in the view).

    `orders`: couples of labels in the same order, in swapped ones, and with an order not known.
    """

    items: NDArray[np.intp]
    agreement: Floats
    n_labels: int
    orders: NDArray[np.int64]


def usable_labels(view: View, k: int) -> dict[str, NDArray[Any]]:
    """All usable labels of annotator k in the view, repeats too; `item` is the place in the view.

    `Panel.ballots` keeps one label of a human and comparison; here are the others as well.
    """
    labels = view.panel.labels
    start, end = np.searchsorted(labels["annotator"], [k, k + 1])
    mine = {name: column[start:end] for name, column in labels.items()}
    used = (mine["preference"] >= 0) & view.keep[mine["item"]]
    mine = {name: column[used] for name, column in mine.items()}
    if not view.keep.all():
        mine["item"] = (np.cumsum(view.keep) - 1)[mine["item"]]
    return mine


def _test_retest(view: View) -> Iterator[Estimate]:
    """Each identified human with two labels on a comparison, then one of them drawn at random."""
    panel = view.panel
    humans = panel.indices(AnnotatorKind.HUMAN)
    named = [k for k in humans if not panel.annotators[k].anonymous]
    found = {k: _repeats(usable_labels(view, k)) for k in named}
    found = {k: repeats for k, repeats in found.items() if len(repeats.items)}
    for k, repeats in found.items():
        yield _retest_row(view, panel.annotators[k].name, [repeats], None)
    if found:
        note = f"of {len(found):,} of {len(named):,} identified humans"
        yield _retest_row(view, ONE_HUMAN, list(found.values()), note)
    elif view.name == ALL:
        why = (NO_SECOND if named else ANONYMOUS) if humans else NO_HUMANS
        yield undefined(view, SECTION, "test_retest", ONE_HUMAN, AGAIN, why, method=_RETEST)


_RETEST = "ties=class orders=any"


def _repeats(labels: dict[str, NDArray[Any]]) -> _Repeats:
    _, place, n = np.unique(labels["item"], return_inverse=True, return_counts=True)
    again = n[place] >= 2
    items, place = np.unique(labels["item"][again], return_inverse=True)
    shown = labels["shown"][again]
    order = np.where(shown >= 0, shown, UNKNOWN)
    counts = np.zeros((3, len(items), 3))
    np.add.at(counts, (order, place, labels["preference"][again]), 1)
    return _Repeats(
        items=items.astype(np.intp),
        agreement=repeat_agreement(counts.sum(axis=0, keepdims=True)),
        n_labels=int(again.sum()),
        orders=_couples(counts),
    )


def _couples(counts: Floats) -> NDArray[np.int64]:
    """Couples of labels in the same order, in swapped ones, and with an order not known."""
    ab, ba, unknown = (total(c) for c in counts)
    same = (ab * (ab - 1) + ba * (ba - 1)) / 2
    not_known = unknown * (unknown - 1) / 2 + unknown * (ab + ba)
    return np.array([same.sum(), (ab * ba).sum(), not_known.sum()]).astype(np.int64)


def _retest_row(view: View, name: str, found: list[_Repeats], note: str | None) -> Estimate:
    """Every human and comparison weighs the same; a human's repeats are no further items."""
    values = np.zeros((len(view.prompt), 2))
    for repeats in found:
        values[repeats.items] += np.stack([repeats.agreement, np.ones(len(repeats.items))], axis=1)
    items = values[:, 1] > 0
    notes = [note] if note else []
    names = ("in the same order", "in swapped orders", "in an order not known")
    orders = np.sum([repeats.orders for repeats in found], axis=0)
    parts = [f"{n:,} {what}" for n, what in zip(orders, names, strict=True) if n]
    notes.append(f"couples of labels: {', '.join(parts)}")
    return row(view, SECTION, "test_retest", name, AGAIN,
               view.of_ratio(values[items], items, proportion=True), n_items=int(items.sum()),
               n_labels=sum(repeats.n_labels for repeats in found), method=_RETEST,
               note="; ".join(notes))  # fmt: skip


# Dawid-Skene


def dawid_skene_rows(view: View) -> Iterator[Estimate]:
    """Each judge against the Dawid-Skene class of the identified humans, fitted to all of them.

    No judge has a say in the class. It is fitted to the whole data set, in slices too, and taken
    as known: the interval is of the comparisons, not of the fit.
    """
    subjects = [k for k, who in enumerate(view.panel.annotators) if is_subject(who)]
    named, why = _identified(view.panel)
    codes = _codes(view.panel, named)
    if why is None and not ((codes >= 0).sum(axis=1) >= 2).any():
        why = NO_OVERLAP
    method = f"annotators=humans symmetrised {view.rules.agreement}"
    if why is not None:
        for k in subjects if view.name == ALL else ():
            name = view.panel.annotators[k].name
            yield undefined(
                view, SECTION, "dawid_skene_agreement", name, CLASSES, why, method=method
            )
        return
    fitted = dawid_skene(codes)
    note = _dawid_skene_note(view.panel, len(named), fitted.converged)
    classes = one_hot(fitted.classes[view.keep])
    for k in subjects:
        yield from _with_classes(view, k, classes, method, note)


def _with_classes(
    view: View, k: int, classes: Floats, method: str, note: str
) -> Iterator[Estimate]:
    name, terms = view.panel.annotators[k].name, matches(view.shares(k), classes, view.rules.ties)
    items = np.isfinite(terms[:, 0])
    if items.any():
        yield row(view, SECTION, "dawid_skene_agreement", name, CLASSES, view.share(terms, items),
                  n_items=int(items.sum()), n_labels=view.n_labels(k, items), method=method,
                  note=note)  # fmt: skip
    elif view.name == ALL:
        yield undefined(view, SECTION, "dawid_skene_agreement", name, CLASSES, NONE_IN_COMMON,
                        method=method)  # fmt: skip


def _identified(panel: Panel) -> tuple[list[int], str | None]:
    """The identified humans, and why there are not enough of them."""
    humans = panel.indices(AnnotatorKind.HUMAN)
    named = [k for k in humans if not panel.annotators[k].anonymous]
    if not humans:
        return named, NO_HUMANS
    if not named:
        return named, ANONYMOUS
    return named, FEW_HUMANS if len(named) < FEWEST_HUMANS else None


def _codes(panel: Panel, annotators: list[int]) -> NDArray[np.int8]:
    """The class that each annotator gave (n, J), -1 where none: one label a human and item."""
    codes = np.full((panel.n_items, len(annotators)), -1, np.int8)
    for column, k in enumerate(annotators):
        counts = panel.ballots(k).counts[:, :, :UNPARSED].sum(axis=0)
        codes[:, column] = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    return codes


def _dawid_skene_note(panel: Panel, n_named: int, converged: bool) -> str:
    nameless = len(panel.indices(AnnotatorKind.HUMAN)) - n_named
    parts = [f"left out: {nameless:,} anonymous annotators"] if nameless else []
    parts += [f"class from {n_named:,} humans, taken as known", WARNING]
    return "; ".join([*parts, *(() if converged else (NOT_CONVERGED,))])
