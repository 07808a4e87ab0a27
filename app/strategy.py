"""`concord strategy`: which feedback to buy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.reporting import add_features
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import out, print_json, print_table, say
from data.errors import InputError
from data.store import Store
from pipelines.estimates import ALL, as_row
from pipelines.findings import find
from pipelines.panel import read_panel
from pipelines.sections.view import View
from pipelines.slices import slice_codes
from pipelines.strategy import Goal, choose_strategy
from pipelines.wording import interval_of, money, points, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipelines.sections.view import Rules
    from pipelines.strategy import Choice


def run_strategy(
    path: Path, dataset: str | None, criterion: str | None, judges: Sequence[str], rules: Rules,
    goal: Goal, by: str | None, *, everything: bool, as_json: bool,
) -> None:  # fmt: skip
    """Try the strategies, overall and by slice, and say which one to choose."""
    store = Store(path)
    take_up_if_possible(store)
    panel = read_panel(store, chosen_dataset(store, dataset), criterion, judges)
    add_features(store, panel)
    views = [View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))]
    if by is not None:
        names, codes = slice_codes(panel, by)
        views += [View(panel, rules, f"{by}={name}", codes == k) for k, name in enumerate(names)]
    choices = list(_choices(views, goal))
    if as_json:
        print_json({"dataset": panel.dataset, "simulated": panel.simulated, "goal": goal,
                    "choices": [_as_json(name, choice) for name, choice in choices]})  # fmt: skip
        return
    mark = "   (simulated labels)" if panel.simulated else ""
    for name, choice in choices:
        where = "" if name == ALL else f", {name}"
        out().print(f"{panel.dataset}{where}{mark}: {choice.n_items:,} comparisons", markup=False)
        _print_table(choice, goal, everything=everything)
        for sentence in sentences(choice, goal):
            out().print(sentence, markup=False)
        for note in choice.notes:
            say(f"note: {note}")
    if not everything:
        say("these are the ones on the frontier and beside the recommended one: --all shows all")


def _choices(views: Sequence[View], goal: Goal) -> Iterator[tuple[str, Choice]]:
    """Of the whole data set, and of the slices that have the labels for it."""
    for view in views:
        try:
            yield view.name, choose_strategy(view, goal)
        except InputError as error:
            if view.name == ALL:
                raise
            say(f"note: {view.name}: {error.what}")


def _as_json(name: str, choice: Choice) -> dict[str, object]:
    def of(k: int) -> dict[str, object]:
        return {"strategy": choice.strategies[k].name, "policy": choice.strategies[k].policy}

    found = choice.recommended
    return {
        "slice": name,
        "recommended": None if found is None else of(found),
        "not_distinguishable": [of(k) for k in choice.alike],
        "more_prompts": choice.more_prompts,
        "frontier": [of(int(k)) for k in np.flatnonzero(choice.on_frontier)],
        "estimates": [as_row(row) for row in choice.rows],
        "notes": choice.notes,
    }


def _print_table(choice: Choice, goal: Goal, *, everything: bool) -> None:
    """The strategies from the cheapest on; marked: recommended, and not told from it."""
    rows = {row.subject: row for row in choice.rows if row.statistic == "strategy_quality"}
    order = np.lexsort((-choice.quality, choice.cost_usd))
    shown = [k for k in order if everything or choice.on_frontier[k] or k in choice.alike
             or k == choice.recommended or k == 0]  # fmt: skip
    print_table(
        ["strategy", "matches a human", f"{goal.n:,} cost", ""],
        [
            [
                choice.strategies[k].name,
                f"{value_of(rows[choice.strategies[k].name])} "
                f"{interval_of(rows[choice.strategies[k].name])}",
                money(float(choice.cost_usd[k]) * goal.n),
                "recommended" if k == choice.recommended else "alike" if k in choice.alike else "",
            ]
            for k in shown
        ],
        numbers=(1, 2),
    )


def sentences(choice: Choice, goal: Goal) -> Iterator[str]:
    """The recommendation in words, with what speaks against it."""
    found = choice.recommended
    if found is None:
        return
    name, usd = choice.strategies[found].name, float(choice.cost_usd[found])
    figures = [row for row in choice.rows if row.statistic == "recommended_quality"]
    rests = ""
    if figures:
        rests = f" It matches a human in {value_of(figures[0])} {interval_of(figures[0])}"
        rests += " (on prompts that had no part in choosing it)."
    price = f", at {money(usd * goal.n)} for {goal.n:,}" if usd == usd else ""
    yield f"Recommended{_within(goal)}: {name}{price}.{rests}"
    if choice.alike:
        names = "; ".join(choice.strategies[k].name for k in choice.alike)
        what = "May reach it too, and cost less" if goal.quality else "Cannot be told from the best"
        more = (
            f"; about {choice.more_prompts:,} prompts would tell one of them apart, now there are "
            f"{choice.rows[0].n_prompts:,}"
            if choice.more_prompts
            else ""
        )
        yield f"{what}: {names}{more}."
    yield from _beside_humans(choice, found)


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
    text = f"One human a comparison: {points(gap.estimate)} points {interval_of(gap)}"
    if gap.estimate is not None and gap.estimate > 0 and usd < human:
        text += (
            f", at {money((human - usd) * 10 / gap.estimate)} for each point on 1,000 comparisons"
        )
        share = choice.strategies[found].policy.human_share
        ai = usd - share * human
        text += f"; below {money(ai / (1 - share))} a label humans alone would cost less"
    yield f"{text}."
