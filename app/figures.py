"""Tables to Altair charts. No Streamlit: a chart can be tested, and drawn elsewhere.

Colours are roles (app.theme.ROLES): the page's theme gives the range of every colour scale, so the
same chart is right in light and dark. Untrusted names are data, never field names or expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, Literal, cast

import altair as alt
import pandas as pd

from app.drawing import kept
from app.theme import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.tables import Dot, Pair, Spot

Chart = alt.LayerChart
Range = tuple[float, float]

ROW = 48  # pixels of a row: its words above, its dot below
WORDS, MARK = -10, 9  # their offsets from the row's middle
BESIDE = 24  # height of what is drawn beside a dot only, so that words stay readable
UNDER, OVER = 72, 22  # pixels of the axis below, and of the band's name above
SIZE, SMALL = 13, 12
LETTER = 6.2  # pixels of a figure's average letter
CELL, LABELS = (46, 32), 200
SCATTER = 360
AXIS_FORMATS = {"share": ".0%", "usd": "$,~r", "seconds": ",~r", "kappa": ".1f"}
SIGNED = "datum.value > 0 ? '+' + datum.label : datum.label"
TICKS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a dot figure: its title, its unit, and a value of no difference."""

    title: str
    unit: str = "share"
    log: bool = False
    zero: float | None = None
    band_title: str = ""
    limits: tuple[float, ...] = ()  # further values that have a place: figures to compare share it

    @property
    def factor(self) -> float:
        """Differences of shares are drawn in points."""
        return 100.0 if self.unit == "share difference" else 1.0

    def place(self, value: float | None) -> float | None:
        """Where a value stands; None for what a log axis has no place for."""
        return None if value is None or (self.log and value <= 0) else value * self.factor


def colour(field: str) -> alt.Color:
    """A mark's colour: the data's field `role`, or a constant role that `painted` added."""
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(ROLES)), legend=None)


def painted(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table with a constant column for each role, for marks whose colour is not in the data."""
    frame = pd.DataFrame(dict(columns))
    return frame.assign(**{role: role for role in ROLES})


@kept
def dots(rows: Sequence[Dot], axis: Axis) -> Chart:
    """One row per annotator: name and figures above, dot with interval and its band below."""
    x = _x(axis, _domain(rows, axis))
    by_row = alt.Y("row:O", axis=None, scale=alt.Scale(type="band"))
    base = alt.Chart(_frame(rows, axis)).encode(y=by_row)
    layers = [*_bands(base, x), *_band_name(rows, axis, x), *_zero(base, axis, x)]
    layers += [*_intervals(base, x), *_points(base, x), *_words(base, rows)]
    over = OVER if axis.band_title and any(row.band for row in rows) else 0
    height = ROW * max(1, len(rows)) + UNDER + over  # Streamlit fits axis and padding into it
    return _layered(layers, "container", height)


def _layered(layers: Sequence[Any], width: int | Literal["container"], height: int) -> Chart:
    return cast("Chart", alt.layer(*layers).properties(width=width, height=height))


def _frame(rows: Sequence[Dot], axis: Axis) -> pd.DataFrame:
    """The rows as columns of fixed names."""
    bands = [row.band or (None, None) for row in rows]
    return painted(
        {
            "row": range(len(rows)),
            "name": [row.name for row in rows],
            "role": [row.role for row in rows],
            "value": _floats(axis.place(row.value) for row in rows),
            "low": _floats(axis.place(row.low) for row in rows),
            "high": _floats(axis.place(row.high) for row in rows),
            "band_low": _floats(axis.place(band[0]) for band in bands),
            "band_high": _floats(axis.place(band[1]) for band in bands),
            "text": [row.text for row in rows],
            "figures": [_figures(row) for row in rows],
            "rests": [row.rests_on for row in rows],
            "spoken": [f"{row.name}: {row.text}" for row in rows],
        }
    )


def _figures(row: Dot) -> str:
    return f"{row.text} · n {row.n:,}" if row.n else row.text


def _floats(values: Iterable[float | None]) -> pd.Series[float]:
    return pd.Series(list(values), dtype="float64")


@dataclass(frozen=True, slots=True)
class _X:
    axis: alt.Axis
    scale: alt.Scale
    domain: Range

    def field(self, name: str) -> alt.X:
        return alt.X(f"{name}:Q", axis=self.axis, scale=self.scale)

    def at(self, value: float) -> alt.XDatum:
        return alt.XDatum(value, axis=self.axis, scale=self.scale)


def _x(axis: Axis, domain: Range) -> _X:
    drawn = _axis(
        axis.title,
        AXIS_FORMATS.get(axis.unit, ".2~f"),
        _ticks(domain, axis.log),
        labelFlush=True,
        labelOverlap="greedy",
        labelExpr=SIGNED if axis.factor > 1 else "datum.label",
        titleAnchor="start",
        titleAlign="left",
    )
    return _X(drawn, _scale(domain, log=axis.log), domain)


def _axis(title: str | None, form: str, values: Sequence[float], **more: Any) -> alt.Axis:
    """A quiet axis with a format and ticks."""
    return quiet_axis(title, format=form, values=list(values), **more)


def quiet_axis(title: str | None, **more: Any) -> alt.Axis:
    """Grid lines, no line of its own."""
    return alt.Axis(
        title=title,
        gridOpacity=0.6,
        domain=False,
        ticks=False,
        labelFontSize=SMALL,
        titleFontSize=SMALL,
        titleFontWeight="normal",
        **more,
    )


def _scale(domain: Range, *, log: bool = False) -> alt.Scale:
    return alt.Scale(type="log" if log else "linear", domain=list(domain), nice=False)


def _domain(rows: Sequence[Dot], axis: Axis) -> Range:
    """Round limits around all values, intervals and bands."""
    found = [v for row in rows for v in (row.value, row.low, row.high, *(row.band or ()))]
    found += axis.limits
    values = [placed for v in found if (placed := axis.place(v)) is not None]
    if not values:
        return (1.0, 10.0) if axis.log else (0.0, 1.0)
    low, high = min(values), max(values)
    if axis.log:
        return (10.0 ** floor(log10(low) - 0.05), 10.0 ** ceil(log10(high) + 0.05))
    if axis.zero is not None:  # clear of the edge, where the names stand
        low, high = min(low, axis.zero - 0.02), max(high, axis.zero + 0.02)
    return _round(low, high, least=0.2 if axis.factor == 1 else 10.0, share=axis.unit == "share")


def _round(low: float, high: float, *, least: float, share: bool) -> Range:
    """Limits at whole ticks, at least `least` apart."""
    if high - low < least:
        middle = (low + high) / 2
        low, high = middle - least / 2, middle + least / 2
    step = _step(low, high)
    low = round(step * floor(low / step + 1e-9), 10)
    high = round(step * ceil(high / step - 1e-9), 10)
    return (max(0.0, low), min(1.0, high)) if share else (low, high)


def _step(low: float, high: float) -> float:
    """A round distance of ticks: at most eight of them."""
    raw = (high - low) / 7
    power = 10.0 ** floor(log10(raw))
    return next((t * power for t in TICKS if t * power >= raw * 0.999), 10 * power)


def _ticks(domain: Range, log: bool = False) -> list[float]:
    low, high = domain
    if log:
        return [10.0**k for k in range(round(log10(low)), round(log10(high)) + 1)]
    step = _step(low, high)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(step * k, 10) for k in range(first, last + 1)]


def _bands(base: alt.Chart, x: _X) -> list[alt.Chart]:
    """What each row is compared with: shading, or a tick where there is no interval."""
    shaded = base.mark_bar(
        opacity=0.75, size=BESIDE, yOffset=MARK, orient="horizontal", aria=False
    ).encode(x=x.field("band_low"), x2="band_high:Q", color=colour("band"))
    points = base.transform_filter("datum.band_low === datum.band_high")
    ticks = points.mark_tick(thickness=3, size=18, yOffset=MARK, orient="vertical", aria=False)
    return [shaded, ticks.encode(x=x.field("band_low"), color=colour("human"))]


def _band_name(rows: Sequence[Dot], axis: Axis, x: _X) -> list[alt.Chart]:
    """What the band is, above the first row that has one, kept inside the figure."""
    banded = [row.band for row in rows if row.band]
    if not banded or not axis.band_title:
        return []
    low, high = (axis.factor * end for end in banded[0])
    share = ((low + high) / 2 - x.domain[0]) / (x.domain[1] - x.domain[0])
    align, at = ("left", low) if share < 0.3 else ("center", (low + high) / 2)
    align, at = ("right", high) if share > 0.7 else (align, at)
    name = alt.Chart(painted({"text": [axis.band_title]})).mark_text(
        align=cast("Literal['left']", align), baseline="bottom", fontSize=SMALL, aria=False
    )
    return [name.encode(x=x.at(at), y=alt.value(-5), text="text:N", color=colour("human"))]


def _zero(base: alt.Chart, axis: Axis, x: _X) -> list[alt.Chart]:
    """The line of no difference."""
    if axis.zero is None:
        return []
    line = base.mark_tick(thickness=1.5, size=BESIDE, yOffset=MARK, orient="vertical", aria=False)
    return [line.encode(x=x.at(axis.zero), color=colour("muted"))]


def _intervals(base: alt.Chart, x: _X) -> list[alt.Chart]:
    line = base.mark_rule(strokeWidth=2.5, yOffset=MARK, strokeCap="round", aria=False)
    return [line.encode(x=x.field("low"), x2="high:Q", color=colour("role"))]


def _points(base: alt.Chart, x: _X) -> list[alt.Chart]:
    """A filled dot with an interval; a hollow one where there is none."""
    look: dict[str, Any] = {"opacity": 1, "yOffset": MARK}
    encoded = {
        "x": x.field("value"),
        "color": colour("role"),
        "tooltip": _tooltip(),
        "description": alt.Description("spoken:N"),
    }
    filled = base.transform_filter("isValid(datum.low)")
    hollow = base.transform_filter("isValid(datum.value) && !isValid(datum.low)")
    return [
        filled.mark_point(filled=True, size=90, **look).encode(**encoded),
        hollow.mark_point(filled=False, size=80, strokeWidth=2, **look).encode(**encoded),
    ]


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("name:N", title="Annotator"),
        alt.Tooltip("text:N", title="Value [95% interval]"),
        alt.Tooltip("rests:N", title="Rests on"),
    ]


def _words(base: alt.Chart, rows: Sequence[Dot]) -> list[alt.Chart]:
    """Name at the left and figures at the right of each row, above its dot."""
    longest = max((len(_figures(row)) for row in rows), default=0)
    common: dict[str, Any] = {"baseline": "middle", "fontSize": SIZE, "dy": WORDS, "aria": False}
    room = alt.expr(f"max(60, width - {round(LETTER * longest) + 12})")
    return [
        base.mark_text(align="left", limit=room, **common).encode(
            x=alt.value(0), text="name:N", color=colour("ink"), tooltip=_tooltip()
        ),
        base.mark_text(align="right", **common).encode(
            x=alt.value("width"), text="figures:N", color=colour("muted"), tooltip=_tooltip()
        ),
    ]


@kept
def matrix(names: Sequence[str], pairs: Sequence[Pair], title: str) -> Chart:
    """Numbered annotators against each other; the stronger a cell's shade, the more alike."""
    labels = [f"{k + 1} · {name}" for k, name in enumerate(names)]
    numbers = [str(k + 1) for k in range(len(names))]
    base = alt.Chart(_cells(names, labels, numbers, pairs)).encode(
        y=alt.Y("first:N", sort=labels, scale=alt.Scale(padding=0.06),
                axis=_sides(labelLimit=LABELS, labelPadding=8)),
        x=alt.X("second:N", sort=numbers, scale=alt.Scale(padding=0.04),
                axis=_sides(orient="top", labelAngle=0)),
        tooltip=[
            alt.Tooltip("name:N", title="Annotator"),
            alt.Tooltip("other:N", title="Compared with"),
            alt.Tooltip("text:N", title=title),
            alt.Tooltip("rests:N", title="Rests on"),
        ],
    )  # fmt: skip
    shade = alt.Color("value:Q", scale=alt.Scale(domain=[0, 1], clamp=True), legend=None)
    cells = base.mark_rect(cornerRadius=3).encode(
        color=shade, description=alt.Description("spoken:N")
    )
    figures = base.mark_text(fontSize=SMALL, aria=False).encode(
        text="figure:N", color=colour("ink")
    )
    beside = min(LABELS, max(map(len, labels)) * 7) + 20  # Streamlit fits the axes into the size
    width, height = (side * len(names) for side in CELL)
    layered = _layered([cells, figures], beside + width, 30 + height)
    return cast("Chart", layered.resolve_scale(color="independent"))


def _cells(
    names: Sequence[str], labels: Sequence[str], numbers: Sequence[str], pairs: Sequence[Pair]
) -> pd.DataFrame:
    return painted(
        {
            "first": [labels[pair.row] for pair in pairs],
            "second": [numbers[pair.column] for pair in pairs],
            "name": [names[pair.row] for pair in pairs],
            "other": [names[pair.column] for pair in pairs],
            "value": _floats(pair.value for pair in pairs),
            "text": [pair.text for pair in pairs],
            "figure": [pair.figure for pair in pairs],
            "rests": [pair.rests_on for pair in pairs],
            "spoken": [f"{names[p.row]} and {names[p.column]}: {p.text}" for p in pairs],
        }
    )


def _sides(**more: Any) -> alt.Axis:
    """An axis of names or numbers."""
    return alt.Axis(
        title=None, domain=False, ticks=False, labelFontSize=SIZE, labelFlush=False, **more
    )


@kept
def scatter(spots: Sequence[Spot], titles: tuple[str, str], front: tuple[str, ...] = ()) -> Chart:
    """Agreement against cost (log), each point with its interval and its name above.

    A line steps through those in `front`: what the best agreement costs at each price.
    """
    costs = [spot.cost for spot in spots]
    x_domain = (min(costs) / 4, max(costs) * 4)  # room for the names
    ends = [v for spot in spots for v in (spot.agreement, spot.low, spot.high) if v is not None]
    y_domain = _round(min(ends), max(ends) + 0.03, least=0.2, share=True)
    x = alt.X("cost:Q", scale=_scale(x_domain, log=True),
              axis=_axis(titles[0], AXIS_FORMATS["usd"], _money_ticks(x_domain)))  # fmt: skip
    base = alt.Chart(_spots(spots, y_domain)).encode(
        x=x,
        color=colour("role"),
        tooltip=[
            alt.Tooltip("name:N", title="Annotator"),
            alt.Tooltip("agreement_text:N", title=titles[1]),
            alt.Tooltip("cost_text:N", title=titles[0]),
        ],
    )  # fmt: skip

    def y(field: str) -> alt.Y:
        axis = _axis(titles[1], AXIS_FORMATS["share"], _ticks(y_domain))
        return alt.Y(f"{field}:Q", axis=axis, scale=_scale(y_domain))

    unbeaten = [spot for spot in spots if spot.name in front]
    layers = [
        *([_steps(unbeaten, x, y("agreement"))] if len(unbeaten) > 1 else []),
        base.mark_rule(strokeWidth=2.5, strokeCap="round", aria=False).encode(
            y=y("low"), y2="high:Q"
        ),
        base.mark_point(filled=True, opacity=1, size=100).encode(
            y=y("agreement"), description=alt.Description("spoken:N")
        ),
        base.mark_text(dy=-10, fontSize=SIZE, limit=200, aria=False).encode(
            y=y("place"), text="name:N", color=colour("ink")
        ),
    ]
    return _layered(layers, "container", SCATTER)


def _steps(spots: Sequence[Spot], x: alt.X, y: alt.Y) -> alt.Chart:
    """The line through the points that nobody beats, cheapest first."""
    order = sorted(spots, key=lambda spot: spot.cost)
    frame = painted(
        {"cost": [spot.cost for spot in order], "agreement": [spot.agreement for spot in order]}
    )
    line = alt.Chart(frame).mark_line(
        interpolate="step-after", strokeWidth=1.5, strokeDash=[5, 4], aria=False
    )
    return cast("alt.Chart", line.encode(x=x, y=y, color=colour("muted")))


def _spots(spots: Sequence[Spot], domain: Range) -> pd.DataFrame:
    tops = [spot.agreement if spot.high is None else spot.high for spot in spots]
    return painted(
        {
            "name": [spot.name for spot in spots],
            "role": [spot.role for spot in spots],
            "cost": [spot.cost for spot in spots],
            "agreement": [spot.agreement for spot in spots],
            "low": _floats(spot.low for spot in spots),
            "high": _floats(spot.high for spot in spots),
            "cost_text": [spot.cost_text for spot in spots],
            "agreement_text": [spot.agreement_text for spot in spots],
            "spoken": [f"{s.name}: {s.agreement_text} at {s.cost_text}" for s in spots],
            "place": _apart(tops, domain, 17 / SCATTER),
        }
    )


def _money_ticks(domain: Range) -> list[float]:
    """Powers of ten inside the domain, with a step between where there are few."""
    low, high = domain
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    wanted = (1, 3) if len(powers) <= 4 else (1,)
    return [t * 10.0**k for k in powers for t in wanted if low <= t * 10.0**k <= high]


def _apart(values: Sequence[float], domain: Range, least: float) -> list[float]:
    """Heights for the names, at least `least` of the axis apart, close to the points."""
    gap = least * (domain[1] - domain[0])
    places = list(values)
    order = sorted(range(len(places)), key=lambda k: places[k])
    for before, after in pairwise(order):
        places[after] = max(places[after], places[before] + gap)
    return places
