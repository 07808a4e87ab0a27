"""The horizontal axis of a figure: from values in their unit to percent of its width."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from pipelines.wording import points

if TYPE_CHECKING:
    from collections.abc import Iterable

AROUND_ZERO = ("share difference", "kappa", "correlation")  # of which 0 is always in sight
LOG_FROM = 20.0  # times the smallest value: from here on money and time are drawn on a log axis
_LEAST = {"share": 0.2, "share difference": 0.1, "kappa": 0.2, "correlation": 0.2}
_TIMES = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.0, 1.0, "s"))
_SMALLEST = 1e-4  # dollars or seconds; what is less stands at the edge of a log axis
_STEPS = (1, 2, 5)
_MOST_STEPS = 6
_MOST_LONG_STEPS = 4  # where the words of a tick are as long as 1,000 min


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` to `high` with its ticks, as (value, words)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float | None) -> float | None:
        """Percent of the width; None where there is no place for the value."""
        if value is None or (self.log and value <= 0):
            return None
        low, high, here = self.low, self.high, value
        if self.log:
            low, high, here = log10(low), log10(high), log10(value)
        return min(100.0, max(0.0, 100 * (here - low) / (high - low)))


def scale_of(values: Iterable[float], unit: str) -> Scale:
    """Round limits around all values, with at most seven ticks in the unit's words."""
    found = list(values)
    if unit in ("usd", "seconds"):
        return _amounts(found, unit)
    low, high = min(found, default=0.0), max(found, default=0.0)
    if unit in AROUND_ZERO:
        low, high = min(low, 0.0), max(high, 0.0)
    least = max(abs(high) / 10, 1e-4) if high else 1.0  # words have six decimals
    low, high = _widened(low, high, _LEAST.get(unit, least))
    step, low, high = _rounded(low, high)
    if unit == "share":
        low, high = max(0.0, low), min(1.0, high)
    return Scale(low, high, tuple((v, _words(v, unit)) for v in _ticks(low, high, step)))


def _amounts(values: list[float], unit: str) -> Scale:
    """Money and time: from zero, or on a log axis where a linear one would hide the small."""
    above = [value for value in values if value >= _SMALLEST]
    most = max(above, default=1.0)
    size, ending = next((s, word) for least, s, word in _TIMES if most >= least)
    if unit == "usd":
        size, ending = 1.0, ""
    if above and most / min(above) >= LOG_FROM:
        first, last = floor(log10(min(above) / size)), ceil(log10(most / size))
        every = max(1, ceil((last - first) / _MOST_LONG_STEPS))
        powers = [10.0**k for k in range(first, last + 1, every)]
        low, high, log = 10.0**first, 10.0**last, True
    else:
        step = _step(0.0, most / size, _MOST_LONG_STEPS)
        high = step * ceil(most / size / step - 1e-9)
        low, powers, log = 0.0, _ticks(0.0, high, step), False
    ticks = tuple((v * size, _amount(v, ending)) for v in powers)
    return Scale(low * size, high * size, ticks, log)


def _amount(value: float, ending: str) -> str:
    figure = f"{value:,.6f}".rstrip("0").rstrip(".")
    return f"{figure} {ending}" if ending else f"${figure}"


def _words(value: float, unit: str) -> str:
    if unit == "share":
        return f"{round(100 * value, 6):g}%"
    return points(value) if unit == "share difference" else f"{round(value, 6):g}"


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    if high - low >= least:
        return low, high
    middle = (low + high) / 2
    return middle - least / 2, middle + least / 2


def _step(low: float, high: float, most: int = _MOST_STEPS) -> float:
    """A round distance of ticks."""
    raw = (high - low) / most
    power = 10.0 ** floor(log10(raw))
    return next((t * power for t in _STEPS if t * power >= raw * 0.999), 10 * power)


def _rounded(low: float, high: float) -> tuple[float, float, float]:
    """Step and limits that are multiples of it; rounding outwards may take a longer step."""
    step = _step(low, high)
    first, last = step * floor(low / step + 1e-9), step * ceil(high / step - 1e-9)
    return (
        (step, first, last) if last - first <= step * (_MOST_STEPS + 0.5) else _rounded(first, last)
    )


def _ticks(low: float, high: float, step: float) -> list[float]:
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(step * k, 12) + 0.0 for k in range(first, last + 1)]
