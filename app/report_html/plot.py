"""A figure of dots with intervals: a grid of names, SVG rows and figures, with one axis below.

Every place is a percentage of the row's width. Colours come from the classes of a row's role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.report_html.markup import name, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.report_html.scale import Scale
    from app.tables import Dot

_REST = re.compile(r" (?=\[|too few)")  # where the interval, or why there is none, begins
RADIUS = 5
BAND_NAME = 65.0  # percent of the width that the name of a band may need


@dataclass(frozen=True, slots=True)
class Figure:
    """What is drawn: a finding, what the number is, rows, what their bands are, and a zero line."""

    title: str
    says: str
    dots: Sequence[Dot]
    unit: str
    band_name: str = ""
    zero: bool = False
    left_out: int = 0

    def values(self) -> list[float]:
        """Everything that needs a place on the axis."""
        found = [v for dot in self.dots for v in (dot.value, dot.low, dot.high, *(dot.band or ()))]
        return [value for value in found if value is not None]


def draw(figure: Figure, scale: Scale, key: str) -> str:
    """The figure as HTML; `key` is its id, unique in the page."""
    rows = [_head(figure, scale), *(_row(dot, figure, scale) for dot in figure.dots), _axis(scale)]
    says = f'<p class="says">{text(figure.says)}</p>' if figure.says else ""
    more = f"{figure.left_out:,} more in the table below." if figure.left_out else ""
    below = f'<p class="says">{more}</p>' if more else ""
    return (
        f'<figure role="group" aria-labelledby="{key}"><figcaption><h3 id="{key}">'
        f'{text(figure.title)}</h3>{says}</figcaption><div class="plot">{"".join(rows)}</div>'
        f"{below}</figure>"
    )


def _row(dot: Dot, figure: Figure, scale: Scale) -> str:
    """The names and figures are in the drawing's title: a screen reader needs them once."""
    n = f' <span class="size">n {dot.n:,}</span>' if dot.n else ""
    value, *rest = _REST.split(dot.text, maxsplit=1)
    figures = " ".join([text(value), *(f"<span>{text(more)}</span>" for more in rest)])
    if dot.value is None:
        figures = f'<span class="note">{text(dot.text)}</span>'
    return (
        f'<div class="row {dot.role}"><div class="who" aria-hidden="true">{name(dot.name)}</div>'
        f'<div class="cell">{_svg(dot, figure, scale)}</div>'
        f'<div class="what" aria-hidden="true">{figures}{n}</div></div>'
    )


def _svg(dot: Dot, figure: Figure, scale: Scale) -> str:
    """From the back: grid, band, zero line, interval, dot."""
    parts = [
        f"<title>{text(f'{dot.name}: {dot.text}')}</title>",
        f"<desc>{text(_described(dot, figure, scale))}</desc>",
        *(_upright("grid", scale.at(value)) for value, _ in scale.ticks),
        _band(dot, scale),
        _upright("zero", scale.at(0.0)) if figure.zero else "",
        _span(scale.at(dot.low), scale.at(dot.high)),
        _dot(scale.at(dot.value), full=dot.low is not None),
    ]
    return f'<svg role="img">{"".join(parts)}</svg>'


def _described(dot: Dot, figure: Figure, scale: Scale) -> str:
    """What an eye would see: where the axis goes, the band, and what the number rests on."""
    parts = [f"On an axis from {scale.ticks[0][1]} to {scale.ticks[-1][1]}" if scale.ticks else ""]
    if dot.band and figure.band_name:
        parts.append(f"shaded: {figure.band_name}")
    return "; ".join(part for part in (*parts, dot.rests_on) if part)


def _upright(css: str, x: float | None) -> str:
    if x is None:
        return ""
    return f'<line class="{css}" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>'


def _band(dot: Dot, scale: Scale) -> str:
    """What a row is compared with: shading, or a line where it has no interval."""
    low, high = (scale.at(end) for end in dot.band or (None, None))
    if low is None or high is None:
        return ""
    if low == high:
        return _upright("tick", low)
    return f'<rect class="band" x="{low:.2f}%" width="{high - low:.2f}%" y="0" height="100%"/>'


def _span(low: float | None, high: float | None) -> str:
    """An interval; on a log axis one from zero has no beginning and starts at the edge."""
    if high is None:
        return ""
    return f'<line class="span" x1="{low or 0.0:.2f}%" x2="{high:.2f}%" y1="50%" y2="50%"/>'


def _dot(x: float | None, *, full: bool) -> str:
    """A full dot has an interval, an open one has none."""
    if x is None:
        return ""
    kind = "full" if full else "open"
    return f'<circle class="dot {kind}" cx="{x:.2f}%" cy="50%" r="{RADIUS}"/>'


def _head(figure: Figure, scale: Scale) -> str:
    """The name of the band, above the first row that has one."""
    band = next((dot.band for dot in figure.dots if dot.band), None)
    low, high = (scale.at(end) for end in band or (None, None))
    if low is None or high is None or not figure.band_name:
        return ""
    return _beside(_word("name", figure.band_name, (low + high) / 2, BAND_NAME), "head")


def _axis(scale: Scale) -> str:
    """Centred, also at the ends: the rows have a margin for that."""
    words = (_word("", said, x) for v, said in scale.ticks if (x := scale.at(v)) is not None)
    return _beside("".join(words), "axis")


def _word(css: str, said: str, x: float, room: float = 0.0) -> str:
    """A word of `room` percent at its place: it begins or ends there if centred it stuck out."""
    outside = (x < room / 2) - (x > 100 - room / 2) if room else 0
    anchor = {1: "start", 0: "middle", -1: "end"}[outside]
    kind = f"{css} {anchor}".strip()
    return f'<text class="{kind}" x="{x:.2f}%" y="0.95rem">{text(said)}</text>'


def _beside(words: str, css: str) -> str:
    """A row of words; they repeat what the rows' descriptions say."""
    return (
        f'<div class="row {css}" aria-hidden="true"><div class="who"></div>'
        f'<div class="cell"><svg>{words}</svg></div><div class="what"></div></div>'
    )
