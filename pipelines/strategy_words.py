"""What may be said of a choice of strategy, composed from its rows by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.findings import figure_of, find
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.strategy import MATERIAL, Match
from pipelines.strategy_slices import others_than
from pipelines.wording import interval_of, money, points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipelines.estimates import Estimate
    from pipelines.strategy import Choice, Goal

MOST_NAMES = 6
BREAK_EVEN = "break_even_usd_per_human_label"
TARGET = {
    Match.HUMAN: "a human",
    Match.MAJORITY: "the majority",
    Match.REWARD: "held-out human votes",
}


def matcher(match: Match) -> str | None:
    """What matches where it is not the label itself."""
    return "reward model" if match is Match.REWARD else None


def sentences(choice: Choice, goal: Goal) -> Iterator[str]:
    """The recommendation in words, with what speaks against it."""
    found = choice.recommended
    if found is None:
        return
    name, usd = choice.strategies[found].name, float(choice.cost_usd[found])
    figures = [row for row in choice.rows if row.statistic == "recommended_quality"]
    rests = ""
    if figures:
        model = matcher(choice.match)
        who = f"a {model} fitted to labels" if model else "what is"
        rests = f" On prompts that had no part in it, {who} chosen this way matches"
        rests += f" {TARGET[choice.match]} in {figure_of(figures[0])}."
    elif goal.quality is not None and choice.n_prompts >= FEWEST_PROMPTS:
        rests = " Only just: without a tenth of the prompts nothing may reach it, so there is no "
        rests += "figure on prompts that had no part in choosing."
    price = f", at {money(usd * goal.n)} for {goal.n:,}" if usd == usd else ""
    yield f"Recommended{_within(goal)}: {name}{price}.{rests}"
    if choice.alike:
        shown = [choice.strategies[k].name for k in choice.alike[:MOST_NAMES]]
        names = "; ".join(shown)
        if len(choice.alike) > len(shown):
            names += f"; and {len(choice.alike) - len(shown):,} more that the table marks"
        what = "May reach it too, and cost less" if goal.quality else "Cannot be told from the best"
        names += _cheapest(choice, goal)
        undecided = _undecided(choice, goal)
        more = (
            f"; about {choice.more_prompts:,} prompts would tell one of them apart, now there are "
            f"{choice.n_prompts:,}"
            if (choice.more_prompts or 0) > choice.n_prompts and not undecided
            else ""
        )
        yield f"{what}: {names}{more}."
        if undecided:
            yield undecided
    yield from _jury(choice)
    yield from _beside_humans(choice, found)


def _cheapest(choice: Choice, goal: Goal) -> str:
    """Of those alike the one that costs least, where that is materially less."""
    usd = {k: float(choice.cost_usd[k]) for k in (choice.recommended or 0, *choice.alike)}
    least = min(choice.alike, key=lambda k: (usd[k] != usd[k], usd[k]))
    if not MATERIAL * usd[least] < usd[choice.recommended or 0]:
        return ""
    return f"; the cheapest is {choice.strategies[least].name}, at {money(usd[least] * goal.n)}"


def _undecided(choice: Choice, goal: Goal) -> str | None:
    """That the labels do not tell strategies of different cost apart, and how many more would."""
    found = choice.undecided(goal)
    if found is None or choice.recommended is None:
        return None
    name = choice.strategies[found.place].name
    usd, other = (
        money(float(choice.cost_usd[k]) * goal.n) for k in (choice.recommended, found.place)
    )
    what = f"whether {name} reaches it" if goal.quality else f"between it and {name}"
    more = ""
    if found.more_prompts is not None:
        more = (
            f": about {found.more_prompts:,} more prompts ({found.more_comparisons:,} comparisons "
            "with labels of two humans each and of the judges) would tell"
        )
    return f"Too few human labels to decide {what} ({usd} against {other} for {goal.n:,}){more}."


def _jury(choice: Choice) -> Iterator[str]:
    """How many judges a jury is worth, of the recommended one or one that may be as good."""
    places = () if choice.recommended is None else (choice.recommended, *choice.alike)
    for each in (choice.strategies[k] for k in places):
        found = [
            row
            for statistic in ("jury_error_correlation", "jury_effective_size")
            for row in find(choice.rows, statistic, each.name, slice_name=choice.rows[0].slice)
        ]
        if not each.policy.jury or len(found) < 2:
            continue
        alike, worth = found
        how = "err alike" if (alike.low or 0.0) > 0 else "are not shown to err alike"
        name = each.name.removeprefix("jury of ")
        yield (
            f"The {len(each.policy.judges)} judges of the jury {name} {how}: they count as "
            f"{figure_of(worth)} independent ones (their errors correlate by {figure_of(alike)}; "
            f"{worth.n_items:,} comparisons)."
        )
        return


def slice_sentences(
    choices: Sequence[tuple[str, Choice]], own: Sequence[Estimate]
) -> Iterator[str]:
    """Whether slices recommend something else, and what it is worth to follow each of them."""
    if len(choices) < 2:
        return
    (_, overall), *of_slices = choices
    names = [name.partition("=")[2] for name in others_than(overall, of_slices)]
    if names:
        some = f"{len(names)} of {len(of_slices)} slices recommend something else"
        yield f"{some} than the whole data set: {', '.join(names)}."
    elif overall.recommended is not None:
        yield f"No slice of {len(of_slices)} recommends something else than the whole data set."
    for better in (row for row in own if row.statistic == "own_choice_difference"):
        yield _own_choice(better, find(own, "own_choice_usd_per_1000"))


def _own_choice(better: Estimate, dearer: Sequence[Estimate]) -> str:
    """What it adds to choose for each slice, with no more certainty than its interval has."""
    shown = better.low is not None and better.high is not None
    if better.estimate == 0 and not shown:
        what = "changes nothing here"
    elif shown and (better.low or 0.0) > 0:
        what = f"matches more often, {figure_of(better)} points"
    elif shown and (better.high or 0.0) < 0:
        what = f"matches less often, {figure_of(better)} points: the slices are small to choose by"
    else:
        what = f"is not shown to match more or less often ({figure_of(better)} points)"
    usd = f", at {_signed(dearer[0])} for 1,000" if dearer and dearer[0].estimate else ""
    return (
        f"Choosing for each slice among the same strategies {what}{usd}, against one choice for "
        f"all ({better.n_items:,} comparisons, none of which had a part in its choice)."
    )


def _signed(row: Estimate) -> str:
    """A difference of money, with its interval."""
    size = money(abs(row.estimate or 0.0))
    ends = f" {interval_of(row)}" if row.low is not None else ""
    return f"{size} {'more' if (row.estimate or 0.0) > 0 else 'less'}{ends}"


def _within(goal: Goal) -> str:
    if goal.budget_usd is not None:
        return f" within {money(goal.budget_usd)}"
    if goal.quality is not None:
        return f" for a match of {100 * goal.quality:g}%"
    return f" at {money(goal.usd_per_point)} a point" if goal.usd_per_point else " at any price"


def _beside_humans(choice: Choice, found: int) -> Iterator[str]:
    """What humans alone would add, what that point costs, and from which price on they pay."""
    if found == 0:
        return
    name, where = choice.strategies[0].name, choice.rows[0].slice
    [gap] = find(choice.rows, "strategy_difference", name, slice_name=where)
    usd, human = float(choice.cost_usd[found]), choice.human_usd
    less = f"{points(gap.estimate)} points {interval_of(gap)}".rstrip()
    text = f"One human a comparison, beside it: {less}"
    if gap.estimate is not None and gap.estimate > 0:
        if usd < human and (gap.low is None or gap.low > 0):  # else there may be no point to pay
            each = money((human - usd) * 10 / gap.estimate)
            text += f", at {each} for each point on 1,000 comparisons"
        if not usd >= human:  # cheaper, or a price is not known
            for even in find(choice.rows, BREAK_EVEN, slice_name=where):
                if even.estimate:
                    text += f"; below {money(even.estimate)} a label humans alone would cost less"
    yield f"{text}."
