"""Strategies tried on a data set and on its slices, to be priced and chosen from at will."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from data.errors import InputError
from pipelines.estimates import ALL
from pipelines.section_parts import UNPARSED
from pipelines.sections.view import View
from pipelines.slices import slice_codes
from pipelines.strategy import Tried, choose
from pipelines.strategy_slices import own_choice_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.panel import Panel
    from pipelines.sections.view import Rules
    from pipelines.strategy import Choice, Goal, Match

RULES = (UNPARSED,)  # what strategies depend on: neither a majority nor ties are ever decided


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


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars of a human label, and of a judge's by its name; None where not known."""

    human: float | None
    judges: tuple[tuple[str, float | None], ...]

    def of(self, tried: Tried) -> Tried:
        """What was tried, at these prices."""
        judges = {name: _usd(usd) for name, usd in self.judges}
        return tried.at(_usd(self.human), judges)


def _usd(price: float | None) -> float:
    return np.nan if price is None else price


def known_prices(tried: Tried) -> Prices:
    """What is known of the labels."""
    judges = tuple((tried.name(k), _known(usd)) for k, usd in tried.usd.items())
    return Prices(_known(tried.human_usd), judges)


def _known(usd: float) -> float | None:
    return usd if np.isfinite(usd) else None


def chosen(tried: Tried, prices: Prices, goal: Goal) -> Choice:
    """The choice at some prices, with nothing of each comparison."""
    return choose(prices.of(tried), goal).without_items()


@dataclass(frozen=True, slots=True)
class Kinds:
    """The choice of each slice by its name, what it is worth to follow them, who lacks labels."""

    choices: tuple[tuple[str, Choice], ...]
    own: tuple[Estimate, ...]
    lacking: tuple[str, ...]


def chosen_by(tried: Tried, sliced: Sliced, prices: Prices, goal: Goal) -> Kinds:
    """The choices of slices at some prices."""
    overall = choose(prices.of(tried), goal)
    choices = tuple((name, chosen(each, prices, goal)) for name, each in sliced.slices)
    own = own_choice_rows(tried.view, overall, goal, sliced.codes, sliced.column)
    return Kinds(choices, tuple(own), sliced.lacking)
