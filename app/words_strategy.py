"""What the strategy view says and shows of a choice. Pure: no Streamlit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.figures_frontier import ALIKE, FRONTIER, OTHER, RECOMMENDED, Try
from app.words import count
from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.findings import BASELINES, figure_of, find
from pipelines.sections.view import ONE_HUMAN
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.strategy import Goal, Match
from pipelines.strategy_words import sentences, slice_sentences
from pipelines.wording import interval_of, money, percent, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipelines.estimates import Estimate
    from pipelines.strategy import Choice, Policy

BUDGET, QUALITY, TRADE, NONE = "budget", "quality", "tradeoff", "none"
GOALS = {
    NONE: "Most quality at any price",
    BUDGET: "Most quality within a budget",
    QUALITY: "Least cost for a quality",
    TRADE: "A price for each point of quality",
}
ASKED = {
    BUDGET: "Budget, US dollars",
    QUALITY: "Quality, % that match",
    TRADE: "A point on 1,000 is worth, US dollars",
}
USUAL = {BUDGET: 100.0, QUALITY: 80.0, TRADE: 5.0}
MATCHES = {
    Match.HUMAN: "One human who had no part in it",
    Match.MAJORITY: "The most frequent label of the humans",
}
NO_PRICES = (
    "No price is known, so there is no frontier of cost and quality: name what one human label "
    "costs above, and what the judges' labels cost."
)
LEGEND = (
    ":blue[●]&nbsp;humans &emsp; :orange[●]&nbsp;AI &emsp; ●&nbsp;AI, some to a human &emsp; "
    "○&nbsp;recommended"
)
BREAK_EVEN = "humans alone would cost less"
TOO_FEW = "too few prompts"
NUMBERS = (
    "Where numbers would cover each other some are left out: a dot says its name when pointed at."
)
TERMS = {
    "the frontier": "The strategies that no other one beats: none is at least as good in both cost "
    "and quality, and better in one. Baselines are left out.",
    "at random, to a human": "A share of the comparisons goes to a human, the rest keep the "
    "judge's label; these are drawn, the rules below choose them.",
    "order flip": "To a human goes where the judge's preference changes with the order of the two "
    "responses.",
    "stated certainty": "To a human goes where the judge states a probability near one half.",
    "disagrees": "To a human goes where another judge prefers something else.",
    "learned gain": "To a human goes where a model, fitted on other prompts, expects that a "
    "human's label gains most over the judge's.",
    "not told apart": "The labels do not tell its quality from that of the recommended one.",
}
MISSING = "That needs a number above 0: until it is given, what follows is at any price."
NO_SLICES = "There are no two kinds of comparisons to choose for here."


def goal_of(name: str, n: int, value: float | None) -> Goal:
    """The goal that was picked; a value that is missing or 0 is no goal."""
    if not value:
        return Goal(n=n)
    if name == BUDGET:
        return Goal(n=n, budget_usd=value)
    if name == QUALITY:
        return Goal(n=n, quality=value / 100)
    return Goal(n=n, usd_per_point=value) if name == TRADE else Goal(n=n)


def said(choice: Choice, goal: Goal) -> list[str]:
    """The recommendation first, or why there is none."""
    found = list(sentences(choice, goal))
    return found or [f"{sentence(note)}" for note in choice.notes[-1:]]


def sentence(text: str) -> str:
    """A note of a command as a sentence of a page."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def role(policy: Policy, kinds: Mapping[str, str]) -> str:
    """Whose labels a strategy buys, as a colour: ink for humans and AI together."""
    if not policy.judges:
        return "human"
    if policy.humans:
        return "ink"
    baseline = all(kinds.get(name) == AnnotatorKind.BASELINE for name in policy.judges)
    return "baseline" if baseline else "AI"


def order(choice: Choice) -> list[int]:
    """Places from the cheapest on, as they are numbered; costs that are not known last."""
    return [int(k) for k in np.lexsort((-choice.quality, choice.cost_usd))]


def mark(choice: Choice, place: int) -> str:
    """What a strategy is marked as."""
    if place == choice.recommended:
        return RECOMMENDED
    if place in choice.alike:
        return ALIKE
    return FRONTIER if choice.on_frontier[place] and not _is_baseline(choice, place) else OTHER


def _is_baseline(choice: Choice, place: int) -> bool:
    """Whether it buys nothing of anybody: that it is free is no news."""
    policy = choice.strategies[place].policy
    return bool(policy.judges) and not policy.humans and set(policy.judges) <= set(BASELINES)


def tries(choice: Choice, goal: Goal, kinds: Mapping[str, str]) -> list[Try]:
    """Strategies with a price above 0 as points: a log scale has no place for others."""
    rows = {row.subject: row for row in find_quality(choice)}
    found = []
    for number, k in enumerate(order(choice), 1):
        usd, each = float(choice.cost_usd[k]) * goal.n, choice.strategies[k]
        row = rows[each.name]
        marked = mark(choice, k) or (ONE_HUMAN if k == 0 else OTHER)
        if usd > 0:
            found.append(
                Try(number, each.name, role(each.policy, kinds), usd, float(choice.quality[k]),
                    row.low, row.high, marked, bool(choice.on_frontier[k]),
                    f"{money(usd)} for {goal.n:,}", figure_of(row))
            )  # fmt: skip
    return found


def find_quality(choice: Choice) -> list[Estimate]:
    """How often each strategy matches, in the order of the strategies."""
    return [row for row in choice.rows if row.statistic == "strategy_quality"]


def table(choice: Choice, goal: Goal, *, everything: bool) -> list[dict[str, Any]]:
    """The strategies from the cheapest on; unless `everything`, the marked ones and one human."""
    rows = find_quality(choice)
    return [
        {
            "No.": number,
            "Estimate": value_of(rows[k]),
            "95% interval": interval_of(rows[k]),
            "Cost": money(float(choice.cost_usd[k]) * goal.n),
            "Strategy": choice.strategies[k].name,
            "To a human": _to_humans(choice.strategies[k].policy),
            "Mark": mark(choice, k),
        }
        for number, k in enumerate(order(choice), 1)
        if everything or mark(choice, k) or k == 0
    ]


def _to_humans(policy: Policy) -> str:
    if not policy.judges:
        return "all"
    return percent(policy.human_share) if policy.humans else "none"


def frontier_title(choice: Choice) -> str:
    """How many of the strategies nobody beats, and what the ends of the frontier are."""
    bought = [k for k in order(choice) if not _is_baseline(choice, k)]
    places = [k for k in bought if choice.on_frontier[k]]
    total = int(np.isfinite(choice.cost_usd[bought]).sum())
    if not total:
        return f"{len(bought):,} strategies, none with a known price"
    known = "" if total == len(bought) else " with a known price"
    if not places:
        return f"Of {total:,} strategies{known}, each is beaten by a baseline that costs nothing"
    first, last = (choice.strategies[k].name for k in (places[0], places[-1]))
    if first == last:
        return f"Of {total:,} strategies{known}, {first} matches most often and costs least"
    return (
        f"Of {total:,} strategies{known}, {len(places):,} are beaten by none in cost and quality: "
        f"from {first} to {last}"
    )


def tried_on(choice: Choice) -> str:
    """What the figures of the table rest on, and why one strategy has two of them."""
    n, prompts = count(choice.n_items, "comparison"), count(choice.n_prompts, "prompt")
    same = f"Each was tried on the same {n} ({prompts})."
    if choice.selected is None or choice.recommended is None:
        return same
    return (
        f"{same} The recommended one has two figures: here it is held, as all are, against every "
        "prompt; the recommendation says how well choosing in this way does on prompts that had "
        "no part in it, as the best of many looks better than it is where it was chosen."
    )


def left_out(choice: Choice) -> str | None:
    """Which strategies the figure has no place for."""
    free = [choice.strategies[k].name for k in order(choice) if choice.cost_usd[k] == 0]
    unknown = int(np.isnan(choice.cost_usd).sum())
    parts = []
    if free:
        more = f"; and {len(free) - 3:,} more" if len(free) > 3 else ""
        names = "; ".join(free[:3]) + more
        parts.append(f"Free, so not on a log scale: {names}.")
    if unknown:
        parts.append(f"{unknown:,} strategies without a known price are in the table only.")
    return " ".join(parts) or None


def break_even(choice: Choice, said_before: Sequence[str]) -> list[str]:
    """From which price of a human label on the recommended strategy costs less than humans.

    Nothing where it is not known, or was said.
    """
    rows = find(choice.rows, "break_even_usd_per_human_label", slice_name=choice.rows[0].slice)
    known = [row for row in rows if row.estimate is not None]
    if not known or any(BREAK_EVEN in text for text in said_before):
        return []
    price = choice.human_usd
    here = f" (now {money(price)})" if np.isfinite(price) else " (a price is not known yet)"
    return [
        f"Break-even: below {money(known[0].estimate)} for a human label{here}, one human a "
        f"comparison would cost less than {known[0].subject}."
    ]


def lacking(names: Sequence[str]) -> str:
    """Which slices have no comparison to choose by."""
    more = f" and {len(names) - 6:,} more" if len(names) > 6 else ""
    return f"Without labels of two humans and of every judge: {', '.join(names[:6])}{more}."


def is_small(choice: Choice) -> bool:
    """Whether there are too few prompts to choose by."""
    return choice.n_prompts < FEWEST_PROMPTS


def slice_lines(
    overall: Choice, choices: Sequence[tuple[str, Choice]], own: Sequence[Estimate]
) -> list[str]:
    """Whether slices recommend something else; those with too few prompts have no say."""
    enough = [(name, each) for name, each in choices if not is_small(each)]
    few = len(choices) - len(enough)
    lines = list(slice_sentences([(ALL, overall), *enough], own)) if enough else []
    if few:
        which = f"{few:,} of {len(choices):,} slices {'has' if few == 1 else 'have'}"
        lines.append(
            f"{which if enough else 'All slices have'} fewer than {FEWEST_PROMPTS} prompts: too "
            "few to choose by."
        )
    return lines


def slice_table(choices: Sequence[tuple[str, Choice]], goal: Goal) -> list[dict[str, Any]]:
    """What each slice recommends, with its own figure; of few prompts with a word of warning."""
    found = []
    for name, choice in choices:
        k = choice.recommended
        own = [row for row in choice.rows if row.statistic == "recommended_quality"]
        rows = own or ([] if k is None else [find_quality(choice)[k]])
        found.append(
            {
                "Comparisons of": name.partition("=")[2] or "all comparisons",
                "Recommended": "none meets the goal" if k is None else choice.strategies[k].name,
                "Estimate": value_of(rows[0]) if rows else "",
                "95% interval": interval_of(rows[0]) if rows else "",
                "Cost": "" if k is None else money(float(choice.cost_usd[k]) * goal.n),
                "Also possible": TOO_FEW if is_small(choice) else f"{len(choice.alike):,}",
                "Comparisons": choice.n_items,
                "Prompts": choice.n_prompts,
            }
        )
    return found


def downloads(choice: Choice) -> list[str]:
    """Strategies whose policy may be wanted: the recommended one, those alike, the frontier."""
    first = [] if choice.recommended is None else [choice.recommended]
    near = [k for k in order(choice) if mark(choice, k) or k == 0]
    return list(dict.fromkeys(choice.strategies[k].name for k in (*first, *choice.alike, *near)))


def prices_asked(judges: Iterable[str], most: int) -> tuple[list[str], int]:
    """The judges whose price can be changed, and how many more there are."""
    names = list(judges)
    return names[:most], max(0, len(names) - most)
