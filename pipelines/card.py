"""A judge's bias on one page: what was found, what was not, and what this data cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import InputError
from pipelines.derive import shipped
from pipelines.estimates import ALL
from pipelines.findings import comparisons_of, figure_of, find
from pipelines.multiplicity import clear_of_zero
from pipelines.sections.features import FLOOR, is_bias
from pipelines.sections.probes import MANY_LOST, WORSE
from pipelines.sections.view import MAJORITY, ONE_HUMAN
from pipelines.wording import points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelines.estimates import Estimate

L1, L2, L3, POSITION, OWN = "L1", "L2", "L3", "position", "own answers"
LEVELS = {
    POSITION: "what the order in which responses are shown does",
    L1: "a difference from humans, whatever its reason",
    L2: "beyond quality as humans see it, and the judge's sharpness",
    L3: "what changing one thing about a response does: an experiment, so the change is the cause",
    OWN: "its own model's answers",
}
NO_EXPERIMENT = (
    "What causes a difference (L3): no experiment that changes one thing about the responses and "
    "nothing else is in this data; `concord probe` makes one."
)
NOT_LABELLED = (
    "Differences from humans (L1, L2): it has labelled what probes made of this data set, and not "
    "the data set itself; `concord label` does."
)
_EFFECTS = {
    "position_effect": POSITION,
    "difference_from_humans": L1,
    "adjusted_difference": L2,
    "own_answer_difference": OWN,
    "self_preference": OWN,
    "probe_effect": L3,
    "identical_position_effect": L3,
    "verdicts_lost": L3,
}
# What a judge should not fall for: it takes something away, or leaves nothing to choose between.
FIRMNESS = ("consistency_rate", "robustness_lost")
_CHECKS = {
    "changed_chosen_share": "A response changed by {probe} is chosen all the same in {figure}.",
    "identical_tie_share": "Two identical responses are called a tie in {figure}.",
    "consistency_rate": "Asked the same once more, it gives the same label in {figure}.",
    "robustness_lost": "Labels that {probe} turns, beyond asking the same once more: {figure}.",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence, the level it is made at, and the row it says."""

    level: str
    text: str
    row: Estimate


@dataclass(frozen=True, slots=True)
class Card:
    """Statements of what is clear, of what is not 0 but not clear either, of what was not found,
    of what a judge should not fall for, and reasons why the rest is not known.
    """

    judge: str
    found: tuple[Statement, ...]
    undecided: tuple[Statement, ...]
    not_found: tuple[Statement, ...]
    checks: tuple[Statement, ...]
    not_known: tuple[str, ...]


def bias_card(rows: Sequence[Estimate], judge: str) -> Card:
    """From the bias rows of a data set. Raises InputError where none is of this judge."""
    mine = [row for row in rows if (row.subject, row.slice) == (judge, ALL)]
    effects = [row for row in mine if row.statistic in _EFFECTS and row.method != WORSE]
    if not mine:
        names = sorted({row.subject for row in rows} - {ONE_HUMAN, MAJORITY})
        raise InputError(
            f"no judge {judge!r} in this data set", f"There are: {', '.join(names) or 'none yet'}."
        )
    clear = clear_of_zero(effects, level_of)
    clear = [row for row in clear if MANY_LOST not in (row.note or "")]
    open_ = [row for row in effects if row not in clear and row.low is not None]
    none = [row for row in open_ if (row.low or 0.0) <= 0 <= (row.high or 0.0)]
    return Card(
        judge,
        tuple(Statement(level_of(r), _found(r, rows), r) for r in clear),
        tuple(Statement(level_of(r), _undecided(r), r) for r in open_ if r not in none),
        tuple(Statement(level_of(r), _not_found(r, mine), r) for r in none),
        tuple(
            Statement(L3, _check(row), row)
            for statistic in _CHECKS
            for row in mine
            if row.statistic == statistic and _is_check(row)
        ),
        (*_not_known(row for row in effects if row.low is None), *_not_looked_at(effects)),
    )


def level_of(row: Estimate) -> str:
    """The level that an effect is at."""
    return _EFFECTS[row.statistic]


def _found(row: Estimate, rows: Sequence[Estimate]) -> str:
    size = f"{points(abs(row.estimate or 0.0)).lstrip('+')} points"
    more = "more" if (row.estimate or 0.0) > 0 else "less"
    rests = f"({figure_of(row)}; {comparisons_of(row)}{_left_out(row)})"
    if row.statistic == "position_effect":
        flips = _flips(row, rows)
        return f"It chooses the response shown first {size} {more} often than half {rests}.{flips}"
    if row.statistic == "own_answer_difference":
        return f"Its own answers win {size} {more} often by its labels than by the humans' {rests}."
    if row.statistic == "self_preference":
        return (
            f"Self-preference: it chooses its own answers {size} {more} often than quality and the "
            f"other judges say {rests}."
        )
    if row.statistic == "probe_effect":
        return f"A response changed by {_probe(row)} is chosen {size} {more} often {rests}."
    if row.statistic == "identical_position_effect":
        what = "Of two identical responses it chooses the first"
        return f"{what} {size} {more} often than half {rests}."
    if row.statistic == "verdicts_lost":
        what = f"A change by {_probe(row)} leaves it without a verdict"
        return f"{what} {size} {more} often {rests}."
    what = f"the response with more {_feature(row)}"
    if row.statistic == "adjusted_difference":
        return (
            f"Bias: it chooses {what} {size} {more} often than a judge as sharp would who has no "
            f"liking for it {rests}."
        )
    return f"It chooses {what} {size} {more} often than humans do {rests}."


def _is_check(row: Estimate) -> bool:
    """Whether a row is of something that a judge should not fall for, or of how firm it is."""
    if row.statistic == "identical_tie_share":
        return bool(row.estimate)  # none: whether it may say tie at all is not known here
    return row.statistic in _CHECKS and (
        row.statistic != "changed_chosen_share" or row.method == WORSE
    )


def _check(row: Estimate) -> str:
    probe = row.reference if row.statistic == "robustness_lost" else _probe(row)
    figure = f"{figure_of(row)} ({comparisons_of(row)}{_left_out(row)})"
    return _CHECKS[row.statistic].format(probe=probe, figure=figure)


def _left_out(row: Estimate) -> str:
    """What an L3 figure leaves out."""
    note = row.note or ""
    return f"; {note}" if note.startswith("left out") else ""


def _probe(row: Estimate) -> str:
    """A probe's name, and what a shipped one changes."""
    known = shipped().get(row.reference)
    return (
        row.reference
        if known is None
        else f"{row.reference} ({known.about[0].lower()}{known.about[1:]})"
    )


def _feature(row: Estimate) -> str:
    return "characters" if row.reference == "length in characters" else row.reference


def _flips(row: Estimate, rows: Sequence[Estimate]) -> str:
    flips = find(rows, "flip_rate", row.subject)
    if not flips:
        return ""
    return f" In {figure_of(flips[0])} of them its preference changes with the order."


def _undecided(row: Estimate) -> str:
    if row.method.startswith("L2") and not is_bias(row.low, row.high):
        why = f"not 0, and not clear of the {100 * FLOOR:.0f} points that the model may be off"
    elif MANY_LOST in (row.note or ""):
        why = row.note or ""
    else:
        why = "not 0 by itself, and not clear among as many as were looked at"
    return f"{_name(row)}: {_figures(row)}; {why}."


def _not_found(row: Estimate, mine: Sequence[Estimate]) -> str:
    least = find(mine, f"detectable_{row.statistic}", reference=row.reference)
    size = _findable(least[0]) if least else ""
    return f"{_name(row)}: {_figures(row)}{size}."


def _findable(least: Estimate) -> str:
    """L2 has to be clear of its floor as well."""
    floor = FLOOR if least.method.startswith("L2") else 0.0
    what = f"clear of {100 * floor:.0f} points" if floor else "different from 0"
    size = points((least.estimate or 0.0) + floor).lstrip("+")
    return f"; {size} points would be {what} in 80% of such data"


def _name(row: Estimate) -> str:
    return {
        "position_effect": "An effect of the order",
        "own_answer_difference": "Another win rate of its own answers than the humans'",
        "self_preference": "Self-preference",
        "probe_effect": f"What {row.reference} adds to a response",
        "verdicts_lost": f"Verdicts lost by {row.reference}",
        "identical_position_effect": "An effect of the order, of two identical responses",
    }.get(row.statistic, _feature(row).capitalize())


def _figures(row: Estimate) -> str:
    return f"{figure_of(row)} ({comparisons_of(row)})"


def _not_looked_at(effects: Sequence[Estimate]) -> Iterator[str]:
    levels = {level_of(row) for row in effects}
    if L3 not in levels:
        yield NO_EXPERIMENT
    elif not levels & {L1, POSITION}:
        yield NOT_LABELLED


def _not_known(rows: Iterator[Estimate]) -> Iterator[str]:
    """Reasons, each once, with what they leave open."""
    about: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        why = row.note or "there is no interval"
        about.setdefault((level_of(row), why), []).append(_feature(row))
    for (level, why), names in about.items():
        what = f"{level} of {', '.join(names)}" if level in (L1, L2, L3) else level.capitalize()
        yield f"{what}: {why}."
