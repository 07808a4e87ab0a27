"""Probe rows (L3): what changing one thing about a response does to a judge's label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data.records import UNCHANGED
from pipelines.sections.view import DIFFERENCE, View, detectable, row
from pipelines.stats.intervals import difference_of_ratios
from pipelines.stats.perturbation import by_item, less_columns, shifted, where_all_are_zero

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
DIFFERS = "share difference"


def probe_rows(view: View) -> Iterator[Estimate]:
    """All judges and probes of one slice."""
    for (judge, probe), labels in view.panel.probed.items():
        unchanged = view.panel.probed.get((judge, UNCHANGED))
        rows = _Rows(view, judge, probe, labels)
        if probe == UNCHANGED:
            yield from rows.share("consistency_rate", labels.kept, SAME_LABEL)
        elif labels.alike:
            yield from rows.share("identical_tie_share", labels.tied, "L3 ties=class")
            yield from rows.place()
        else:
            if not labels.same_texts:
                yield from rows.effect()
                yield from rows.share("changed_chosen_share", labels.after, rows.method)
            if not labels.worse:
                yield from rows.share("robustness_rate", labels.kept, SAME_LABEL)
                yield from rows.less_robust(unchanged)


class _Rows:
    """The rows of one judge and probe."""

    def __init__(self, view: View, judge: str, probe: str, labels: Probed) -> None:
        self.view, self.judge, self.probe, self.labels = view, judge, probe, labels
        self.method = WORSE if labels.worse else METHOD

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
        if not items.any():
            return
        found = where_all_are_zero(shifted(self.view.mean(first, items), -0.5), "all were ties")
        name = "identical_position_effect"
        yield self._row(name, found, items, n_labels, METHOD, DIFFERS)
        yield from self._detectable(name, found, items, n_labels, METHOD)

    def effect(self) -> Iterator[Estimate]:
        """How much more often the response is chosen after the change than before."""
        labels = self.labels
        values = labels.after - labels.before
        change, n_labels = self._means(values, labels)
        items = np.isfinite(change)
        if not items.any():
            return
        columns = np.stack([change[items], np.ones(items.sum())]).T
        found = self.view.of_ratio(columns, items, bounds=DIFFERENCE)
        if not np.nanmax(np.abs(values)):
            found = where_all_are_zero(found, "no label changed")
        yield self._row("probe_effect", found, items, n_labels, self.method, DIFFERS)
        if not labels.worse:
            yield from self._detectable("probe_effect", found, items, n_labels, self.method)

    def less_robust(self, unchanged: Probed | None) -> Iterator[Estimate]:
        """CR - RR: how much more often a label changes than when the judge is asked again."""
        if unchanged is None:
            return
        again, n_again = self._means(unchanged.kept, unchanged)
        kept, n_kept = self._means(self.labels.kept, self.labels)
        items = np.isfinite(again) | np.isfinite(kept)
        if not (np.isfinite(again).any() and np.isfinite(kept).any()):
            return
        columns = less_columns(again[items], kept[items])
        found = self.view.smooth(difference_of_ratios, columns, items, bounds=DIFFERENCE)
        if min(np.nanmin(again), np.nanmin(kept)) == 1:
            found = where_all_are_zero(found, "no label changed")
        name, n = "robustness_lost", n_again + n_kept
        yield self._row(name, found, items, n, SAME_LABEL, DIFFERS)
        yield from self._detectable(name, found, items, n, SAME_LABEL)

    def _means(self, values: Floats, labels: Probed) -> tuple[Floats, int]:
        """Means (n,) by comparison of the slice, and how many labels they rest on."""
        keep = self.view.keep
        means = by_item(values, labels.item, len(keep))[keep]
        return means, int((np.isfinite(values) & keep[labels.item]).sum())

    def _row(
        self, statistic: str, found: Interval, items: NDArray[np.bool_], n_labels: int,
        method: str, unit: str = "share",
    ) -> Estimate:  # fmt: skip
        return row(self.view, SECTION, statistic, self.judge, self.probe, found,
                   n_items=int(items.sum()), n_labels=n_labels, unit=unit, method=method,
                   note=self._without_verdict())  # fmt: skip

    def _detectable(
        self, statistic: str, found: Interval, items: NDArray[np.bool_], n_labels: int, method: str
    ) -> Iterator[Estimate]:
        yield from detectable(self.view, SECTION, f"detectable_{statistic}", self.judge, self.probe,
                              found, int(items.sum()), n_labels, method)  # fmt: skip

    def _without_verdict(self) -> str | None:
        """Said where the change left the judge without a verdict."""
        n = int((np.isnan(self.labels.after) & self.view.keep[self.labels.item]).sum())
        return f"left out: {n:,} labels without a verdict" if n else None
