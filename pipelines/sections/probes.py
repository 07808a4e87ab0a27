"""Probe rows (L3): what changing one thing about a response does to a judge's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import UNCHANGED
from pipelines.sections.view import DIFFERENCE, View, detectable, row
from pipelines.stats.intervals import where_all_are_alike
from pipelines.stats.perturbation import by_item, shifted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Probed
    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]

SECTION = "bias"
METHOD = "L3 paired by comparison, ties=half"
WORSE = "L3 takes something away: should be negative, ties=half"
SAME_LABEL = "L3 same label in the same order, ties=class"
VERDICTS = "L3 labels asked for, paired by comparison"
DIFFERS = "share difference"
HALF = (-0.5, 0.5)
FEW_LOST = 0.05  # of the labels, without a verdict: more could hide an effect, or make one
MANY_LOST = "too many have no verdict to call this found"


def probe_rows(view: View) -> Iterator[Estimate]:
    """All judges and probes of one slice."""
    for (judge, probe), labels in view.panel.probed.items():
        rows = _Rows(view, judge, probe, labels)
        if probe == UNCHANGED:
            yield from rows.share("consistency_rate", labels.kept, SAME_LABEL)
        elif labels.alike:
            if rows.ordered:  # else both have the same rating, by construction
                yield from rows.share("identical_tie_share", labels.tied, "L3 ties=class")
                yield from rows.place()
        else:
            yield from rows.verdicts()
            if not labels.same_texts:
                yield from rows.effect()
                yield from rows.share("changed_chosen_share", labels.after, rows.method)
            if not labels.worse:
                yield from rows.share("robustness_rate", labels.kept, SAME_LABEL)
                yield from rows.less_robust(view.panel.probed.get((judge, UNCHANGED)))


class _Rows:
    """The rows of one judge and probe."""

    def __init__(self, view: View, judge: str, probe: str, labels: Probed) -> None:
        self.view, self.judge, self.probe, self.labels = view, judge, probe, labels
        self.method = WORSE if labels.worse else METHOD
        self.ordered = bool(np.isfinite(labels.first).any())
        mine = view.keep[labels.item]
        self.lost_after, self.lost_before = np.isnan(labels.after), np.isnan(labels.before)
        self.n_asked = int(mine.sum())
        self.n_lost = int(((self.lost_after | self.lost_before) & mine).sum())

    def share(self, statistic: str, values: Floats, method: str) -> Iterator[Estimate]:
        """The mean over comparisons of a value in [0, 1] of each label."""
        means, n_labels = self._means(values, self.labels)
        items = np.isfinite(means)
        if items.any():
            yield self._row(statistic, self.view.mean(means, items), items, n_labels, method)

    def place(self) -> Iterator[Estimate]:
        """How much more often than half the first shown of two identical responses is chosen."""
        first, n_labels = self._means(self.labels.first, self.labels)
        items = np.isfinite(first)
        if items.any():
            found = shifted(self.view.mean(first, items), -0.5)
            found = where_all_are_alike(found, HALF)
            yield from self._effect("identical_position_effect", found, items, n_labels, METHOD)

    def effect(self) -> Iterator[Estimate]:
        """How much more often the response is chosen after the change than before."""
        change, n_labels = self._means(self.labels.after - self.labels.before, self.labels)
        yield from self._mean_effect("probe_effect", change, n_labels, self.method)

    def verdicts(self) -> Iterator[Estimate]:
        """How many more labels have no verdict after the change than before, where any has none."""
        if self.n_lost:
            lost = self.lost_after.astype(float) - self.lost_before
            change, n_labels = self._means(lost, self.labels)
            yield from self._mean_effect("verdicts_lost", change, n_labels, VERDICTS)

    def less_robust(self, unchanged: Probed | None) -> Iterator[Estimate]:
        """CR - RR on comparisons that have both: labels turned beyond those that turn anyway.

        Not of ratings: asked again both responses are rated anew, after a change only one is.
        """
        if unchanged is None or not self.ordered:
            return
        again, n_again = self._means(unchanged.kept, unchanged)
        kept, n_kept = self._means(self.labels.kept, self.labels)
        yield from self._mean_effect("robustness_lost", again - kept, n_again + n_kept, SAME_LABEL)

    def _mean_effect(
        self, statistic: str, change: Floats, n_labels: int, method: str
    ) -> Iterator[Estimate]:
        items = np.isfinite(change)
        if not items.any():
            return
        columns = np.stack([change[items], np.ones(items.sum())]).T
        found = self.view.of_ratio(columns, items, bounds=DIFFERENCE)
        found = where_all_are_alike(found, DIFFERENCE)
        yield from self._effect(statistic, found, items, n_labels, method)

    def _effect(
        self, statistic: str, found: Interval, items: NDArray[np.bool_], n_labels: int, method: str
    ) -> Iterator[Estimate]:
        yield self._row(statistic, found, items, n_labels, method, DIFFERS)
        if method != WORSE:
            name, n_items = f"detectable_{statistic}", int(items.sum())
            yield from detectable(self.view, SECTION, name, self.judge, self.probe, found,
                                  n_items, n_labels, method)  # fmt: skip

    def _means(self, values: Floats, labels: Probed) -> tuple[Floats, int]:
        """Means (n,) by comparison of the slice, and how many labels they rest on."""
        keep = self.view.keep
        means = by_item(values, labels.item, len(keep))
        return means[keep], int((np.isfinite(means) & keep)[labels.item].sum())

    def _row(
        self, statistic: str, found: Interval, items: NDArray[np.bool_], n_labels: int,
        method: str, unit: str = "share",
    ) -> Estimate:  # fmt: skip
        return row(self.view, SECTION, statistic, self.judge, self.probe, found,
                   n_items=int(items.sum()), n_labels=n_labels, unit=unit, method=method,
                   note=None if method == VERDICTS else self._without_verdict())  # fmt: skip

    def _without_verdict(self) -> str | None:
        """Said where labels before or after the change have no verdict."""
        if not self.n_lost:
            return None
        text = f"left out: {self.n_lost:,} of {self.n_asked:,} labels without a verdict"
        return f"{text}; {MANY_LOST}" if self.n_lost > FEW_LOST * self.n_asked else text
