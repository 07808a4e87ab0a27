"""Curves with intervals: a share by something that has an order, one colour for each source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import altair as alt

from app.drawing import kept
from app.figures import colour, painted, quiet_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from app.figures import Chart

HEIGHT = 300
SHARES = [0, 0.25, 0.5, 0.75, 1]


@dataclass(frozen=True, slots=True)
class Knot:
    """A point of a curve: who, in which colour role, where, and in words."""

    name: str
    role: str
    x: float
    y: float
    low: float | None
    high: float | None
    text: str
    rests_on: str


@dataclass(frozen=True, slots=True)
class Plane:
    """The axes of a figure of curves: their titles, and names of the places on the x axis.

    Without `places` x is a share too and the diagonal, where both are alike, is drawn; with them
    the line of one half is.
    """

    x_title: str
    y_title: str
    places: tuple[str, ...] = ()


@kept
def curves(knots: Sequence[Knot], plane: Plane) -> Chart:
    """A line through the dots of each name, with the interval of each dot."""
    base = alt.Chart(_frame(knots)).encode(color=colour("role"))
    x = alt.X("x:Q", scale=_x_scale(plane), axis=_x_axis(plane))
    y = {name: alt.Y(f"{name}:Q", scale=_share(), axis=_y_axis(plane)) for name in ("y", "low")}
    layers = [
        _reference(plane, x, y["y"]),
        base.mark_line(strokeWidth=1.5, opacity=0.6, aria=False).encode(
            x=x, y=y["y"], detail="name:N"
        ),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2.5, strokeCap="round", aria=False)
        .encode(x=x, y=y["low"], y2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=80).encode(
            x=x, y=y["y"], tooltip=_tooltip(), description=alt.Description("spoken:N")
        ),
    ]
    return cast("Chart", alt.layer(*layers).properties(width="container", height=HEIGHT))


def _frame(knots: Sequence[Knot]) -> pd.DataFrame:
    beside = _beside(knots)
    return painted(
        {
            "name": [knot.name for knot in knots],
            "role": [knot.role for knot in knots],
            "x": [knot.x + beside[knot.name] for knot in knots],
            "y": [knot.y for knot in knots],
            "low": [knot.low for knot in knots],
            "high": [knot.high for knot in knots],
            "text": [knot.text for knot in knots],
            "rests": [knot.rests_on for knot in knots],
            "spoken": [f"{knot.name}: {knot.text}" for knot in knots],
        }
    )


def _beside(knots: Sequence[Knot]) -> dict[str, float]:
    """How far each name stands from its place: intervals of several would hide each other."""
    names = list(dict.fromkeys(knot.name for knot in knots))
    middle = (len(names) - 1) / 2
    return {name: 0.06 * (k - middle) if len(names) > 1 else 0.0 for k, name in enumerate(names)}


def _share() -> alt.Scale:
    return alt.Scale(domain=[0, 1], nice=False)


def _x_scale(plane: Plane) -> alt.Scale:
    last = len(plane.places)
    return alt.Scale(domain=[0.5, last + 0.5], nice=False) if last else _share()


def _x_axis(plane: Plane) -> alt.Axis:
    if not plane.places:
        return quiet_axis(plane.x_title, format=".0%", values=SHARES)
    names = ", ".join(f"'{name}'" for name in plane.places)  # ours, never somebody's text
    return quiet_axis(
        plane.x_title,
        values=list(range(1, len(plane.places) + 1)),
        labelExpr=f"[{names}][datum.value - 1]",
        grid=False,
    )


def _y_axis(plane: Plane) -> alt.Axis:
    return quiet_axis(plane.y_title, format=".0%", values=SHARES)


def _reference(plane: Plane, x: alt.X, y: alt.Y) -> alt.Chart:
    """Where stated and observed are alike; or one half."""
    ends = (0.5, len(plane.places) + 0.5) if plane.places else (0.0, 1.0)
    heights = (0.5, 0.5) if plane.places else (0.0, 1.0)
    line = alt.Chart(painted({"x": list(ends), "y": list(heights)})).mark_line(
        strokeWidth=1, strokeDash=[4, 4], aria=False
    )
    return cast("alt.Chart", line.encode(x=x, y=y, color=colour("muted")))


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Annotator"),
        alt.Tooltip("text:N", title="Value [95% interval]"),
        alt.Tooltip("rests:N", title="Rests on"),
    ]
