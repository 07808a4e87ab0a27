"""Sentences composed from Estimate rows, by rule. They say no more than the intervals do."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from pipelines.estimates import ALL
from pipelines.wording import interval_of, money, percent, points, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.estimates import Estimate

SAME_POINTS = 3.0  # within this many points of the ceiling a judge is "as good as one human"
BASELINES = ("longer", "first", "random")


def find(
    rows: Sequence[Estimate],
    statistic: str,
    subject: str | None = None,
    *,
    slice_name: str = ALL,
    reference: str | None = None,
) -> list[Estimate]:
    """The rows of a statistic that have a number."""
    return [
        row
        for row in rows
        if row.statistic == statistic
        and row.slice == slice_name
        and row.estimate is not None
        and subject in (None, row.subject)
        and reference in (None, row.reference)
    ]


def verdict(gap: Estimate) -> str:
    """What a gap's interval allows to say about its judge, without the judge's name."""
    if gap.estimate is None:
        return f"cannot be compared with one human: {gap.note}"
    if gap.low is None or gap.high is None:
        return f"cannot be told apart from one human yet: {gap.note}"
    low, high = 100 * gap.low, 100 * gap.high
    if low > 0:
        return "agrees with a human more often than another human does"
    if low >= -SAME_POINTS and high <= SAME_POINTS:
        return "is as good as one human"
    if high < 0:
        return f"agrees {points(-gap.estimate).lstrip('+')} points less than a human does"
    more = ceil(gap.n_prompts * (((high - low) / 2 / SAME_POINTS) ** 2 - 1))
    about = f" (about {more:,} more prompts would tell)" if more > 0 else ""
    return f"cannot be told apart from one human yet{about}"


def judge_sentence(rows: Sequence[Estimate], judge: str) -> str | None:
    """The verdict on one judge with its figures; None where it has no gap."""
    gaps = find(rows, "gap", judge)
    agreement = find(rows, "single_human_agreement", judge)
    if not gaps or not agreement:
        return None
    gap, own = gaps[0], agreement[0]
    ceiling = (own.estimate or 0.0) - (gap.estimate or 0.0)
    interval = f" {interval_of(gap)}" if gap.low is not None else ""
    figures = f"{percent(own.estimate)} v {percent(ceiling)}, gap {value_of(gap)}{interval}"
    return f"{judge} {verdict(gap)} ({figures}; {gap.n_items:,} comparisons)"


def judges_by_agreement(rows: Sequence[Estimate]) -> list[str]:
    """Judges, highest agreement first: with one human, else with the majority or gold."""
    for statistic in ("single_human_agreement", "majority_agreement"):
        found = [row for row in find(rows, statistic) if row.subject != "human ceiling"]
        if found:
            found.sort(key=lambda row: (-(row.estimate or 0.0), row.subject))
            return list(dict.fromkeys(row.subject for row in found))
    return []


def headline(rows: Sequence[Estimate]) -> str:
    """One sentence that a manager can read: which judge, how far from humans, at what price."""
    judges = [name for name in judges_by_agreement(rows) if name not in BASELINES]
    if not judges:
        return "No judge can be compared with human or gold labels here yet."
    best = judges[0]
    sentence = judge_sentence(rows, best) or _majority_sentence(rows, best)
    if len(judges) > 1:
        sentence = f"Highest agreement of {len(judges)} judges: {sentence}"
    return f"{sentence}{_price(rows, best)}."


def _majority_sentence(rows: Sequence[Estimate], judge: str) -> str:
    row = find(rows, "majority_agreement", judge)[0]
    return (
        f"{judge} agrees with {_named(row.reference)} {value_of(row)} of the time "
        f"{interval_of(row)} ({row.n_items:,} comparisons)"
    )


def _named(reference: str) -> str:
    return f"the {reference}" if reference == "human majority" else f"the label {reference!r}"


def _price(rows: Sequence[Estimate], judge: str) -> str:
    own = find(rows, "cost_usd_per_1000", judge)
    human = find(rows, "cost_usd_per_1000", "one human")
    if not own:
        return ""
    beside = f" against {money(human[0].estimate)} for humans" if human else ""
    return f", at {money(own[0].estimate)} per 1,000 labels{beside}"


def section_title(section: str, rows: Sequence[Estimate]) -> str:
    """The sentence above a section's table or figure."""
    if section == "agreement":
        return headline([row for row in rows if row.section == "agreement"])
    if section == "bias":
        return _position_title(rows)
    return _cost_title(rows)


def _position_title(rows: Sequence[Estimate]) -> str:
    """The judge whose choice follows the place most, where both orders were shown."""
    consistent = [row for row in find(rows, "position_consistency") if row.subject not in BASELINES]
    if not consistent:
        return "Position: not identified here, as no judge labelled both orders."
    worst = min(consistent, key=lambda row: (row.estimate or 0.0, row.subject))
    first = find(rows, "first_shown_share", worst.subject)
    share = f", and chooses the one shown first {value_of(first[0])} of the time" if first else ""
    return (
        f"{worst.subject} keeps its preference in {value_of(worst)} {interval_of(worst)} of "
        f"{worst.n_items:,} comparisons when the order is swapped{share}."
    )


def _cost_title(rows: Sequence[Estimate]) -> str:
    judges = find(rows, "cost_usd_per_1000", reference="judge labels")
    human = find(rows, "cost_usd_per_1000", "one human")
    parts = []
    if judges:
        costs = sorted(row.estimate or 0.0 for row in judges)
        span = f"{money(costs[0])} to {money(costs[-1])}" if len(costs) > 1 else money(costs[0])
        parts.append(f"1,000 AI labels cost {span}")
    if human:
        parts.append(f"1,000 human labels cost {money(human[0].estimate)}")
    if not parts:
        return "What these labels cost is not known: the source gives no prices."
    missing = "" if human and judges else "; the other source's price is not known"
    return " and ".join(parts) + missing + "."
