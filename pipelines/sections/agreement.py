"""Agreement rows: with one human beside the human ceiling, with a majority, kappa, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.findings import judges_by_agreement, main_reference
from pipelines.panel import UNPARSED
from pipelines.sections.kappas import NONE_IN_COMMON, kappa_rows
from pipelines.sections.view import (
    CEILING,
    DIFFERENCE,
    MAJORITY,
    NO_DECIDED,
    ONE_HUMAN,
    View,
    detectable,
    is_subject,
    picked,
    row,
    undefined,
)
from pipelines.stats.agreement import (
    TieRule,
    share_matches,
)
from pipelines.stats.intervals import difference_of_ratios
from pipelines.threads import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "agreement"
NO_HUMANS = "the data set has no human labels"
NO_REFERENCE = "no comparison that both labelled has a label to compare with"


def agreement_rows(view: View) -> Iterator[Estimate]:
    """All agreement rows of one slice."""
    yield from reference_rows(view)
    yield from kappa_rows(view)
    named = [k for k, who in enumerate(view.panel.annotators) if not who.anonymous]
    yield from in_threads(lambda k: _coverage(view, k), named)


def reference_rows(view: View) -> Iterator[Estimate]:
    """Judges with one human beside the ceiling, with a majority or gold, and with the best one."""
    annotators = view.panel.annotators
    any_humans = bool(view.panel.indices(AnnotatorKind.HUMAN))
    if not any_humans and view.name == ALL:
        yield undefined(view, SECTION, "single_human_agreement", CEILING, ONE_HUMAN, NO_HUMANS)
    judges = [k for k, who in enumerate(annotators) if is_subject(who)]
    of_each = in_threads(lambda k: list(_agreement_of(view, k, any_humans=any_humans)), judges)
    found = [row for rows in of_each for row in rows]
    yield from found
    if view.name == ALL:
        yield from _differences(view, found)


def _agreement_of(view: View, k: int, *, any_humans: bool) -> Iterator[Estimate]:
    if any_humans:
        yield from _with_one_human(view, k)
    for reference in references(view):
        yield _with_majority(view, k, reference)


def _with_one_human(view: View, k: int) -> Iterator[Estimate]:
    """The judge, the ceiling on the same items, and the gap between the two."""
    name, method = view.panel.annotators[k].name, view.rules.agreement
    judge = one_human_terms(view, k)
    items = np.isfinite(judge[:, 0])
    if not items.any():
        if view.name == ALL:
            why = "no comparison has labels of two humans and a usable label of this one"
            yield undefined(
                view, SECTION, "single_human_agreement", name, ONE_HUMAN, why, method=method
            )
        return
    ceiling = picked(view.pairs_of_humans, items)
    n_items, human_labels = int(items.sum()), int(view.n_humans[items].sum())
    mine = view.n_labels(k, items)
    note = _left_out(view, k, items)
    yield row(view, SECTION, "single_human_agreement", name, ONE_HUMAN,
              view.share(judge, items),
              n_items=n_items, n_labels=mine, method=method, note=note)  # fmt: skip
    yield row(view, SECTION, "single_human_agreement", CEILING, ONE_HUMAN,
              view.of_ratio(ceiling, items, proportion=True, undefined=NO_DECIDED),
              n_items=n_items, n_labels=human_labels,
              method=f"{method} items of {name}")  # fmt: skip
    columns = np.hstack([picked(judge, items), ceiling])
    gap = view.smooth(difference_of_ratios, columns, items, bounds=DIFFERENCE, undefined=NO_DECIDED)
    yield row(view, SECTION, "gap", name, CEILING, gap, n_items=n_items, n_labels=mine,
              unit="share difference", method=method)  # fmt: skip
    yield from detectable(
        view, SECTION, "detectable_gap", name, CEILING, gap, n_items, mine, method
    )
    if view.rules.ties is TieRule.DROP:
        yield row(view, SECTION, "decided_share", name, ONE_HUMAN, view.mean(judge[:, 1], items),
                  n_items=n_items, n_labels=mine, method=method)  # fmt: skip


def one_human_terms(view: View, k: int) -> Floats:
    """(match, weight) with one human per item (n, 2); NaN without two humans and a usable label."""
    return share_matches(view.shares(k), view.one_of_several, view.rules.ties)


def _left_out(view: View, k: int, used: NDArray[np.bool_]) -> str | None:
    """Which of the annotator's comparisons the number does not rest on, and why."""
    asked = view.ballots(k).rows[view.keep] > 0
    fewer = int((asked & (view.n_humans < 2)).sum())
    no_label = int((asked & ~used).sum()) - fewer
    parts = []
    if fewer:
        parts.append(f"{fewer:,} with fewer than two humans")
    if no_label:
        parts.append(f"{no_label:,} without a usable label")
    return f"left out: {', '.join(parts)}" if parts else None


def references(view: View) -> list[str]:
    """The human majority, and each gold or majority label of somebody else's."""
    panel = view.panel
    golds = [panel.annotators[g].name for g in panel.indices(AnnotatorKind.AGGREGATE)]
    return [MAJORITY, *golds] if panel.indices(AnnotatorKind.HUMAN) else golds


def best_reference(view: View, first: str, second: str) -> str:
    """One human where two labelled what both judges did, else the majority, else a gold label.

    Raises InputError where there is none of them.
    """
    found = references(view)
    if not found:
        raise InputError(
            f"{view.panel.dataset!r} has no human or gold labels", "Import some: concord import."
        )
    if (view.n_humans >= 2).any():
        found = [ONE_HUMAN, *found]
    k, j = _judge(view, first), _judge(view, second)
    usable = (name for name in found if _in_common(view, k, j, name).any())
    return next(usable, found[0])


def _judge(view: View, name: str) -> int:
    """The place of an annotator."""
    return [who.name for who in view.panel.annotators].index(name)


def _in_common(view: View, k: int, j: int, reference: str) -> NDArray[np.bool_]:
    """The comparisons with usable labels of both judges and the reference."""
    first, second = terms_with(view, k, reference), terms_with(view, j, reference)
    return np.isfinite(first[:, 0]) & np.isfinite(second[:, 0])


def _with_majority(view: View, k: int, reference: str) -> Estimate:
    name, terms = view.panel.annotators[k].name, terms_with(view, k, reference)
    items = np.isfinite(terms[:, 0])
    dropped = int((view.ballots(k).rows[view.keep] > 0).sum() - items.sum())
    note = f"left out: {dropped:,} without a usable label or reference" if dropped else None
    return row(view, SECTION, "majority_agreement", name, reference, view.share(terms, items),
               n_items=int(items.sum()), n_labels=view.n_labels(k, items),
               method=_method(view, reference), note=note)  # fmt: skip


def _differences(view: View, found: list[Estimate]) -> Iterator[Estimate]:
    """The judge of highest agreement less each other one, on the comparisons that both labelled.

    Judges may have labelled different comparisons: their agreements alone do not rank them.
    """
    best, *others = judges_by_agreement(found) or [""]
    reference = main_reference(found)
    for rows in in_threads(lambda n: list(difference_rows(view, best, n, reference)), others):
        yield from rows


def difference_rows(
    view: View, first: str, second: str, reference: str, *, each: bool = False
) -> Iterator[Estimate]:
    """One judge's agreement less another's, paired on the comparisons that both labelled.

    With `each`, first the agreement of either on those comparisons.
    """
    index = {name: _judge(view, name) for name in (first, second)}
    terms = {name: terms_with(view, index[name], reference) for name in (first, second)}
    items = np.logical_and(*(np.isfinite(columns[:, 0]) for columns in terms.values()))
    n_items, method = int(items.sum()), f"{_method(view, reference)} with {reference}"
    n_labels = {name: view.n_labels(index[name], items) for name in terms}
    for name, columns in terms.items() if each else ():
        statistic = "single_human_agreement" if reference == ONE_HUMAN else "majority_agreement"
        yield row(view, SECTION, statistic, name, reference, view.share(columns, items),
                  n_items=n_items, n_labels=n_labels[name],
                  method=f"{_method(view, reference)} items of both")  # fmt: skip
    columns = np.hstack([picked(terms[name], items) for name in (first, second)])
    one, other = (view.counts(k).any(axis=1) for k in index.values())
    none = NO_REFERENCE if (one & other).any() else NONE_IN_COMMON
    why = NO_DECIDED if n_items else none
    difference = view.smooth(difference_of_ratios, columns, items, bounds=DIFFERENCE, undefined=why)
    labels = sum(n_labels.values())
    yield row(view, SECTION, "agreement_difference", first, second, difference,
              n_items=n_items, n_labels=labels, unit="share difference",
              method=method)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_difference", first, second, difference,
                          n_items, labels, method)  # fmt: skip


def terms_with(view: View, k: int, reference: str) -> Floats:
    """(match, weight) per item (n, 2) with what `reference` names; NaN without it or a label."""
    if reference == ONE_HUMAN:
        return one_human_terms(view, k)
    return share_matches(view.shares(k), view.reference(reference), view.rules.ties)


def _method(view: View, reference: str) -> str:
    return view.rules.with_majority if reference == MAJORITY else view.rules.agreement


def _coverage(view: View, k: int) -> Estimate:
    """Usable labels among those asked for, over the comparisons with any row of the annotator."""
    ballots = view.ballots(k)
    asked = ballots.rows[view.keep]
    items = asked > 0
    stored = view.stored(k)
    usable = np.zeros(len(asked))
    for order in range(len(stored)):
        for klass in range(UNPARSED):
            usable += stored[order, :, klass]
    usable /= np.maximum(asked, 1)
    return row(view, SECTION, "coverage", view.panel.annotators[k].name, "labels asked for",
               view.mean(usable, items), n_items=int(items.sum()),
               n_labels=int(asked.sum()))  # fmt: skip
