"""Consistency rows: how often judges and humans agree with themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN
from pipelines.sections.view import ONE_HUMAN, View, is_subject, row, undefined
from pipelines.stats.agreement import shares, total
from pipelines.stats.consistency import flip, repeat_agreement, repeated_labels, reversal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "consistency"

AGAIN, SWAPPED = "asked again", "orders swapped"
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
