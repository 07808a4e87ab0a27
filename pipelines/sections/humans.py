"""Human rows: how each identified human labels beside the others, how fast, and whether it drifts.

Quality here is agreement with colleagues, not with a truth: whoever is right against all others
looks bad. Anonymous slots are refused, as nothing says that a slot is always the same person.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.consistency import ANONYMOUS, NO_HUMANS, usable_labels
from pipelines.sections.view import ONE_HUMAN, View, row, undefined
from pipelines.stats.agreement import TIE, matches, one_hot, shares, total
from pipelines.stats.consistency import places, regression, slope
from pipelines.stats.intervals import NO_VARIATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "humans"

OTHERS, LABELS = "other humans", "human labels"
NO_OTHERS = "no comparison labelled by this human has a label of another"
NO_LABEL = "this human has no usable label"
NO_TIMES = "the time of these labels is not known"
ONE_MOMENT = "the labels that can be compared are all of one moment"
NO_DECIDED = "no comparison where both labels are decided"
PER = 100.0  # labels
FIXED = "the same on every prompt"


def humans_rows(view: View) -> Iterator[Estimate]:
    """All rows of one slice: each identified human; one row for all that are anonymous."""
    annotators = view.panel.annotators
    humans = view.panel.indices(AnnotatorKind.HUMAN)
    named = [k for k in humans if not annotators[k].anonymous]
    if view.name == ALL and len(named) < max(1, len(humans)):
        why = ANONYMOUS if humans else NO_HUMANS
        yield undefined(view, SECTION, "agreement_with_others", ONE_HUMAN, OTHERS, why,
                        method=_method(view))  # fmt: skip
    for k in named:
        yield from _of_human(view, k)


def _of_human(view: View, k: int) -> Iterator[Estimate]:
    own = view.counts(k)
    others = view.humans - own
    yield from _agreement(view, k, own, others)
    yield from _drift(view, k, others)
    yield from _seconds(view, k)
    items = total(own) > 0
    if items.any():
        name, n_labels = view.panel.annotators[k].name, int(items.sum())
        yield row(view, SECTION, "tie_share", name, LABELS, view.mean(own[:, TIE], items),
                  n_items=n_labels, n_labels=n_labels)  # fmt: skip
    elif view.name == ALL:
        yield undefined(view, SECTION, "tie_share", view.panel.annotators[k].name, LABELS, NO_LABEL)


def _method(view: View) -> str:
    return f"ties={view.rules.ties}"


def _agreement(view: View, k: int, own: Floats, others: Floats) -> Iterator[Estimate]:
    name, method = view.panel.annotators[k].name, _method(view)
    terms = matches(shares(own), others, view.rules.ties)
    items = np.isfinite(terms[:, 0])
    if items.any():
        alone = int((total(own) > 0).sum() - items.sum())
        note = f"left out: {alone:,} without a label of another human" if alone else None
        yield row(view, SECTION, "agreement_with_others", name, OTHERS, view.share(terms, items),
                  n_items=int(items.sum()), n_labels=int(items.sum()), method=method,
                  note=note)  # fmt: skip
    elif view.name == ALL:
        yield undefined(view, SECTION, "agreement_with_others", name, OTHERS, NO_OTHERS,
                        method=method)  # fmt: skip


def _seconds(view: View, k: int) -> Iterator[Estimate]:
    name, ballots = view.panel.annotators[k].name, view.ballots(k)
    sums = ballots.seconds[view.keep]
    items = sums[:, 1] > 0
    known = int(sums[:, 1].sum())
    if not items.any():
        if view.name == ALL:
            yield undefined(
                view, SECTION, "seconds_per_label", name, LABELS, NO_TIMES, unit="seconds"
            )
        return
    interval = view.of_ratio(sums[items], items, bounds=(0.0, np.inf))
    if interval.note == NO_VARIATION:  # an agreed time is known, not uncertain
        interval = replace(interval, note=FIXED)
    n_labels = int((ballots.rows[view.keep] > 0).sum())
    missing = n_labels - known
    note = f"not known for {missing:,} of {n_labels:,} labels" if missing else None
    yield row(view, SECTION, "seconds_per_label", name, LABELS, interval,
              n_items=int(items.sum()), n_labels=known, unit="seconds", note=note)  # fmt: skip


# drift


def _drift(view: View, k: int, others: Floats) -> Iterator[Estimate]:
    """The slope of the agreement of each label, repeats too, on its place in this human's work."""
    name, method = view.panel.annotators[k].name, f"per={PER:.0f} labels {_method(view)}"
    labels = usable_labels(view, k)
    place, why = _ordered(_times(view, k), labels["at"])
    terms = matches(one_hot(labels["preference"]), others[labels["item"]], view.rules.ties)
    used = np.isfinite(terms[:, 0]) & np.isfinite(place)
    if why is None and not used.any():
        why = NO_OTHERS
    if why is None and np.ptp(place[used]) == 0:
        why = ONE_MOMENT
    if why is not None:
        if view.name == ALL:
            yield undefined(view, SECTION, "drift", name, OTHERS, why, unit="share difference",
                            method=method)  # fmt: skip
        return
    items = labels["item"][used]
    columns = regression(place[used] / PER, terms[used])
    interval = view.smooth(slope, columns, items, undefined=NO_DECIDED)
    yield row(view, SECTION, "drift", name, OTHERS, interval, n_items=len(np.unique(items)),
              n_labels=int(used.sum()), unit="share difference", method=method)  # fmt: skip


def _times(view: View, k: int) -> Floats:
    """Times of all usable labels of annotator k, in the whole data set and sorted."""
    labels = view.panel.labels
    start, end = np.searchsorted(labels["annotator"], [k, k + 1])
    at = labels["at"][start:end][labels["preference"][start:end] >= 0].astype(float)
    return np.sort(at[np.isfinite(at)])


def _ordered(times: Floats, at: NDArray[Any]) -> tuple[Floats, str | None]:
    """The place of each label among all of this human's, and why that is none.

    There is no order with fewer moments than half the labels: an import without times stamps all
    labels with its own.
    """
    at = at.astype(float)
    place = places(times, at)
    if not len(times):
        return place, NO_TIMES
    moments = len(np.unique(times))
    if 2 * moments < len(times) or moments == 1:
        shared = "one moment" if moments == 1 else f"{moments:,} moments"
        return place, f"{len(times):,} labels share {shared}: their order is not known"
    return place, None
