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
from pipelines.sections.view import (
    DIFFERENCE,
    MAJORITY,
    ONE_HUMAN,
    View,
    detectable,
    row,
    undefined,
)
from pipelines.stats.adjusted import NO_FIT, adjusted
from pipelines.stats.agreement import A, B, one_hot, total
from pipelines.stats.features import parts_of, richer_counts, scaled, turned
from pipelines.stats.intervals import (
    FEWEST_PROMPTS,
    NOT_ASKED,
    Interval,
    interval_around,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.stats.adjusted import Adjusted

    Floats = NDArray[np.float64]

SECTION = "bias"
LENGTH = "length in characters"
DECIDED = "decided labels"
NO_TEXTS = "the texts of the responses are not known"
NO_DIFFERENCE = "no decided label on responses that differ in it"
NO_HUMANS = "no comparison that differs in it has labels of this one and of a human"
NO_PAIRS = "no comparison has labels of two humans and of this one"
FEW_DIFFER = f"fewer than {FEWEST_PROMPTS} prompts have responses that differ in it"
ADJUSTED = "L2 ties=half"
DIFFERS = "L1 ties=half"
NOT_COUNTED = "not counted on all comparisons: add it again with concord features"
FLOOR = 0.05  # what quality that is not normal can do to the L2 figure; see docs/statistics.md
WITHIN_FLOOR = (
    f"not called bias: not clear of {100 * FLOOR:.0f} points, as the model's own error may be large"
)


def feature_rows(view: View, subjects: Sequence[tuple[str, Floats]]) -> Iterator[Estimate]:
    """Of all subjects: name and usable labels (3, n, 3) by order shown."""
    features = _features(view)
    counts = {name: by_order.sum(axis=0) for name, by_order in subjects}
    for name, mine in counts.items():
        for feature, difference in features.items():
            yield from _chosen(view, name, feature, mine, difference)
    yield from difference_rows(view, subjects)
    if ONE_HUMAN not in counts:
        return
    humans = counts.pop(ONE_HUMAN)
    for name, by_order in subjects:
        if name != ONE_HUMAN and view.panel.features:
            yield from _adjusted(view, name, by_order, humans)


def difference_rows(view: View, subjects: Sequence[tuple[str, Floats]]) -> Iterator[Estimate]:
    """L1 alone, of all subjects but the humans; nothing without humans."""
    counts = {name: by_order.sum(axis=0) for name, by_order in subjects}
    if ONE_HUMAN not in counts:
        return
    humans, features = counts.pop(ONE_HUMAN), _features(view)
    for name, mine in counts.items():
        for feature, difference in features.items():
            yield from _less_humans(view, name, feature, mine, humans, difference)


def _features(view: View) -> dict[str, Floats]:
    """Differences a - b (n,) of each feature; of length its sign."""
    features = {LENGTH: view.longer.astype(float)}
    return features | {name: values[view.keep] for name, values in view.panel.features.items()}


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


def curve_rows(view: View, subjects: Sequence[tuple[str, Floats]]) -> Iterator[Estimate]:
    """How often the response with more is chosen as the difference grows: majority, then judges.

    Ties half, every comparison weighing the same; fifths of the comparisons that differ. Nothing
    without humans, and nothing in slices.
    """
    counts = {name: by_order.sum(axis=0) for name, by_order in subjects}
    if counts.pop(ONE_HUMAN, None) is None or view.name != ALL:
        return
    counts = {MAJORITY: one_hot(view.majority), **counts}
    for feature, values in view.panel.features.items():
        difference = values[view.keep]
        fifths = parts_of(difference)
        for name, mine in counts.items():
            with np.errstate(invalid="ignore"):
                chosen = (1 + np.sign(difference) * _mean_score(mine)) / 2
            for part in range(int(fifths.max(initial=-1)) + 1):
                items = (fifths == part) & np.isfinite(chosen)
                if items.any():
                    yield row(view, SECTION, "richer_by_difference", name,
                              f"{feature}: fifth {part + 1} of the differences",
                              view.mean(chosen, items), n_items=int(items.sum()),
                              n_labels=int(mine[items].sum()), method="ties=half")  # fmt: skip


def _less_humans(
    view: View, name: str, feature: str, counts: Floats, humans: Floats, difference: Floats
) -> Iterator[Estimate]:
    """L1: of each comparison that both labelled, the judge's mean score less the humans'.

    Every comparison weighs the same for both, and ties are half: whoever labels as a human does
    then differs by nothing, however many humans there are and however often they tie.
    """
    sign = np.sign(np.nan_to_num(difference))
    items = (sign != 0) & (total(counts) > 0) & (total(humans) > 0)
    if not items.any():
        if view.name == ALL:
            why = NO_HUMANS if view.panel.n_with_texts else NO_TEXTS
            yield undefined(view, SECTION, "difference_from_humans", name, feature, why,
                            unit="share difference", method=DIFFERS)  # fmt: skip
        return
    apart = _mean_score(counts[items]) - _mean_score(humans[items])
    columns = np.stack([sign[items] * apart / 2, np.ones(len(apart))]).T
    found = view.of_ratio(columns, items, bounds=DIFFERENCE)
    n_items, n_labels = int(items.sum()), int(counts[items].sum())
    yield row(view, SECTION, "difference_from_humans", name, feature, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=DIFFERS)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_difference_from_humans", name, feature, found,
                          n_items, n_labels, DIFFERS)  # fmt: skip


def _mean_score(counts: Floats) -> Floats:
    """Mean of a 1, tie 0, b -1 (n,)."""
    result: Floats = (counts[:, A] - counts[:, B]) / total(counts)
    return result


def _adjusted(view: View, name: str, judge: Floats, humans: Floats) -> Iterator[Estimate]:
    """L2: all features together, over comparisons with two humans and this one."""
    x = np.stack([values[view.keep] for values in view.panel.features.values()], axis=1)
    items = (humans.sum(axis=1) >= 2) & (judge.sum(axis=(0, 2)) > 0) & np.isfinite(x).any(axis=1)
    x, judge, prompt = x[items], judge[:, items], view.prompt[items]
    reasons = [_unused(column, prompt) for column in x.T]
    used = np.array([why is None for why in reasons], dtype=bool)
    found, why = None, None if items.any() else NO_PAIRS
    if not view.rules.intervals:
        why = NOT_ASKED
    elif used.any():
        found, why = fitted(x[:, used], humans[items], judge, prompt)
    place = np.cumsum(used) - 1
    for j, feature in enumerate(view.panel.features):
        if found is not None and used[j] and np.isfinite(found.excess[place[j]]):
            interval = limits_of(found, place[j])
            yield row(view, SECTION, "adjusted_difference", name, feature, interval,
                      n_items=len(x), n_labels=int(judge.sum()), unit="share difference",
                      method=ADJUSTED, note=within_floor(interval))  # fmt: skip
            yield from detectable(view, SECTION, "detectable_adjusted_difference", name, feature,
                                  interval, len(x), int(judge.sum()), ADJUSTED)  # fmt: skip
        elif view.name == ALL:
            reason = why or reasons[j] or NO_FIT
            yield undefined(view, SECTION, "adjusted_difference", name, feature, reason,
                            unit="share difference", method=ADJUSTED)  # fmt: skip


def _unused(column: Floats, prompt: NDArray[Any]) -> str | None:
    """Why a feature takes no part in the fit."""
    if not np.isfinite(column).all():
        return NOT_COUNTED
    return FEW_DIFFER if len(np.unique(prompt[column != 0])) < FEWEST_PROMPTS else None


def limits_of(found: Adjusted, j: int) -> Interval:
    """The excess of feature j with its limits, under the rule for few prompts."""
    value, n = float(found.excess[j]), len(found.influence)
    usual = interval_around(value, found.influence[:, j])
    if usual.low is None:
        return usual
    return Interval(value, float(found.low[j]), float(found.high[j]), n, usual.note)


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


def is_bias(low: float | None, high: float | None) -> bool:
    """Whether an interval of L2 is clear of what the model's own error may be."""
    return low is not None and high is not None and (low > FLOOR or high < -FLOOR)


def within_floor(found: Interval) -> str | None:
    """Said of what is not 0 but may be the model's own error."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return None
    return None if is_bias(found.low, found.high) else WITHIN_FLOOR
