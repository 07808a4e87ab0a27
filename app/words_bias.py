"""What the bias view says: sentences composed by rule from a judge's card and its rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.words import count, figures_of, short_figures
from pipelines.card import L1, L2, L3, LEVELS, OWN, POSITION
from pipelines.findings import BASELINES, find
from pipelines.sections.features import LENGTH
from pipelines.sections.view import ONE_HUMAN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.card import Card, Statement
    from pipelines.estimates import Estimate
    from pipelines.one_judge import Against

NAMED = {
    POSITION: "Order",
    L1: "Difference from humans (L1)",
    L2: "Bias, adjusted for quality (L2)",
    L3: "Effect of a change (L3)",
    OWN: "Own answers",
}
STRENGTH = (L3, L2, OWN, POSITION, L1)  # what says most about the judge itself comes first
_KINDS = {
    L3: "effect of a change (L3)",
    L2: "bias adjusted for quality (L2)",
    OWN: "difference for its own answers",
    POSITION: "effect of the order",
    L1: "difference from humans (L1)",
}
_PLURALS = {
    L3: "effects of a change (L3)",
    L2: "biases adjusted for quality (L2)",
    OWN: "differences for its own answers",
    POSITION: "effects of the order",
    L1: "differences from humans (L1)",
}
MULTIPLE = (
    "Clear is what stands among everything looked at on the same level: of what is called clear, "
    "at most 5% is expected to be there by chance (Benjamini and Hochberg). A difference from "
    "humans (L1) is not yet a bias: a judge who sees quality more clearly differs too, where "
    "quality goes with the feature. Only L2 and L3 are called bias."
)
LOOKED_AT = (
    "Of each judge the largest clear one, of the order, of length and of what the responses hold. "
    "From humans it is a difference (L1), not yet a bias."
)
TERMS = {NAMED[level]: f"{LEVELS[level][0].upper()}{LEVELS[level][1:]}." for level in (L1, L2, L3)}
THAN = {L1: "than humans", L2: "than quality says", L3: "after the change than before"}
OWN_NAMES = {
    "own_answer_difference": "wins by it less wins by humans",
    "self_preference": "beyond quality and other judges",
}
LENGTH_NAME = "characters"


def verdict(card: Card) -> str:
    """How much of what was looked at is clear, by level, strongest first."""
    clear = {level: [s for s in card.found if s.level == level] for level in STRENGTH}
    looked_at = len(card.found) + len(card.undecided) + len(card.not_found)
    if not looked_at:
        return f"What {card.judge} prefers beside quality cannot be told from this data."
    if not card.found:
        if looked_at == 1:
            return f"{card.judge}: the one thing looked at is not clear."
        return f"{card.judge}: none of the {looked_at:,} things looked at is clear."
    parts = [
        f"{len(found):,} {(_KINDS if len(found) == 1 else _PLURALS)[level]}"
        for level, found in clear.items()
        if found
    ]
    verb = "is" if len(card.found) == 1 else "are"
    return (
        f"{card.judge}: {len(card.found):,} of {count(looked_at, 'thing')} looked at {verb} "
        f"clear: {_and(parts)}."
    )


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def said(statements: Sequence[Statement]) -> list[str]:
    """Statements with their level before them, strongest level and largest figure first."""
    ordered = sorted(
        statements, key=lambda s: (STRENGTH.index(s.level), -abs(s.row.estimate or 0.0))
    )
    return [f"{NAMED[each.level]}. {each.text}" for each in ordered]


def about(level: str) -> str:
    """What a level means, as a sentence."""
    text = LEVELS[level]
    return f"{text[0].upper()}{text[1:]}."


def feature(row: Estimate) -> str:
    """A feature as it is read: more of this."""
    return LENGTH_NAME if row.reference == LENGTH else row.reference


def forest_title(level: str, rows: Sequence[Estimate], clear: Sequence[Estimate]) -> str:
    """The largest clear one of a level, or that none is."""
    name = NAMED[level]
    if not rows:
        return f"{name}: not known here"
    if not clear:
        return f"{name}: none of {len(rows):,} is clear"
    most = max(clear, key=lambda row: abs(row.estimate or 0.0))
    others = f", and {len(clear) - 1:,} more of {len(rows):,}" if len(clear) > 1 else ""
    return f"{name}: {feature(most)} {figures_of(most)}{others}"


def choice_title(judge: str, rows: Sequence[Estimate], humans: Sequence[Estimate]) -> str:
    """The feature in which judge and humans choose most differently; no test of it."""
    theirs = {row.reference: row for row in humans}
    both = [row for row in rows if row.reference in theirs and row.low is not None]
    if not both:
        return f"How often {judge} chooses the response with more of it"

    def apart(row: Estimate) -> float:
        return abs((row.estimate or 0.0) - (theirs[row.reference].estimate or 0.0))

    most = max(both, key=apart)
    return (
        f"More {feature(most)}: {judge} chooses it {figures_of(most)} of the time, "
        f"humans {figures_of(theirs[most.reference])}"
    )


def curve_title(name: str, sources: Mapping[str, Sequence[Estimate]]) -> str:
    """How often the response with much more of a feature is chosen, by each source."""
    parts = [f"{who} {short_figures(rows[-1])}" for who, rows in sources.items() if rows]
    return f"A lot more {name}, chosen by: {', '.join(parts)}" if parts else f"More {name}"


def effect_title(rows: Sequence[Estimate]) -> str:
    """Whom the order moves most."""
    known = [row for row in find(rows, "position_effect") if row.subject != ONE_HUMAN]
    known = [row for row in known if row.subject not in BASELINES] or known
    if not known:
        return "What being shown first adds is not known here"
    most = max(known, key=lambda row: abs(row.estimate or 0.0))
    if most.low is not None and most.high is not None and most.low <= 0 <= most.high:
        return f"Shown first: no effect is told from 0; the largest is {most.subject}'s, {figures_of(most)}"  # noqa: E501
    return f"Shown first: it moves {most.subject} most, by {figures_of(most)} points"


def flips_title(rows: Sequence[Estimate]) -> str:
    """Whose preference changes most with the order."""
    known = [r for r in find(rows, "flip_rate") if r.subject not in BASELINES]
    known = known or find(rows, "flip_rate")
    if not known:
        return "Swapped order: not known, as no judge labelled both orders"
    most = max(known, key=lambda row: row.estimate or 0.0)
    return f"Swapped order: it changes {figures_of(most)} of {most.subject}'s preferences"


def primacy_title(rows: Sequence[Estimate]) -> str:
    """Where changed preferences go."""
    known = find(rows, "primacy_share")
    known = [row for row in known if row.subject not in BASELINES] or known
    if not known:
        return "No preference changed with the order"
    known = [row for row in known if row.low is not None]
    if not known:
        return "Too few preferences changed with the order to say where they go"
    most = max(known, key=lambda row: abs((row.estimate or 0.0) - 0.5))
    return (
        f"Of changed preferences, {figures_of(most)} of {most.subject}'s go to the one shown first"
    )


def largest(cards: Sequence[Card]) -> tuple[str, list[Statement]]:
    """The largest clear difference of all judges as a sentence, and that of each judge."""
    of_each = [
        max(card.found, key=lambda s: abs(s.row.estimate or 0.0)) for card in cards if card.found
    ]
    of_each.sort(key=lambda s: -abs(s.row.estimate or 0.0))
    if not of_each:
        return ("No clear difference from humans, and no clear effect of the order", [])
    first = of_each[0]
    than = "from humans, L1" if first.level == L1 else "from half"
    what = f"{short_name(first.row)} {figures_of(first.row)} points ({than})"
    return f"Largest clear difference: {what}", of_each


def short_name(row: Estimate) -> str:
    """What a judge's largest difference is in, as a row's name."""
    what = "shown first" if row.statistic == "position_effect" else f"more {feature(row)}"
    return f"{row.subject}: {what}"


def robust_title(rows: Sequence[Estimate]) -> str:
    """Which change turns most labels, beyond those that turn anyway."""
    lost = find(rows, "robustness_lost")
    if not lost:
        return "How many labels a change turns beyond asking again is not known here"
    most = max(lost, key=lambda row: row.estimate or 0.0)
    return f"Labels turned beyond asking again: {most.reference} most, {figures_of(most)} points"


def own_title(rows: Sequence[Estimate]) -> str:
    """How its own answers do by its labels."""
    known = find(rows, "self_preference") or find(rows, "own_answer_difference")
    if not known:
        return "Whether it prefers its own answers is not known here"
    name = "Self-preference" if known[0].statistic == "self_preference" else "Its own answers win"
    return f"{name}: {figures_of(known[0])} points"


def look_first(found: Against) -> str | None:
    """How many comparisons deserve a look first, and whose labels they are; None without any."""
    if not found.n_items:
        return None
    of_each = sorted(found.by_judge, key=lambda each: -each[1])
    names = ", ".join(f"{name} {n:,}" for name, n in of_each[:3] if n)
    return (
        f"Look first at {count(found.n_items, 'comparison')} where all humans agree and a judge is "
        f"confident of the other answer ({names}). Confident: the same answer in both orders, or "
        "a stated probability of at least 90%."
    )
