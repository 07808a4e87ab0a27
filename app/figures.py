"""Tables to Altair charts. No Streamlit: a chart can be tested, and drawn elsewhere.

Colours are roles (app.theme.ROLES): the page's theme gives the range of every colour scale, so the
same chart is right in light and dark. Untrusted names are data, never field names or expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd

from app.theme import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.tables import Dot, Pair, Spot

Chart = alt.LayerChart
Range = tuple[float, float]

ROW = 48  # pixels of a row: its words above, its dot below
WORDS, MARK = -10, 9  # their offsets from the row's middle
SIZE, SMALL = 13, 12
UNDER, OVER = 56, 22  # pixels of the axis below, and of the band's name above
CELL = (46, 32)
AXIS_FORMATS = {
    "share": ".0%",
    "usd": "$,~r",
    "seconds": ",~r",
    "kappa": ".1f",
    "share difference": "+d",
}
TICKS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a dot figure; `domain` None is taken from the data."""

    title: str
    unit: str = "share"
    log: bool = False
    zero: float | None = None
    domain: Range | None = None
    band_title: str = ""


def colour(field: str) -> alt.Color:
    """A mark's colour: the data's field `role`, or a constant role that `painted` added."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(ROLES)), legend=None)


def painted(columns: dict[str, Any]) -> pd.DataFrame:
    """A table with a constant column for each role, for marks whose colour is not in the data."""
    frame = pd.DataFrame(columns)
    return frame.assign(**{role: role for role in ROLES})


def dots(rows: Sequence[Dot], axis: Axis) -> Chart:
    """One row per annotator: name and figures above, dot with interval and its band below."""
    frame = _frame(rows, axis)
    domain = axis.domain or _domain(rows, axis)
    base = alt.Chart(frame).encode(y=alt.Y("row:O", axis=None, scale=alt.Scale(type="band")))
    x = _x(axis, domain)
    layers = [
        *_bands(base, x, rows, axis, domain),
        *_zero(axis, x),
        base.mark_rule(strokeWidth=2.5, yOffset=MARK, strokeCap="round").encode(
            x=x.field("low"), x2="high:Q", color=colour("role")
        ),
        *_points(base, x),
        *_words(base),
    ]
    over = OVER if any(row.band for row in rows) and axis.band_title else 0
    height = ROW * max(1, len(rows)) + UNDER + over  # Streamlit fits axis and padding into it
    return alt.layer(*layers).properties(height=height, width="container")


def _frame(rows: Sequence[Dot], axis: Axis) -> pd.DataFrame:
    """The rows as columns of fixed names; what a log axis cannot place is left without a dot."""
    scale = 100.0 if axis.unit == "share difference" else 1.0

    def placed(value: float | None) -> float | None:
        return None if value is None or (axis.log and value <= 0) else value * scale

    table = {
        "row": range(len(rows)),
        "name": [row.name for row in rows],
        "role": [row.role for row in rows],
        "value": _floats(placed(row.value) for row in rows),
        "low": _floats(placed(row.low) for row in rows),
        "high": _floats(placed(row.high) for row in rows),
        "band_low": _floats(placed(row.band[0]) if row.band else None for row in rows),
        "band_high": _floats(placed(row.band[1]) if row.band else None for row in rows),
        "text": [row.text for row in rows],
        "figures": [f"{row.text} · n {row.n:,}" if row.n else row.text for row in rows],
        "rests": [row.rests_on for row in rows],
        "note": [row.note for row in rows],
    }
    return painted(table)


def _floats(values: Iterable[float | None]) -> pd.Series[float]:
    return pd.Series(list(values), dtype="float64")


@dataclass(frozen=True, slots=True)
class _X:
    axis: alt.Axis
    scale: alt.Scale

    def field(self, name: str) -> alt.X:
        return alt.X(f"{name}:Q", axis=self.axis, scale=self.scale)

    def at(self, value: float) -> alt.XDatum:
        return alt.XDatum(value, axis=self.axis, scale=self.scale)


def _x(axis: Axis, domain: Range) -> _X:
    return _X(
        alt.Axis(
            title=axis.title,
            format=AXIS_FORMATS.get(axis.unit, ".2~f"),
            values=_ticks(domain, axis.log),
            grid=True,
            gridOpacity=0.6,
            domain=False,
            ticks=False,
            labelFontSize=SMALL,
            labelFlush=True,
            titleFontSize=SMALL,
            titleFontWeight="normal",
            titleAnchor="start",
            titleAlign="left",
        ),
        alt.Scale(type="log" if axis.log else "linear", domain=list(domain), nice=False),
    )


def _domain(rows: Sequence[Dot], axis: Axis) -> Range:
    """Round limits around all values, intervals and bands (in the axis's unit)."""
    factor = 100.0 if axis.unit == "share difference" else 1.0
    found = [v for row in rows for v in (row.value, row.low, row.high, *(row.band or ()))]
    values = [v * factor for v in found if v is not None and not (axis.log and v <= 0)]
    values += [] if axis.zero is None else [axis.zero]
    if not values:
        return (1.0, 10.0) if axis.log else (0.0, 1.0)
    low, high = min(values), max(values)
    if axis.log:
        return (10.0 ** floor(log10(low) - 0.05), 10.0 ** ceil(log10(high) + 0.05))
    return _round(low, high, least=10.0 if factor > 1 else 0.2, share=axis.unit == "share")


def _round(low: float, high: float, *, least: float, share: bool) -> Range:
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    step = _step(low, high)
    low = round(step * floor(low / step + 1e-9), 10)
    high = round(step * ceil(high / step - 1e-9), 10)
    return (max(0.0, low), min(1.0, high)) if share else (low, high)


def _step(low: float, high: float) -> float:
    """A round distance of ticks: four to nine of them."""
    raw = (high - low) / 5
    power = 10.0 ** floor(log10(raw))
    return next((t * power for t in TICKS if t * power >= raw * 0.999), 10 * power)


def _ticks(domain: Range, log: bool) -> list[float]:
    low, high = domain
    if log:
        return [10.0**k for k in range(round(log10(low)), round(log10(high)) + 1)]
    step = _step(low, high)
    first = ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, floor(high / step + 1e-9) + 1)]


def _bands(
    base: alt.Chart, x: _X, rows: Sequence[Dot], axis: Axis, domain: Range
) -> list[alt.Chart]:
    """What each row is compared with, as shading; its name stands above the first one."""
    banded = [row.band for row in rows if row.band]
    if not banded:
        return []
    shaded = base.mark_rect(opacity=0.75, strokeWidth=1.5).encode(
        x=x.field("band_low"), x2="band_high:Q", color=colour("band")
    )
    factor = 100.0 if axis.unit == "share difference" else 1.0
    middle = factor * (banded[0][0] + banded[0][1]) / 2
    share = (middle - domain[0]) / (domain[1] - domain[0])
    align = "left" if share < 0.3 else "right" if share > 0.7 else "center"
    edge = {"left": banded[0][0], "right": banded[0][1], "center": middle / factor}[align]
    name = (
        alt.Chart(painted({"text": [axis.band_title]}))
        .mark_text(align=align, baseline="bottom", fontSize=SMALL)
        .encode(x=x.at(edge * factor), y=alt.value(-5), text="text:N", color=colour("human"))
    )
    return [shaded, *([name] if axis.band_title else [])]


def _zero(axis: Axis, x: _X) -> list[alt.Chart]:
    if axis.zero is None:
        return []
    line = alt.Chart(painted({"zero": [0]})).mark_rule(strokeWidth=1.5)
    return [line.encode(x=x.at(axis.zero), color=colour("muted"))]


def _points(base: alt.Chart, x: _X) -> list[alt.Chart]:
    """A filled dot with an interval; a hollow one where there are too few prompts for it."""
    hollow = "isValid(datum.value) && !isValid(datum.low)"
    tooltip = _tooltip()
    return [
        base.transform_filter("isValid(datum.low)")
        .mark_point(filled=True, opacity=1, size=90, yOffset=MARK)
        .encode(x=x.field("value"), color=colour("role"), tooltip=tooltip),
        base.transform_filter(hollow)
        .mark_point(filled=False, opacity=1, size=80, strokeWidth=2, yOffset=MARK)
        .encode(x=x.field("value"), color=colour("role"), tooltip=tooltip),
    ]


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Annotator"),
        alt.Tooltip("text:N", title="Value [95% interval]"),
        alt.Tooltip("rests:N", title="Rests on"),
        alt.Tooltip("note:N", title="Note"),
    ]


def _words(base: alt.Chart) -> list[alt.Chart]:
    """Name at the left and figures at the right of each row, above its dot."""
    common: dict[str, Any] = {"baseline": "middle", "fontSize": SIZE, "dy": WORDS}
    return [
        base.mark_text(align="left", limit=alt.expr("max(60, width - 165)"), **common).encode(
            x=alt.value(0), text="name:N", color=colour("ink"), tooltip=_tooltip()
        ),
        base.mark_text(align="right", **common).encode(
            x=alt.value("width"), text="figures:N", color=colour("muted"), tooltip=_tooltip()
        ),
    ]


def matrix(names: Sequence[str], pairs: Sequence[Pair], title: str) -> Chart:
    """Numbered annotators against each other; the darker (or lighter) a cell, the more alike."""
    labels = [f"{k + 1}   {name}" for k, name in enumerate(names)]
    numbers = [str(k + 1) for k in range(len(names))]
    frame = painted(
        {
            "first": [labels[pair.row] for pair in pairs],
            "second": [numbers[pair.column] for pair in pairs],
            "name": [names[pair.row] for pair in pairs],
            "other": [names[pair.column] for pair in pairs],
            "value": _floats(pair.value for pair in pairs),
            "text": [pair.text for pair in pairs],
            "figure": ["" if pair.value is None else f"{pair.value:.2f}" for pair in pairs],
            "rests": [pair.rests_on for pair in pairs],
        }
    )
    width, height = CELL
    axis = {"title": None, "domain": False, "ticks": False, "labelFontSize": SIZE}
    base = alt.Chart(frame).encode(
        y=alt.Y("first:N", sort=labels, axis=alt.Axis(**axis, labelLimit=190, labelPadding=8)),
        x=alt.X("second:N", sort=numbers, axis=alt.Axis(**axis, orient="top", labelAngle=0)),
        tooltip=[
            alt.Tooltip("name:N", title="Annotator"),
            alt.Tooltip("other:N", title="Compared with"),
            alt.Tooltip("text:N", title=title),
            alt.Tooltip("rests:N", title="Rests on"),
        ],
    )
    shade = alt.Color("value:Q", scale=alt.Scale(domain=[0, 1], clamp=True), legend=None)
    cells = base.mark_rect(cornerRadius=3, stroke="transparent", strokeWidth=3).encode(color=shade)
    figures = base.mark_text(fontSize=SMALL).encode(text="figure:N", color=colour("ink"))
    layered = alt.layer(cells, figures).resolve_scale(color="independent")
    return layered.properties(width=width * len(names), height=height * len(names))


def scatter(spots: Sequence[Spot], titles: tuple[str, str], height: int = 360) -> Chart:
    """Agreement against cost (log), each point with its name beside it."""
    costs = [spot.cost for spot in spots]
    x_domain = (min(costs) / 3, max(costs) * 8)  # room for the names at the right
    ends = [v for spot in spots for v in (spot.agreement, spot.low, spot.high) if v is not None]
    y_domain = _round(min(ends), max(ends), least=0.2, share=True)
    frame = painted(
        {
            "name": [spot.name for spot in spots],
            "role": [spot.role for spot in spots],
            "cost": costs,
            "agreement": [spot.agreement for spot in spots],
            "low": _floats(spot.low for spot in spots),
            "high": _floats(spot.high for spot in spots),
            "cost_text": [spot.cost_text for spot in spots],
            "agreement_text": [spot.agreement_text for spot in spots],
            "place": _apart([spot.agreement for spot in spots], y_domain, 17 / height),
        }
    )
    base = alt.Chart(frame).encode(color=colour("role"))
    x = alt.X("cost:Q", scale=alt.Scale(type="log", domain=list(x_domain), nice=False),
              axis=_plain_axis(titles[0], "$,~r", _money_ticks(x_domain)))  # fmt: skip
    y_axis = _plain_axis(titles[1], ".0%", _ticks(y_domain, log=False))
    y_scale = alt.Scale(domain=list(y_domain), nice=False)
    tooltip = [
        alt.Tooltip("name:N", title="Annotator"),
        alt.Tooltip("agreement_text:N", title=titles[1]),
        alt.Tooltip("cost_text:N", title=titles[0]),
    ]
    layers = [
        base.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
            x=x, y=alt.Y("low:Q", axis=y_axis, scale=y_scale), y2="high:Q"
        ),
        base.mark_point(filled=True, opacity=1, size=100).encode(
            x=x, y=alt.Y("agreement:Q", axis=y_axis, scale=y_scale), tooltip=tooltip
        ),
        base.mark_text(align="left", dx=10, fontSize=SIZE, limit=200).encode(
            x=x, y=alt.Y("place:Q", axis=y_axis, scale=y_scale), text="name:N",
            color=colour("ink"), tooltip=tooltip,
        ),
    ]  # fmt: skip
    return alt.layer(*layers).properties(height=height, width="container")


def _plain_axis(title: str, form: str, values: list[float]) -> alt.Axis:
    return alt.Axis(title=title, format=form, values=values, gridOpacity=0.6, domain=False,
                    ticks=False, labelFontSize=SMALL, titleFontSize=SMALL,
                    titleFontWeight="normal")  # fmt: skip


def _money_ticks(domain: Range) -> list[float]:
    low, high = domain
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    wanted = (1, 3) if len(powers) <= 5 else (1,)
    return [t * 10.0**k for k in powers for t in wanted if low <= t * 10.0**k <= high]


def _apart(values: Sequence[float], domain: Range, least: float) -> list[float]:
    """Heights for the names, at least `least` of the axis apart, close to the points."""
    gap = least * (domain[1] - domain[0])
    places = list(values)
    order = sorted(range(len(places)), key=lambda k: places[k])
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + gap)
    return places
