"""Numbers as people read them: at the precision their interval deserves, missing as missing."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.estimates import Estimate

NOT_KNOWN = "not known"
_ROUNDING = 1e-6  # what is closer than this to 0 or 1 differs by rounding only

STATISTICS = {
    "single_human_agreement": "agreement with one human",
    "gap": "gap to the human ceiling",
    "agreement_difference": "agreement less that of another judge",
    "majority_agreement": "agreement with the majority or gold",
    "cohen_kappa": "Cohen's kappa",
    "coverage": "usable labels",
    "position_consistency": "same preference in both orders",
    "first_shown_share": "chose the response shown first",
    "longer_chosen_share": "chose the longer response",
    "cost_usd_per_1000": "cost per 1,000 labels",
    "seconds_per_1000": "time per 1,000 labels",
}
EXPLAINED = {
    "single_human_agreement": "How often a label equals the label of one human who judged the same "
    "comparison; a human among the others sets the ceiling.",
    "gap": "The judge's agreement with one human minus the agreement of two humans, on the same "
    "comparisons.",
    "agreement_difference": "The agreement of the highest judge minus that of another one, on the "
    "comparisons that both labelled.",
    "majority_agreement": "How often a label equals the humans' majority, or a gold label.",
    "cohen_kappa": "Agreement beyond what two annotators with these class shares reach by chance.",
    "coverage": "Labels that can be used among those asked for.",
    "position_consistency": "How often the same response is preferred when the order is swapped; a "
    "tie is consistent with a tie.",
    "first_shown_share": "How often the response shown first is chosen, ties counted in the total.",
    "longer_chosen_share": "How often the response with more characters is chosen, among labels "
    "that are no tie. Humans often prefer longer responses too.",
    "cost_usd_per_1000": "What 1,000 labels cost, from the labels whose price is known.",
    "seconds_per_1000": "What 1,000 labels take one annotator, from those whose time is known.",
}


def percent(value: float | None) -> str:
    """A share as a whole percentage; 0% and 100% are kept for none and all."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    whole = _away_from_zero(100 * value)
    if whole == 0 and value > _ROUNDING:
        return "<1%"
    if whole == 100 and value < 1 - _ROUNDING:
        return ">99%"
    return f"{whole:.0f}%"


def points(value: float | None) -> str:
    """A difference of shares in signed points."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    if abs(value) < _ROUNDING:
        return "0"
    if abs(value) < 0.005:  # "0" would hide on which side of zero it lies
        return f"{100 * value:+.1g}"
    return f"{_away_from_zero(100 * value):+.0f}"


def money(value: float | None) -> str:
    """US dollars with two significant digits, whole dollars from 100 on."""
    if value is None or not isfinite(value):
        return NOT_KNOWN
    if value == 0:
        return "$0"
    size = float(f"{abs(value):.1e}")  # first, as rounding may add a digit: 9.96 is 10, not 10.0
    digits = max(0, 1 - floor(log10(size)))
    return f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}"


def duration(seconds: float | None) -> str:
    """Seconds as the unit one would say."""
    if seconds is None or not isfinite(seconds):
        return NOT_KNOWN
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    if 0 < seconds < 0.001:
        return "<0.001 s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def value_of(row: Estimate) -> str:
    """An estimate in its unit."""
    return _in_unit(row.estimate, row.unit)


def interval_of(row: Estimate) -> str:
    """A 95% interval in its unit; empty where there is none."""
    if row.low is None or row.high is None:
        return ""
    return f"[{_bare(row.low, row.unit)}, {_bare(row.high, row.unit)}]"


def _in_unit(value: float | None, unit: str) -> str:
    if value is None or not isfinite(value):
        return NOT_KNOWN
    formats = {"share": percent, "share difference": points, "usd": money, "seconds": duration}
    return formats[unit](value) if unit in formats else f"{round(value, 2) + 0.0:.2f}"


def _bare(value: float, unit: str) -> str:
    text = _in_unit(value, unit)
    return text.removesuffix("%").removeprefix("$") if unit in ("share", "usd") else text


def _away_from_zero(value: float) -> float:
    """Half up in size, as people round: Python's own rounding takes the even neighbour."""
    return float(floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)
