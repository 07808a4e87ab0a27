"""Strategies by cost and quality: who is on the frontier, recommended, and not told from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Any, cast

import altair as alt

from app.drawing import kept
from app.figures import (
    AXIS_FORMATS,
    SCATTER,
    SIZE,
    _axis,
    _money_ticks,
    _round,
    _scale,
    _ticks,
    colour,
    painted,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from app.figures import Chart, Range

NEAR = 0.05  # of the width: numbers of points so close would cover each other
ABOVE = 8  # pixels from a point's middle to that of its number
RECOMMENDED, ALIKE, FRONTIER, OTHER = "recommended", "not told apart", "on the frontier", ""


@dataclass(frozen=True, slots=True)
class Try:
    """A strategy as a point: its number in the table, colour role, and what marks it."""

    number: int
    name: str
    role: str
    cost: float
    quality: float
    low: float | None
    high: float | None
    mark: str
    on_frontier: bool
    cost_text: str
    quality_text: str


@kept
def frontier(tries: Sequence[Try], titles: tuple[str, str]) -> Chart:
    """Quality by cost (log): marked ones with interval and number, the rest small.

    `titles` of the axes. All costs are above 0.
    """
    costs = [each.cost for each in tries]
    x_domain = (min(costs) / 1.6, max(costs) * 1.6)
    ends = [
        v for t in tries for v in (t.quality, *((t.low, t.high) if t.mark else ())) if v is not None
    ]
    y_domain = _round(min(ends), max(ends) + 0.02, least=0.2, share=True)
    x = alt.X("cost:Q", scale=_scale(x_domain, log=True),
              axis=_axis(titles[0], AXIS_FORMATS["usd"], _money_ticks(x_domain)))  # fmt: skip

    def y(field: str) -> alt.Y:
        axis = _axis(titles[1], AXIS_FORMATS["share"], _ticks(y_domain))
        return alt.Y(f"{field}:Q", axis=axis, scale=_scale(y_domain))

    base = alt.Chart(_frame(tries, x_domain, y_domain)).encode(
        x=x, color=colour("role"), tooltip=_tooltip(titles)
    )
    said: dict[str, Any] = {"y": y("quality"), "description": alt.Description("spoken:N")}
    layers = [
        *_steps(tries, x, y("quality")),
        base.transform_filter("datum.mark === ''").mark_point(
            filled=True, opacity=0.45, size=36
        ).encode(**said),
        base.transform_filter("datum.mark !== '' && isValid(datum.low)").mark_rule(
            strokeWidth=2, opacity=0.6, strokeCap="round", aria=False
        ).encode(y=y("low"), y2="high:Q"),
        base.transform_filter("datum.mark !== ''").mark_point(
            filled=True, opacity=1, size=100
        ).encode(**said),
        base.transform_filter(f"datum.mark === '{RECOMMENDED}'").mark_point(
            filled=False, opacity=1, size=320, strokeWidth=2, aria=False
        ).encode(y=y("quality"), color=colour("ink")),
        base.transform_filter("isValid(datum.place)").mark_text(
            align="left", dx=11, dy=-ABOVE, fontSize=SIZE, aria=False
        ).encode(y=y("place"), text="number:N", color=colour("ink")),
    ]  # fmt: skip
    return cast("Chart", alt.layer(*layers).properties(width="container", height=SCATTER))


def _frame(tries: Sequence[Try], x_domain: Range, y_domain: Range) -> pd.DataFrame:
    return painted(
        {
            "number": [str(each.number) for each in tries],
            "name": [each.name for each in tries],
            "role": [each.role for each in tries],
            "cost": [each.cost for each in tries],
            "quality": [each.quality for each in tries],
            "low": [each.low for each in tries],
            "high": [each.high for each in tries],
            "mark": [each.mark for each in tries],
            "place": _places(tries, x_domain, y_domain),
            "cost_text": [each.cost_text for each in tries],
            "quality_text": [each.quality_text for each in tries],
            "spoken": [f"{t.name}: {t.quality_text} at {t.cost_text}" for t in tries],
        }
    )


def _places(tries: Sequence[Try], x_domain: Range, y_domain: Range) -> list[float | None]:
    """Heights for the numbers, None for no number.

    Those that must be told apart (all but the ones not told from the best) have one, moved up where
    they cost much the same; of the rest those whose number covers no other number and no point.
    """
    near = NEAR * log10(x_domain[1] / x_domain[0])
    pixel = (y_domain[1] - y_domain[0]) / SCATTER
    gap = (SIZE + 1) * pixel
    places: list[float | None] = [None] * len(tries)
    marked = sorted((k for k, t in enumerate(tries) if t.mark), key=lambda k: tries[k].quality)

    def beside(k: int) -> list[int]:
        return [j for j in marked if j != k and abs(log10(tries[j].cost / tries[k].cost)) < near]

    for k in (k for k in marked if tries[k].mark != ALIKE):
        taken = [at for j in beside(k) if (at := places[j]) is not None]
        places[k] = max([tries[k].quality, *(at + gap for at in taken)])
    for k in (k for k in reversed(marked) if tries[k].mark == ALIKE):
        at = tries[k].quality
        numbers = [place for j in beside(k) if (place := places[j]) is not None]
        points = [tries[j].quality - ABOVE * pixel for j in beside(k)]
        if all(abs(each - at) >= gap for each in (*numbers, *points)):
            places[k] = at
    return places


def _steps(tries: Sequence[Try], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The line through those on the frontier, cheapest first."""
    order = sorted((t for t in tries if t.on_frontier), key=lambda each: each.cost)
    if len(order) < 2:
        return []
    frame = painted({"cost": [t.cost for t in order], "quality": [t.quality for t in order]})
    line = alt.Chart(frame).mark_line(
        interpolate="step-after", strokeWidth=1.5, strokeDash=[5, 4], aria=False
    )
    return [line.encode(x=x, y=y, color=colour("muted"))]


def _tooltip(titles: tuple[str, str]) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Strategy"),
        alt.Tooltip("quality_text:N", title=titles[1]),
        alt.Tooltip("cost_text:N", title="Cost"),
        alt.Tooltip("mark:N", title="Mark"),
    ]
