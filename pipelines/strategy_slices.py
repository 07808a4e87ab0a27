"""Whether slices deserve strategies of their own: each slice's own choice against one for all.

Both choose among the same strategies, those tried on the whole data set, and both are scored on
prompts that had no part in choosing: otherwise many slices look better for their number alone. A
budget holds for each slice by its number of comparisons, a quality in each slice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.sections.view import DIFFERENCE, row
from pipelines.stats.choosing import cross_chosen
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.strategy_rows import CROSS_SELECTED, NO_PRICE, SECTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.sections.view import View
    from pipelines.strategy import Choice, Goal, Policy

    Floats = NDArray[np.float64]
    Codes = NDArray[np.integer[Any]]

OWN, FOR_ALL = "each slice's own choice", "one choice for all"


def own_choice_rows(
    view: View, choice: Choice, goal: Goal, codes: Codes, column: str
) -> list[Estimate]:
    """Quality and cost of choosing for each slice, less those of one choice for all.

    `view` is of the whole data set, `codes` (n,) its slices, -1 for none. Slices with too few
    prompts take the choice for all. No rows where nothing can be chosen on nine tenths.
    """
    quality = np.stack([each.quality for each in choice.strategies], axis=1)
    cost = np.stack([each.cost_usd for each in choice.strategies], axis=1)
    for_all = cross_chosen(quality, cost, choice.prompts, goal.select)
    if choice.selected is None or for_all is None:
        return []
    own = _own(goal, quality, cost, choice.prompts, codes[choice.items], for_all)
    items, method = np.arange(len(own)), f"by {column}; {CROSS_SELECTED}"
    better = quality[items, own] - quality[items, for_all]
    dearer = 1000 * (cost[items, own] - cost[items, for_all])
    ones = np.ones(len(own))
    n_labels = int(view.n_humans[choice.items].sum())
    return [
        row(view, SECTION, "own_choice_difference", OWN, FOR_ALL,
            view.of_ratio(np.stack([better, ones], axis=1), choice.items, bounds=DIFFERENCE),
            n_items=len(own), n_labels=n_labels, unit="share difference", method=method),
        row(view, SECTION, "own_choice_usd_per_1000", OWN, FOR_ALL,
            view.of_ratio(np.stack([dearer, ones], axis=1), choice.items, undefined=NO_PRICE),
            n_items=len(own), n_labels=n_labels, unit="usd", method=method),
    ]  # fmt: skip


def _own(
    goal: Goal, quality: Floats, cost: Floats, prompts: Codes, codes: Codes, for_all: Codes
) -> Codes:
    """The strategy (n,) that the item's slice selects without the item's fold of prompts."""
    chosen = for_all.copy()
    for code in np.unique(codes[codes >= 0]):
        inside = codes == code
        if len(np.unique(prompts[inside])) < FEWEST_PROMPTS:
            continue
        found = cross_chosen(quality[inside], cost[inside], prompts[inside], goal.select)
        if found is not None:
            chosen[inside] = found
    return chosen


def others_than(choice: Choice, of_slices: Sequence[tuple[str, Choice]]) -> list[str]:
    """The slices that recommend something else; a share sent to humans counts to a tenth."""
    if choice.recommended is None:
        return []
    kind = _kind(choice.strategies[choice.recommended].policy)
    return [
        name
        for name, each in of_slices
        if each.recommended is not None and _kind(each.strategies[each.recommended].policy) != kind
    ]


def _kind(policy: Policy) -> Policy:
    share = round(policy.human_share, 1)
    return replace(policy, human_share=share, threshold=None, at_threshold=1.0)
