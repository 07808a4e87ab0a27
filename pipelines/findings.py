"""Sentences composed from Estimate rows, by rule. They say no more than the intervals do."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

from pipelines.estimates import ALL
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN
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
    within = low >= -SAME_POINTS and high <= SAME_POINTS
    if high < 0:
        size = points(-gap.estimate).lstrip("+")
        less = f"agrees {size} point{'' if size == '1' else 's'} less than a human does"
        return f"{less}, within {SAME_POINTS:.0f} points" if within else less
    if within:
        return "is as good as one human"
    # Either verdict would do, whichever the interval reaches first as it shrinks around its middle.
    middle, half = abs(high + low) / 2, (high - low) / 2
    more = ceil(gap.n_prompts * ((half / max(middle, SAME_POINTS - middle)) ** 2 - 1))
    prompts = "prompt" if more == 1 else "prompts"
    about = f" (about {more:,} more {prompts} would tell)" if more > 0 else ""
    return f"cannot be told apart from one human yet{about}"


def judge_sentence(rows: Sequence[Estimate], judge: str) -> str | None:
    """The verdict on one judge with its figures; None where it has no gap."""
    gaps = find(rows, "gap", judge)
    agreement = find(rows, "single_human_agreement", judge)
    if not gaps or not agreement:
        return None
    gap, own = gaps[0], agreement[0]
    ceiling = (own.estimate or 0.0) - (gap.estimate or 0.0)
    one, two = _sides(own.estimate or 0.0, ceiling, gap.estimate or 0.0)
    return f"{judge} {verdict(gap)} ({one} v {two}, gap {figure_of(gap)}; {comparisons_of(gap)})"


def _sides(own: float, ceiling: float, gap: float) -> tuple[str, str]:
    """Two shares; with a decimal where whole ones would contradict their gap, rounded likewise."""
    whole, other = (floor(100 * share + 0.5) for share in (own, ceiling))
    agree = whole - other == floor(abs(100 * gap) + 0.5) * (1 if gap >= 0 else -1)
    if agree or not 0 < min(whole, other) <= max(whole, other) < 100:
        return percent(own), percent(ceiling)
    return f"{100 * own:.1f}%", f"{100 * ceiling:.1f}%"


def main_reference(rows: Sequence[Estimate]) -> str:
    """What judges are measured by: one human, else the human majority, else a gold label."""
    if any(row.subject != CEILING for row in find(rows, "single_human_agreement")):
        return ONE_HUMAN
    references = {row.reference for row in find(rows, "majority_agreement")}
    return MAJORITY if MAJORITY in references or not references else min(references)


def judges_by_agreement(rows: Sequence[Estimate]) -> list[str]:
    """Judges, highest agreement first; after them those without an interval, then the baselines."""
    reference = main_reference(rows)
    found = find(rows, _agreement_with(reference), reference=reference)
    found.sort(key=_rank)
    return [row.subject for row in found if row.subject != CEILING]


def _agreement_with(reference: str) -> str:
    return "single_human_agreement" if reference == ONE_HUMAN else "majority_agreement"


def _rank(row: Estimate) -> tuple[bool, bool, float, str]:
    return row.subject in BASELINES, row.low is None, -(row.estimate or 0.0), row.subject


def headline(rows: Sequence[Estimate]) -> str:
    """One sentence that a manager can read: which judge, how far from humans, at what price."""
    judges = [name for name in judges_by_agreement(rows) if name not in BASELINES]
    if not judges:
        return "No judge can be compared with human or gold labels here yet."
    best = judges[0]
    sentence = judge_sentence(rows, best) or _plain_sentence(rows, best)
    others = [r for r in rows if r.statistic == "agreement_difference" and r.subject == best]
    more = [row.reference for row in others if row.high is not None and row.high < 0]
    alike = [row.reference for row in others if _is_open(row)]
    if len(judges) > 1:
        apart = ", each on its own comparisons" if more else ""
        sentence = f"Highest agreement of {len(judges)} judges{apart}: {sentence}"
    return f"{sentence}{_price(rows, best)}{_beside(more, alike)}."


def _plain_sentence(rows: Sequence[Estimate], judge: str) -> str:
    """Where there is no ceiling to compare with."""
    reference = main_reference(rows)
    [row] = find(rows, _agreement_with(reference), judge, reference=reference)
    return (
        f"{judge} agrees with {_named(row.reference)} {figure_of(row)} of the time "
        f"({comparisons_of(row)})"
    )


def _named(reference: str) -> str:
    if reference == ONE_HUMAN:
        return reference
    return f"the {reference}" if reference == MAJORITY else f"the label {reference!r}"


def figure_of(row: Estimate) -> str:
    """An estimate with its interval, where it has one."""
    return f"{value_of(row)} {interval_of(row)}".rstrip()


def comparisons_of(row: Estimate) -> str:
    """How many comparisons a row rests on."""
    return f"{row.n_items:,} comparison{'' if row.n_items == 1 else 's'}"


def _price(rows: Sequence[Estimate], judge: str) -> str:
    own = find(rows, "cost_usd_per_1000", judge)
    human = find(rows, "cost_usd_per_1000", ONE_HUMAN)
    if not own:
        return ""
    beside = f" against {money(human[0].estimate)} for humans" if human else ""
    return f", at {money(own[0].estimate)} per 1,000 labels{beside}"


def _beside(more: Sequence[str], alike: Sequence[str]) -> str:
    """Who agrees more, and who may agree as much, on the comparisons that both labelled."""
    verb = "agrees" if len(more) == 1 else "agree"
    parts = [f"; {listed(more)} {verb} more where both labelled"] if more else []
    parts += [f"; {listed(alike)} cannot be told apart from it"] if alike else []
    return "".join(parts)


def _is_open(difference: Estimate) -> bool:
    """Whether it may be zero, as far as its interval tells."""
    low, high = difference.low, difference.high
    return low is None or high is None or low <= 0 <= high


def listed(names: Sequence[str]) -> str:
    """One or two names, or the first and how many others."""
    names = [f"the baseline {name}" if name in BASELINES else name for name in names]
    if len(names) <= 2:
        return " and ".join(names)
    return f"{names[0]} and {len(names) - 1:,} others"


def difference_sentence(rows: Sequence[Estimate]) -> str:
    """What the paired difference of two judges allows to say."""
    [row] = [row for row in rows if row.statistic == "agreement_difference"]
    if row.estimate is None:
        why = (row.note or "").removeprefix("undefined: ")
        return f"{row.subject} and {row.reference} cannot be compared: {why}."
    figure = f"{figure_of(row)} points, on the {comparisons_of(row)} that both labelled"
    figure += " and two humans too" if row.method.endswith(f" with {ONE_HUMAN}") else ""
    if row.low is None or row.high is None:
        return f"{row.subject} and {row.reference} cannot be told apart: {figure}; {row.note}."
    if row.low <= 0 <= row.high:
        for least in find(rows, "detectable_difference"):
            size = points(least.estimate).lstrip("+")
            figure += (
                f"; a difference of {size} points would have been found in 80% of such data sets"
            )
        return f"{row.subject} and {row.reference} cannot be told apart: {figure}."
    verb = "more" if row.estimate > 0 else "less"
    return f"{row.subject} agrees {verb} than {row.reference}: {figure}."
