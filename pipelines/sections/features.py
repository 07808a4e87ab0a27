"""Feature rows: what judges choose more often than humans (L1), and what quality leaves of it (L2).

L1 says that a judge differs from humans, not why: a judge who is merely surer of what is good
chooses the longer response more often too, where longer responses are better. L2 compares with a
judge of the same sharpness and no liking of its own (pipelines/stats/adjusted.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN
from pipelines.sections.view import DIFFERENCE, ONE_HUMAN, View, detectable, row, undefined
from pipelines.stats.adjusted import adjusted
from pipelines.stats.features import richer_counts, scaled, turned
from pipelines.stats.intervals import (
    FEWEST_PROMPTS,
    NOT_ASKED,
    difference_of_ratios,
    interval_of_influence,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.stats.adjusted import Adjusted
    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]

SECTION = "bias"
LENGTH = "length in characters"
DECIDED = "decided labels"
NO_TEXTS = "the texts of the responses are not known"
NO_DIFFERENCE = "no decided label on responses that differ in it"
NO_HUMANS = "no comparison has decided labels of this one and of a human"
NO_PAIRS = "no comparison has labels of two humans and of this one"
FEW_DIFFER = f"fewer than {FEWEST_PROMPTS} prompts have responses that differ in it"
ADJUSTED = "L2 ties=half"
FLOOR = 0.02  # what quality that is not normal can do to the L2 figure; see docs/statistics.md
WITHIN_FLOOR = (
    f"not called bias: not clear of {100 * FLOOR:.0f} points, as the model's own error may be large"
)


def feature_rows(view: View, subjects: Sequence[tuple[str, Floats]]) -> Iterator[Estimate]:
    """Of all subjects: name and usable labels (3, n, 3) by order shown."""
    features = {LENGTH: view.longer.astype(float)}
    features |= {name: values[view.keep] for name, values in view.panel.features.items()}
    counts = {name: by_order.sum(axis=0) for name, by_order in subjects}
    for name, mine in counts.items():
        for feature, difference in features.items():
            yield from _chosen(view, name, feature, mine, difference)
    if ONE_HUMAN not in counts:
        return
    humans = counts.pop(ONE_HUMAN)
    for name, mine in counts.items():
        for feature, difference in features.items():
            yield from _less_humans(view, name, feature, mine, humans, difference)
    for name, by_order in subjects:
        if name != ONE_HUMAN and view.panel.features:
            yield from _adjusted(view, name, by_order, humans)


def _chosen(
    view: View, name: str, feature: str, counts: Floats, difference: Floats
) -> Iterator[Estimate]:
    statistic = "longer_chosen_share" if feature == LENGTH else "richer_chosen_share"
    chosen = richer_counts(counts, difference)
    items = chosen[:, 1] > 0
    if items.any():
        yield row(view, SECTION, statistic, name, feature,
                  view.of_ratio(chosen[items], items, proportion=True),
                  n_items=int(items.sum()), n_labels=int(chosen[:, 1].sum()),
                  method=DECIDED)  # fmt: skip
    elif view.name == ALL:
        why = NO_DIFFERENCE if view.panel.n_with_texts else NO_TEXTS
        yield undefined(view, SECTION, statistic, name, feature, why)


def _less_humans(
    view: View, name: str, feature: str, counts: Floats, humans: Floats, difference: Floats
) -> Iterator[Estimate]:
    """L1: over the decided labels on comparisons where both decided at least once."""
    mine, theirs = richer_counts(counts, difference), richer_counts(humans, difference)
    items = (mine[:, 1] > 0) & (theirs[:, 1] > 0)
    method = f"L1 {DECIDED}"
    if not items.any():
        if view.name == ALL:
            why = NO_HUMANS if view.panel.n_with_texts else NO_TEXTS
            yield undefined(view, SECTION, "difference_from_humans", name, feature, why,
                            unit="share difference", method=method)  # fmt: skip
        return
    found = view.smooth(
        difference_of_ratios, np.hstack([mine[items], theirs[items]]), items, bounds=DIFFERENCE
    )
    n_items, n_labels = int(items.sum()), int(mine[items, 1].sum())
    yield row(view, SECTION, "difference_from_humans", name, feature, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=method)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_difference_from_humans", name, feature, found,
                          n_items, n_labels, method)  # fmt: skip


def _adjusted(view: View, name: str, judge: Floats, humans: Floats) -> Iterator[Estimate]:
    """L2: all features together, over comparisons with two humans and this one."""
    x = np.stack([values[view.keep] for values in view.panel.features.values()], axis=1)
    items = (humans.sum(axis=1) >= 2) & (judge.sum(axis=(0, 2)) > 0) & np.isfinite(x).all(axis=1)
    x, judge, prompt = x[items], judge[:, items], view.prompt[items]
    enough = np.array([len(np.unique(prompt[c != 0])) >= FEWEST_PROMPTS for c in x.T], dtype=bool)
    found, why = None, FEW_DIFFER if items.any() else NO_PAIRS
    if not view.rules.intervals:
        why = NOT_ASKED
    elif enough.any():
        found, problem = fitted(x[:, enough], humans[items], judge, prompt)
        why = problem or why
    place = np.cumsum(enough) - 1
    for j, feature in enumerate(view.panel.features):
        if found is not None and enough[j]:
            interval = interval_of_influence(found.excess[place[j]], found.influence[:, place[j]])
            yield from _adjusted_row(view, name, feature, interval, len(x),
                                     int(judge.sum()))  # fmt: skip
        elif view.name == ALL:
            yield undefined(view, SECTION, "adjusted_difference", name, feature, why,
                            unit="share difference", method=ADJUSTED)  # fmt: skip


def fitted(
    x: Floats, humans: Floats, judge: Floats, prompt: NDArray[Any]
) -> tuple[Adjusted | None, str | None]:
    """The L2 fit of items, and why there is none.

    With a and b exchanged where that makes it the same however slots are named.
    """
    swapped = judge[[BA, AB, UNKNOWN]][:, :, ::-1]
    signs = [x, humans - humans[:, ::-1], *(judge - swapped)]
    turn = turned(np.hstack(signs))[:, None]
    x = np.where(turn, -x, x)
    humans = np.where(turn, humans[:, ::-1], humans)
    judge = np.where(turn, swapped, judge)
    return adjusted(scaled(x), humans, judge, np.unique(prompt, return_inverse=True)[1])


def _adjusted_row(
    view: View, name: str, feature: str, found: Interval, n_items: int, n_labels: int
) -> Iterator[Estimate]:
    yield row(view, SECTION, "adjusted_difference", name, feature, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=ADJUSTED,
              note=within_floor(found))  # fmt: skip
    yield from detectable(view, SECTION, "detectable_adjusted_difference", name, feature, found,
                          n_items, n_labels, ADJUSTED)  # fmt: skip


def is_bias(low: float | None, high: float | None) -> bool:
    """Whether an interval of L2 is clear of what the model's own error may be."""
    return low is not None and high is not None and (low > FLOOR or high < -FLOOR)


def within_floor(found: Interval) -> str | None:
    """Said of what is not 0 but may be the model's own error."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return None
    return None if is_bias(found.low, found.high) else WITHIN_FLOOR
