"""Learning curves: held-out votes matched by number or cost of labels, over the ceiling."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, cast

import altair as alt

from app.drawing import kept
from app.figures import SMALL, _axis, _money_ticks, _round, _scale, _ticks, colour, painted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.figures import Chart, Range

HEIGHT = 340
BESIDE = 0.008  # of the width: how far curves stand apart, so that intervals are seen
ROOM = 0.5  # of the width, beyond the last dot: for names
LETTERS = 24


@dataclass(frozen=True, slots=True)
class Knot:
    """A point of a curve: labels or dollars, and the share of votes matched."""

    x: float
    y: float
    low: float | None
    high: float | None
    text: str
    labels: str
    rests_on: str


@dataclass(frozen=True, slots=True)
class Curve:
    """An arm: whose labels, as a colour; dashed where it is the second of that colour.

    `label` is its name beside the line.
    """

    name: str
    label: str
    role: str
    dashed: bool
    knots: tuple[Knot, ...]


@dataclass(frozen=True, slots=True)
class Shade:
    """What curves are held against: a line, with a band where it has an interval."""

    name: str
    role: str
    value: float
    low: float | None
    high: float | None
    text: str


def limits(curves: Iterable[Curve], shades: Iterable[Shade]) -> tuple[float, ...]:
    """All heights: figures that are compared share their axis."""
    ends = [v for c in curves for k in c.knots for v in (k.y, k.low, k.high)]
    ends += [v for s in shades for v in (s.value, s.low, s.high)]
    return tuple(v for v in ends if v is not None)


@kept
def learning(
    curves: Sequence[Curve], shades: Sequence[Shade], title: str, heights: tuple[float, ...],
    *, money: bool,
) -> Chart:  # fmt: skip
    """A line through the dots of each arm, its name at the end; `title` is of the x axis."""
    y_domain = _round(min(heights), max(heights), least=0.2, share=True)
    x_domain = _x_domain(curves)
    ticks = _money_ticks(x_domain) if money else _numbers(curves)
    across = _axis(title, "$,~r" if money else ",d", ticks, labelOverlap="greedy")
    up = _axis("held-out human votes matched", ".0%", _ticks(y_domain))
    x = alt.X("x:Q", scale=_scale(x_domain, log=True), axis=across)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=_scale(y_domain), axis=up)

    base = alt.Chart(painted(_rows(curves, x_domain))).encode(x=x, color=colour("role"))
    line: dict[str, Any] = {"strokeWidth": 1.75, "opacity": 0.75, "aria": False}
    layers = [
        *_behind(shades, x_domain, _last(curves), x, y("y")),
        base.transform_filter("!datum.dashed").mark_line(**line).encode(y=y("y"), detail="name:N"),
        base.transform_filter("datum.dashed").mark_line(strokeDash=[6, 4], **line).encode(
            y=y("y"), detail="name:N"
        ),
        base.transform_filter("isValid(datum.low)").mark_rule(
            strokeWidth=1.5, opacity=0.5, strokeCap="round", aria=False
        ).encode(y=y("low"), y2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=55).encode(
            y=y("y"), tooltip=_tooltip(), description=alt.Description("spoken:N")
        ),
        _names(curves, shades, x_domain, y_domain, x, y("place")),
    ]  # fmt: skip
    return cast("Chart", alt.layer(*layers).properties(width="container", height=HEIGHT))


def _x_domain(curves: Sequence[Curve]) -> Range:
    """From the first dot to the last, with room for the names beyond."""
    xs = [knot.x for curve in curves for knot in curve.knots]
    low, high = log10(min(xs)), log10(max(xs))
    width = max(high - low, 0.3)
    return (10 ** (low - 0.05 * width), 10 ** (high + ROOM * width))


def _last(curves: Sequence[Curve]) -> float:
    """Where the last dot stands: lines end there, and names begin beyond."""
    return max(knot.x for curve in curves for knot in curve.knots)


def _numbers(curves: Sequence[Curve]) -> list[float]:
    found = sorted({knot.x for curve in curves for knot in curve.knots})
    return found if len(found) <= 9 else [10.0**k for k in range(
        floor(log10(found[0])), ceil(log10(found[-1])) + 1)]  # fmt: skip


def _rows(curves: Sequence[Curve], x_domain: Range) -> dict[str, list[Any]]:
    width = log10(x_domain[1] / x_domain[0])
    middle = (len(curves) - 1) / 2
    found: list[tuple[Curve, Knot, float]] = [
        (curve, knot, 10 ** (BESIDE * width * (k - middle)))
        for k, curve in enumerate(curves)
        for knot in curve.knots
    ]
    return {
        "name": [c.name for c, _, _ in found],
        "role": [c.role for c, _, _ in found],
        "dashed": [c.dashed for c, _, _ in found],
        "x": [k.x * aside for _, k, aside in found],
        "y": [k.y for _, k, _ in found],
        "low": [k.low for _, k, _ in found],
        "high": [k.high for _, k, _ in found],
        "text": [k.text for _, k, _ in found],
        "labels": [k.labels for _, k, _ in found],
        "rests": [k.rests_on for _, k, _ in found],
        "spoken": [f"{c.name}, {k.labels}: {k.text}" for c, k, _ in found],
    }


def _behind(
    shades: Sequence[Shade], x_domain: Range, last: float, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """The ceiling as a band, the longer response as a line."""
    found = []
    for shade in shades:
        ends = {"x": [x_domain[0]], "x2": [x_domain[1]]}
        if shade.role == "human" and shade.low is not None:
            frame = painted({**ends, "y": [shade.low], "y2": [shade.high]})
            rect = alt.Chart(frame).mark_rect(opacity=0.6, aria=False)
            found.append(rect.encode(x=x, x2="x2:Q", y=y, y2="y2:Q", color=colour("band")))
        frame = painted({"x": [x_domain[0]], "x2": [last], "y": [shade.value]})
        rule = alt.Chart(frame).mark_rule(strokeWidth=1, strokeDash=[2, 3], opacity=0.9, aria=False)
        found.append(rule.encode(x=x, x2="x2:Q", y=y, color=colour(shade.role)))
    return found


def _names(
    curves: Sequence[Curve], shades: Sequence[Shade], x_domain: Range, y_domain: Range, x: alt.X,
    y: alt.Y,
) -> alt.Chart:  # fmt: skip
    """Each name at the right edge, as high as its last dot and clear of the others."""
    ends = [(c.label, c.role, c.knots[-1].y) for c in curves]
    ends += [(s.name, s.role, s.value) for s in shades]
    ends.sort(key=lambda end: end[2])
    places = _apart([height for _, _, height in ends], y_domain, (SMALL + 4) / HEIGHT)
    frame = painted(
        {
            "name": [_cut(name) for name, _, _ in ends],
            "role": [role for _, role, _ in ends],
            "x": [x_domain[1]] * len(ends),
            "place": places,
        }
    )
    text = alt.Chart(frame).mark_text(align="right", fontSize=SMALL, aria=False)
    return cast("alt.Chart", text.encode(x=x, y=y, text="name:N", color=colour("role")))


def _cut(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _apart(values: Sequence[float], domain: Range, least: float) -> list[float]:
    """Rising heights, `least` of the axis apart and within it."""
    gap = least * (domain[1] - domain[0])
    places = list(values)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    top = domain[1] - gap / 2
    for k in reversed(range(len(places))):
        places[k] = min(places[k], top)
        top = places[k] - gap
    return places


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Fitted to"),
        alt.Tooltip("text:N", title="Value [95% interval]"),
        alt.Tooltip("labels:N", title="Labels"),
        alt.Tooltip("rests:N", title="Rests on"),
    ]
