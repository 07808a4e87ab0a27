"""Strategies tried on a data set and on its slices, to be priced and chosen from at will."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.sections.view import View
from pipelines.slices import slice_codes
from pipelines.strategy import Tried, choose
from pipelines.strategy_slices import own_choice_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.sections.view import Rules
    from pipelines.strategy import Choice, Goal, Match


def tried_on_all(panel: Panel, rules: Rules, match: Match) -> Tried:
    """What was tried on the whole data set. Raises InputError where labels for it are missing."""
    return tried_of(View(panel, rules, ALL, np.ones(panel.n_items, dtype=bool)), match)


def tried_of(view: View, match: Match) -> Tried:
    """All that does not hang on prices is done; what it was made from is not kept."""
    return Tried(view, match).without_labels()


@dataclass(frozen=True, slots=True)
class Sliced:
    """A column's slices that were tried, each comparison's slice (n,), and who lacks labels."""

    column: str
    slices: tuple[tuple[str, Tried], ...] = field(repr=False)
    codes: NDArray[np.int64] = field(repr=False)
    lacking: tuple[str, ...]


def tried_by(panel: Panel, rules: Rules, match: Match, column: str) -> Sliced:
    """The same on each slice of a column; none where there are not two of them."""
    names, codes = slice_codes(panel, column)
    tried, lacking = [], []
    for k, name in enumerate(names):
        try:
            view = View(panel, rules, f"{column}={name}", codes == k)
            tried.append((view.name, tried_of(view, match)))
        except InputError:
            lacking.append(name)
    return Sliced(column, tuple(tried), codes, tuple(lacking))


def choices_by(
    sliced: Sliced, everything: Tried, overall: Choice, goal: Goal, human_usd: float,
    judges_usd: Mapping[str, float],
) -> tuple[list[tuple[str, Choice]], list[Estimate]]:  # fmt: skip
    """The choice of each slice at these prices, and what it is worth to follow them."""
    choices = [(name, choose(each.at(human_usd, judges_usd), goal)) for name, each in sliced.slices]
    own = own_choice_rows(everything.view, overall, goal, sliced.codes, sliced.column)
    return choices, own
