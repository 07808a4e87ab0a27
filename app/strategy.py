"""`concord strategy`: which feedback to buy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.learning import Told
from app.reporting import add_features
from app.routing import save_policy
from app.stores import chosen_dataset, take_up_if_possible
from app.terminal import out, print_json, print_table, say
from data.errors import InputError
from data.store import Store
from pipelines.estimates import ALL, as_row
from pipelines.findings import figure_of
from pipelines.panel import read_panel
from pipelines.sections.view import View
from pipelines.slices import slice_codes
from pipelines.strategy import choose_strategy
from pipelines.strategy_reward import Learner
from pipelines.strategy_slices import own_choice_rows
from pipelines.strategy_words import BREAK_EVEN, TARGET, matcher, sentences, slice_sentences
from pipelines.wording import money

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.routing import Save
    from pipelines.estimates import Estimate
    from pipelines.sections.view import Rules
    from pipelines.strategy import Choice, Goal, Match


def run_strategy(
    path: Path, dataset: str | None, criterion: str | None, judges: Sequence[str], rules: Rules,
    goal: Goal, by: str | None, match: Match, *, everything: bool, as_json: bool,
    save: Save | None = None,
) -> None:  # fmt: skip
    """Try the strategies, overall and by slice, and say which one to choose."""
    store = Store(path)
    take_up_if_possible(store)
    panel = read_panel(store, chosen_dataset(store, dataset), criterion, judges)
    add_features(store, panel)
    views = [View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool))]
    own: list[Estimate] = []
    if by is not None:
        names, codes = slice_codes(panel, by)
        views += [View(panel, rules, f"{by}={name}", codes == k) for k, name in enumerate(names)]
    learner = Learner(store, progress=Told())
    choices = list(_choices(views, goal, match, learner, every_judge=bool(judges)))
    if save is not None:
        save_policy(save, choices[0][1], goal, views[0])
    if by is not None and len(choices) > 1:
        own = own_choice_rows(views[0], choices[0][1], goal, codes, by)
    if as_json:
        found = [_as_json(name, choice, goal) for name, choice in choices]
        print_json({"dataset": panel.dataset, "simulated": panel.simulated, "goal": goal,
                    "match": match, "slices": [as_row(row) for row in own],
                    "choices": found})  # fmt: skip
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
    for sentence in slice_sentences(choices, own):
        out().print(sentence, markup=False)
    if not everything:
        say("these are the ones on the frontier and beside the recommended one: --all shows all")


def _choices(
    views: Sequence[View], goal: Goal, match: Match, learner: Learner, *, every_judge: bool
) -> Iterator[tuple[str, Choice]]:
    """Of the whole data set, and of the slices that have the labels for it."""
    for view in views:
        try:
            yield view.name, choose_strategy(view, goal, match, learner, every_judge=every_judge)
        except InputError as error:
            if view.name == ALL:
                raise
            say(f"note: {view.name}: {error.what}")


def _as_json(name: str, choice: Choice, goal: Goal) -> dict[str, object]:
    def of(k: int) -> dict[str, object]:
        return {"strategy": choice.strategies[k].name, "policy": choice.strategies[k].policy}

    found, undecided = choice.recommended, choice.undecided(goal)
    break_even = [r.estimate for r in choice.rows if r.statistic == BREAK_EVEN]
    return {
        "slice": name,
        "recommended": None if found is None else of(found),
        "not_distinguishable": [of(k) for k in choice.alike],
        "more_prompts": choice.more_prompts,
        "undecided": None if undecided is None else {
            **of(undecided.place), "more_prompts": undecided.more_prompts,
            "more_comparisons": undecided.more_comparisons,
        },
        "break_even_usd_per_human_label": break_even[0] if break_even else None,
        "frontier": [of(int(k)) for k in np.flatnonzero(choice.on_frontier)],
        "estimates": [as_row(row) for row in choice.rows],
        "notes": choice.notes,
    }  # fmt: skip


def _print_table(choice: Choice, goal: Goal, *, everything: bool) -> None:
    """The strategies from the cheapest on; marked: recommended, and not told from it."""
    rows = {row.subject: row for row in choice.rows if row.statistic == "strategy_quality"}
    order = np.lexsort((-choice.quality, choice.cost_usd))
    shown = [k for k in order if everything or choice.on_frontier[k] or k in choice.alike
             or k == choice.recommended or k == 0]  # fmt: skip
    print_table(
        [
            "strategy",
            f"{matcher(choice.match) or ''} matches {TARGET[choice.match]}".strip(),
            f"{goal.n:,} cost",
            "",
        ],
        [
            [
                choice.strategies[k].name,
                figure_of(rows[choice.strategies[k].name]),
                money(float(choice.cost_usd[k]) * goal.n),
                "recommended" if k == choice.recommended else "alike" if k in choice.alike else "",
            ]
            for k in shown
        ],
        numbers=(1, 2),
    )
    if everything:
        _print_juries(choice)


def _print_juries(choice: Choice) -> None:
    """How alike the members of each jury err, and what it is worth for that."""
    alike, worth = (
        [row for row in choice.rows if row.statistic == statistic]
        for statistic in ("jury_error_correlation", "jury_effective_size")
    )
    if alike:
        cells = [[a.subject, figure_of(a), figure_of(b)] for a, b in zip(alike, worth, strict=True)]
        print_table(["", "errors correlate", "worth judges"], cells, numbers=(1, 2))
