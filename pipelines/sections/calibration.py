"""Calibration rows: a judge's stated probabilities against human labels, before and after a fit.

A judge's p on a comparison is the mean of the probabilities that its usable labels state. Labels
without one are left out: a hard label is no probability, and calling it 0 or 1 would make any judge
overconfident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.view import CEILING, ONE_HUMAN, View, is_subject, row, undefined
from pipelines.stats.agreement import A, B
from pipelines.stats.calibration import (
    BINS,
    CLIP,
    Reliability,
    beyond_clip,
    brier,
    calibration_errors,
    excess_brier,
    log_loss_columns,
    noise,
    reliability,
    slope_interval,
)
from pipelines.stats.recalibration import cross_fitted, isotonic, temperature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SECTION = "calibration"
STATED = "stated probabilities"
FITS = {"temperature cross-fitted": temperature, "isotonic cross-fitted": isotonic}
HALF = "ties=half"
DECIDED = f"ties=left out p clipped to [{CLIP}, {1 - CLIP}]"
BINNED = f"{HALF} {BINS} bins of equal mass"
NO_PROBABILITIES = (
    "the judge states no probabilities: use a soft judge, or take several samples of each label"
)
NO_HUMANS = "the data set has no human labels"
NONE_IN_COMMON = "no comparison has a stated probability and a human label"
NO_TWO = "no comparison has a stated probability and labels of two humans"
NOT_FITTED = "the decided human labels of the other prompts determine no fit"


def calibration_rows(view: View) -> Iterator[Estimate]:
    """All calibration rows of one slice; what is fitted to human labels only over all."""
    for k, who in enumerate(view.panel.annotators):
        if not is_subject(who):
            continue
        stated = _stated(view, k)
        why = _nothing(view, stated)
        if why is None:
            yield from _of_judge(view, k, stated)
        elif view.name == ALL and (who.kind == AnnotatorKind.JUDGE or stated.any()):
            yield undefined(
                view, SECTION, "calibration_error", who.name, ONE_HUMAN, why,
                method=f"{STATED} {BINNED}",
            )  # fmt: skip


def reliability_points(view: View, k: int) -> Reliability:
    """The reliability curve of annotator k against the humans; empty where it has no points."""
    stated = _stated(view, k)
    items = stated.items(view)
    return reliability(stated.p[items], view.humans[items], view.prompt[items])


def mean_stated(view: View, k: int) -> Floats:
    """The mean P(a preferred) (n,) that annotator k states; NaN where it states none."""
    return _stated(view, k).p


@dataclass(frozen=True, slots=True)
class _Stated:
    """Mean stated P(a preferred) per comparison, NaN without one, and how many labels state it."""

    p: Floats
    labels: NDArray[np.int64]

    def any(self) -> bool:
        """Whether any probability was stated."""
        return bool(self.labels.any())

    def items(self, view: View) -> Mask:
        """Comparisons with a stated probability and a human label."""
        result: Mask = (self.labels > 0) & (view.n_humans > 0)
        return result


def _stated(view: View, k: int) -> _Stated:
    labels, n_items = view.panel.labels, view.panel.n_items
    mine = slice(*np.searchsorted(labels["annotator"], [k, k + 1]))
    p_a = labels["p_a"][mine].astype(float)
    known = np.isfinite(p_a) & (labels["preference"][mine] >= 0)
    item = labels["item"][mine][known].astype(np.int64)
    n = np.bincount(item, minlength=n_items)
    # the mean distance from 1/2: mirrored labels then give exactly the mirrored mean
    sums = np.bincount(item, weights=p_a[known] - 0.5, minlength=n_items)
    with np.errstate(invalid="ignore"):
        p = 0.5 + sums / n
    return _Stated(p[view.keep], n[view.keep])


def _nothing(view: View, stated: _Stated) -> str | None:
    """Why there is nothing to compare; None where there is."""
    if not stated.any():
        return NO_PROBABILITIES
    if not view.panel.indices(AnnotatorKind.HUMAN):
        return NO_HUMANS
    return None if stated.items(view).any() else NONE_IN_COMMON


def _of_judge(view: View, k: int, stated: _Stated) -> Iterator[Estimate]:
    """The judge as it states and, overall, as each fit makes of it, on the same comparisons."""
    items = stated.items(view)
    scored = {STATED: stated.p[items]}
    if view.name == ALL:
        for method, fit in FITS.items():
            scored[method] = cross_fitted(fit, scored[STATED], view.humans[items],
                                          view.prompt[items])  # fmt: skip
    fitted = {method: p for method, p in scored.items() if np.isfinite(p).all()}
    errors = calibration_errors(list(fitted.values()), view.humans[items], view.prompt[items])
    judge = _Judge(view, k, stated, items)
    for (method, p), error in zip(fitted.items(), errors, strict=True):
        everywhere = np.full(len(items), np.nan)
        everywhere[items] = p
        yield from judge.squares(method, everywhere)
        yield from judge.decided(method, everywhere)
        yield judge.row("calibration_error", error, items, "share", f"{method} {BINNED}")
    for method in (method for method in scored if method not in fitted):
        yield undefined(view, SECTION, "calibration_error", judge.name, ONE_HUMAN, NOT_FITTED,
                        method=f"{method} {BINNED}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Judge:
    """Makes the rows of one judge; `items` have a stated probability and a human label."""

    view: View
    k: int
    stated: _Stated
    items: Mask

    @property
    def name(self) -> str:
        """The judge's name."""
        return self.view.panel.annotators[self.k].name

    def squares(self, method: str, p: Floats) -> Iterator[Estimate]:
        """Brier score, its floor (once) and their difference, on comparisons of two humans.

        Where no comparison has two humans the Brier score stands alone.
        """
        view, method_of_ties = self.view, f"{method} {HALF}"
        two = self.items & (view.n_humans >= 2)
        used = two if two.any() else self.items
        score = self._mean(brier(p, view.humans), used, (0.0, 1.0))
        yield self.row("brier", score, used, "brier", method_of_ties)
        if not two.any():
            yield undefined(view, SECTION, "excess_brier", self.name, CEILING, NO_TWO,
                            unit="brier", method=method_of_ties)  # fmt: skip
            return
        if method == STATED:
            floor = self._mean(noise(view.humans), two, (0.0, 0.5))
            yield row(view, SECTION, "brier_floor", CEILING, ONE_HUMAN, floor,
                      n_items=int(two.sum()), n_labels=int(view.humans[two].sum()), unit="brier",
                      method=f"{HALF} items of {self.name}")  # fmt: skip
        excess = self._mean(excess_brier(p, view.humans), two, (-0.5, 1.0))
        yield self.row("excess_brier", excess, two, "brier", method_of_ties, CEILING)

    def _mean(self, values: Floats, items: Mask, bounds: tuple[float, float]) -> Interval:
        columns = np.stack([values[items], np.ones(items.sum())], axis=1)
        return self.view.of_ratio(columns, items, bounds=bounds)

    def decided(self, method: str, p: Floats) -> Iterator[Estimate]:
        """Log-loss and calibration slope, where a human label is decided."""
        view, method = self.view, f"{method} {DECIDED}"
        used = self.items & (view.humans[:, A] + view.humans[:, B] > 0)
        n_clipped = int(beyond_clip(p[used]).sum())
        note = f"{n_clipped:,} comparisons with p beyond the clip" if n_clipped else None
        columns = log_loss_columns(p[used], view.humans[used])
        loss = view.of_ratio(columns, used, bounds=(0.0, np.inf))
        yield self.row("log_loss", loss, used, "nats", method, note=note)
        slope = slope_interval(p[used], view.humans[used], view.prompt[used])
        yield self.row("calibration_slope", slope, used, "slope", method, note=note)

    def row(
        self,
        statistic: str,
        interval: Interval,
        used: Mask,
        unit: str,
        method: str,
        reference: str = ONE_HUMAN,
        note: str | None = None,
    ) -> Estimate:
        """A row of the judge, with what it does not rest on."""
        notes = "; ".join(text for text in (self._left_out(used), note) if text)
        return row(self.view, SECTION, statistic, self.name, reference, interval,
                   n_items=int(used.sum()), n_labels=int(self.stated.labels[used].sum()),
                   unit=unit, method=method, note=notes or None)  # fmt: skip

    def _left_out(self, used: Mask) -> str | None:
        """Which of the judge's comparisons a number does not rest on, and why."""
        asked = self.view.ballots(self.k).rows[self.view.keep] > 0
        silent = int((asked & (self.stated.labels == 0)).sum())
        humans = int((asked & ~used).sum()) - silent
        parts = []
        if silent:
            parts.append(f"{silent:,} without a stated probability")
        if humans:
            parts.append(f"{humans:,} without the human labels needed")
        return f"left out: {', '.join(parts)}" if parts else None
