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
from pipelines.stats.choosing import FOLDS, cross_chosen
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.strategy_rows import CROSS_SELECTED, NO_PRICE, SECTION
from pipelines.strategy_sums import PromptSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.sections.view import Mask, View
    from pipelines.strategy import Choice, Goal, Policy, Strategy

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
    mine = codes[choice.items]
    cells = _Cells(choice, goal, mine)
    for_all = cells.chosen(np.ones(len(cells.code), dtype=bool))
    if choice.selected is None or for_all is None:
        return []
    own = _own(cells, choice.prompts, mine, for_all)[cells.of_item]
    for_all, method = for_all[cells.of_item], f"by {column}; {CROSS_SELECTED}"
    one, other = (_of_each(choice.strategies, chosen) for chosen in (own, for_all))
    better, dearer = one[0] - other[0], 1000 * (one[1] - other[1])
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


class _Cells:
    """Slices by folds of prompts: all items of a cell are chosen for alike.

    `of_item` (n,) is each item's cell, `code` (c,) the slice of each cell, -1 for none.
    """

    def __init__(self, choice: Choice, goal: Goal, codes: Codes) -> None:
        cells, self.of_item = np.unique(
            codes.astype(np.int64) * FOLDS + choice.prompts % FOLDS, return_inverse=True
        )
        self.code, self.fold = np.divmod(cells, FOLDS)
        tried = choice.strategies
        self.sums = PromptSums(
            [each.quality for each in tried], [each.human_labels for each in tried], self.of_item
        )
        self.cost = self.sums.cost(np.array([each.usd for each in tried]))
        self.goal = goal

    def chosen(self, of: Mask) -> Codes | None:
        """The strategy of each cell of some, chosen from them without the cell's own fold."""
        sums = self.sums
        return cross_chosen(
            sums.quality[of], self.cost[of], self.fold[of], self.goal.select, sums.n[of]
        )


def _own(cells: _Cells, prompts: Codes, codes: Codes, for_all: Codes) -> Codes:
    """The strategy of each cell that its slice selects without the cell's fold of prompts."""
    chosen = for_all.copy()
    for code in np.unique(codes[codes >= 0]):
        if len(np.unique(prompts[codes == code])) < FEWEST_PROMPTS:
            continue
        inside = cells.code == code
        found = cells.chosen(inside)
        if found is not None:
            chosen[inside] = found
    return chosen


def _of_each(strategies: Sequence[Strategy], chosen: Codes) -> tuple[Floats, Floats]:
    """Quality and cost (n,) of the strategy that is chosen for each item."""
    quality, cost = np.zeros(len(chosen)), np.zeros(len(chosen))
    for k in np.unique(chosen):
        items = chosen == k
        quality[items] = strategies[k].quality[items]
        cost[items] = strategies[k].cost_usd[items]
    return quality, cost


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
