"""What is asked of one judge at a time, as a screen does: the panel of a data set in, rows out.

Every number is that of the whole report; what other judges would take is not computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.browse import SURE
from data.records import AnnotatorKind
from pipelines.compare import estimates_of
from pipelines.estimates import ALL
from pipelines.sections.calibration import mean_stated, reliability_points
from pipelines.sections.view import View, is_subject
from pipelines.slices import COLUMNS, slice_codes
from pipelines.stats.agreement import A, B, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.sections.view import Rules


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve; low and high are None where there is no interval."""

    x: float
    y: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Against:
    """Comparisons where humans all agree and a judge is confident of the other answer.

    `by_judge`: name and how many of them; a comparison counts once in `n_items`.
    """

    n_items: int
    by_judge: tuple[tuple[str, int], ...]


def whole(panel: Panel, rules: Rules) -> View:
    """All comparisons of a panel."""
    return View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))


def section_of(
    panel: Panel, rules: Rules, section: str, judge: str, slices: str | None = None
) -> list[Estimate]:
    """The rows of a section for one judge beside the humans."""
    return estimates_of(panel.without_others(judge), rules, (section,), slices)


def probed_judges(panel: Panel) -> tuple[str, ...]:
    """The judges that probes asked, also those without a label of the data set itself."""
    return tuple(dict.fromkeys(judge for judge, _ in panel.probed))


def stating_judges(panel: Panel) -> tuple[str, ...]:
    """The judges that state probabilities."""
    stated = np.unique(panel.labels["annotator"][np.isfinite(panel.labels["p_a"].astype(float))])
    who = [panel.annotators[k] for k in stated]
    return tuple(each.name for each in who if is_subject(each))


def known_slices(panel: Panel) -> tuple[str, ...]:
    """The columns that make slices here."""
    return tuple(column for column in COLUMNS if slice_codes(panel, column)[0])


def reliability_of(panel: Panel, rules: Rules, judge: str) -> tuple[Point, ...]:
    """The reliability curve of a judge: stated probability against the humans' mean label."""
    view = whole(panel.without_others(judge), rules)
    [k] = [
        k
        for k in view.panel.indices(AnnotatorKind.JUDGE, AnnotatorKind.BASELINE)
        if view.panel.annotators[k].name == judge
    ]
    found = reliability_points(view, k)
    columns = (found.p, found.observed, found.low, found.high, found.n_items)
    return tuple(_point(*point) for point in zip(*(c.tolist() for c in columns), strict=True))


def _point(x: float, y: float, low: float, high: float, n: int) -> Point:
    known = np.isfinite(low) and np.isfinite(high)
    return Point(x, y, low if known else None, high if known else None, n)


def confidently_against(panel: Panel, rules: Rules) -> Against:
    """At least two humans of one mind, and a judge that is sure of the other response.

    Sure: all its usable labels say so, in both orders; or the mean probability that it states is at
    least .9. Ties are no such answer.
    """
    view = whole(panel, rules)
    humans = panel.human_counts()
    n = humans.sum(axis=1)
    sides = np.where((n >= 2) & (humans[:, A] == n), -1, 0)  # the side that nobody chose
    sides = np.where((n >= 2) & (humans[:, B] == n), 1, sides)
    found = {
        panel.annotators[k].name: (sides != 0) & (_sure_side(view, k) == sides)
        for k in panel.indices(AnnotatorKind.JUDGE)
    }
    union = np.logical_or.reduce(list(found.values())) if found else sides.astype(bool)
    by_judge = tuple((name, int(marks.sum())) for name, marks in found.items())
    return Against(int(union.sum()) if found else 0, by_judge)


def _sure_side(view: View, k: int) -> NDArray[np.int64]:
    """1 where a judge is sure of a, -1 of b, else 0 (n,)."""
    ab, ba, unknown = view.counts_by_order(k)
    every, both = ab + ba + unknown, (total(ab) > 0) & (total(ba) > 0)
    stated = mean_stated(view, k)
    of_a = (both & (every[:, A] == total(every))) | (stated >= SURE)
    of_b = (both & (every[:, B] == total(every))) | (stated <= 1 - SURE)
    result: NDArray[np.int64] = of_a.astype(np.int64) - of_b
    return result
