"""The smallest difference that a data set can be expected to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.estimates import ALL
from pipelines.sections.agreement import references, terms_with
from pipelines.sections.view import CEILING, ONE_HUMAN, Rules, View
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.stats.power import (
    difference_at,
    most_design_effect,
    smallest_difference,
    standard_error_of,
)
from pipelines.support.facts import BASELINE, JUDGE, Facts
from pipelines.support.words import few, number, span
from pipelines.wording import NOT_KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.panel import Panel

    Floats = NDArray[np.float64]

DISCORDANCES = (0.1, 0.2, 0.3)


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest true difference (of shares) found with 80% power in a two-sided test at 5%.

    `basis`: the comparisons it rests on; `difference` is None where they are too few. From the
    data's own labels, `at_best` is None. A planned one assumes that the comparisons of a prompt are
    all alike, `at_best` that they are unrelated: the truth lies between.
    """

    what: str
    subject: str
    reference: str
    difference: float | None
    n_items: int
    n_prompts: int
    basis: str
    at_best: float | None = None


def smallest_differences(panel: Panel) -> list[Smallest]:
    """For each judge against the human ceiling, and the highest judge against each other one.

    From the standard errors over prompts of the data's own labels; without a judge, or without
    anything to compare it with, from what is assumed of two judges.
    """
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, bool))
    subjects = panel.indices(JUDGE) or panel.indices(BASELINE)
    reference, terms = _terms(view, subjects)
    if reference is None:
        return list(_planned(panel))
    found = list(_gaps(view, terms)) if reference == ONE_HUMAN else []
    return [*found, *_between(view, terms, reference)]


def _terms(view: View, subjects: Sequence[int]) -> tuple[str | None, dict[int, Floats]]:
    """The best reference there is, and each judge's agreement with it per comparison (n,)."""
    choices = [ONE_HUMAN] if (view.n_humans >= 2).any() else []
    for reference in [*choices, *references(view)]:
        terms = {k: terms_with(view, k, reference)[:, 0] for k in subjects}
        terms = {k: values for k, values in terms.items() if np.isfinite(values).any()}
        if terms:
            return reference, terms
    return None, {}


def _gaps(view: View, terms: dict[int, Floats]) -> Iterator[Smallest]:
    ceiling = view.pairs_of_humans[:, 0]
    for k, mine in terms.items():
        yield _found(view, "gap to the human ceiling", k, CEILING, mine - ceiling)


def _between(view: View, terms: dict[int, Floats], reference: str) -> Iterator[Smallest]:
    if len(terms) < 2:
        return
    best = max(terms, key=lambda k: float(np.nanmean(terms[k])))
    what = f"difference in agreement with {reference}"
    for k, values in terms.items():
        if k != best:
            other = view.panel.annotators[k].name
            yield _found(view, what, best, other, terms[best] - values)


def _found(view: View, what: str, k: int, reference: str, values: Floats) -> Smallest:
    items = np.isfinite(values)
    columns = np.stack([values[items], np.ones(items.sum())], axis=1)
    interval = view.of_ratio(columns, items)
    difference = smallest_difference(standard_error_of(interval), interval.n_prompts)
    n_items, name = int(items.sum()), view.panel.annotators[k].name
    basis = f"{number(n_items, 'comparison')} of {number(interval.n_prompts, 'prompt')}"
    if difference is None:
        basis += f": {interval.note if n_items else 'none in common'}"
    return Smallest(what, name, reference, difference, n_items, interval.n_prompts, basis)


def _planned(panel: Panel) -> Iterator[Smallest]:
    """On the comparisons that have a reference, or else on all, at several discordances."""
    facts = Facts(panel)
    several, one = facts.humans >= 2, (facts.humans > 0) | facts.gold
    items = next((m for m in (several, one) if m.any()), np.ones(panel.n_items, bool))
    effect = most_design_effect(panel.prompt[items]) or 1.0
    n, prompts = int(items.sum()), facts.n_prompts(items)
    basis = f"{number(n, 'comparison')} of {number(prompts, 'prompt')}{few(prompts)}"
    if effect > 1 and prompts >= FEWEST_PROMPTS:
        basis += "; the more alike those of a prompt are, the larger"
    for discordance in DISCORDANCES:
        what = f"two judges, exactly one of whom agrees on {100 * discordance:.0f}% of comparisons"
        enough = prompts >= FEWEST_PROMPTS
        yield Smallest(
            what=what,
            subject="a judge",
            reference="another judge",
            difference=difference_at(n, discordance, effect) if enough else None,
            n_items=n,
            n_prompts=prompts,
            basis=basis,
            at_best=difference_at(n, discordance) if enough else None,
        )


def smallest_in_words(found: Sequence[Smallest]) -> Iterator[tuple[str, str, str]]:
    """(what, how small, what it rests on): a line for each kind of difference."""
    for what in dict.fromkeys(row.what for row in found):
        mine = [row for row in found if row.what == what]
        known = [(row.difference, row) for row in mine if row.difference is not None]
        if not known:
            yield what, NOT_KNOWN, mine[0].basis
            continue
        least, most = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
        yield what, _size_in_words(least[1], most[1]), _rests_on([row for _, row in known])


def _size_in_words(least: Smallest, most: Smallest) -> str:
    if least.at_best is not None and least.difference is not None:
        alike, unrelated = in_points(least.difference), in_points(least.at_best)
        return alike if alike == unrelated else f"{unrelated.split()[0]} to {alike}"
    names = [
        row.subject if row.reference == CEILING else f"{row.subject} and {row.reference}"
        for row in (least, most)
    ]
    text = f"{in_points(least.difference)} ({names[0]})"
    return text if least is most else f"{text} to {in_points(most.difference)} ({names[1]})"


def _rests_on(rows: Sequence[Smallest]) -> str:
    items, prompts = np.array([[row.n_items, row.n_prompts] for row in rows]).T
    if items.min() == items.max() and prompts.min() == prompts.max():
        return rows[0].basis
    return f"{span(items)} comparisons of {span(prompts)} prompts"


def in_points(difference: float | None) -> str:
    """A size of a difference of shares in points."""
    if difference is None:
        return NOT_KNOWN
    return f"{100 * difference:.1f} points"
