"""Cost and time rows: what 1,000 labels cost and take, from the labels where that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.view import ONE_HUMAN, View, row, undefined
from pipelines.stats.intervals import NO_VARIATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "cost"
PER = 1000.0
FIXED = "the same on every prompt"


def cost_rows(view: View) -> Iterator[Estimate]:
    """Cost and time per 1,000 labels: each annotator that has a name, and all humans as one."""
    for labels in _subjects(view):
        yield from _per_1000(view, labels, "cost_usd_per_1000", labels.cost, "usd")
        yield from _per_1000(view, labels, "seconds_per_1000", labels.seconds, "seconds")


@dataclass(frozen=True, slots=True)
class _Labels:
    """(sum, number known) of cost and of seconds per comparison (n, 2), and the labels in all."""

    name: str
    kind: str
    cost: Floats
    seconds: Floats
    n_labels: int


def _subjects(view: View) -> Iterator[_Labels]:
    humans = [view.ballots(k) for k in view.panel.indices(AnnotatorKind.HUMAN)]
    if humans:
        yield _Labels(
            ONE_HUMAN,
            "human",
            np.sum([b.cost for b in humans], axis=0)[view.keep],
            np.sum([b.seconds for b in humans], axis=0)[view.keep],
            int(sum(b.rows[view.keep].sum() for b in humans)),
        )
    for k, who in enumerate(view.panel.annotators):
        if not who.anonymous and who.kind != AnnotatorKind.AGGREGATE:
            ballots = view.ballots(k)
            yield _Labels(
                who.name,
                who.kind,
                ballots.cost[view.keep],
                ballots.seconds[view.keep],
                int(ballots.rows[view.keep].sum()),
            )


def _per_1000(
    view: View, labels: _Labels, statistic: str, sums: Floats, unit: str
) -> Iterator[Estimate]:
    items, reference = sums[:, 1] > 0, f"{labels.kind} labels"
    known = int(sums[:, 1].sum())
    if not items.any():
        if view.name == ALL:
            what = "price" if unit == "usd" else "time"
            why = f"the {what} of these labels is not known"
            yield undefined(view, SECTION, statistic, labels.name, reference, why, unit=unit)
        return
    interval = view.of_ratio(sums[items] * np.array([PER, 1.0]), items, bounds=(0.0, np.inf))
    if interval.note == NO_VARIATION:  # a fixed price is known, not uncertain
        interval = replace(interval, note=FIXED)
    missing = labels.n_labels - known
    note = f"not known for {missing:,} of {labels.n_labels:,} labels" if missing else None
    yield row(view, SECTION, statistic, labels.name, reference, interval,
              n_items=int(items.sum()), n_labels=known, unit=unit, note=note)  # fmt: skip
