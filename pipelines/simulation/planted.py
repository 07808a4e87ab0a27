"""The planted truths of a world: what a report would say of infinitely many prompts.

Each is the mean, over a large independent draw of comparisons (one a prompt), of a probability that
is known in closed form given the comparison; only the humans' majority is drawn. So what is left is
the error of the comparisons drawn, and it is stated. Truths are of these annotators: with lasting
tastes an exchangeable judge's gap is 0 on average over annotators, and for those at hand it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from judges.judge import Orders
from pipelines.sections.view import CEILING, MAJORITY, ONE_HUMAN
from pipelines.simulation.draw import (
    AB,
    BA,
    TRUTHS,
    class_probabilities,
    draw_items,
    label_items,
    stream,
)
from pipelines.stats.agreement import (
    A,
    B,
    cohen_kappa,
    confusion,
    majority_by_mode,
    share_of,
    total,
)
from pipelines.stats.intervals import ratio, smooth_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from pipelines.simulation.draw import Items
    from pipelines.simulation.world import World
    from pipelines.stats.intervals import Function

    Floats = NDArray[np.float64]

N_DRAWS = 100_000


@dataclass(frozen=True, slots=True)
class Planted:
    """One truth, named as the rows of a report are; `error` is its standard error from drawing."""

    statistic: str
    subject: str
    reference: str
    value: float
    error: float


def planted(world: World, n_draws: int = N_DRAWS) -> tuple[Planted, ...]:
    """All truths of a world that can be taken from it; what is not defined is left out."""
    large = replace(world, n_prompts=n_draws, comparisons_per_prompt=1)
    random = stream(world, TRUTHS)
    items, places = draw_items(large, random)
    humans = [_shown(world, k, items) for k in range(world.n_humans)]
    found: list[Planted] = []
    ceiling = _ceiling([_mean(orders) for orders in humans])
    if ceiling is not None:
        found.append(_truth("single_human_agreement", CEILING, ONE_HUMAN, ceiling))
    if humans:
        pooled = [np.mean(orders, axis=0) for orders in zip(*humans, strict=True)]
        found += _of_orders(ONE_HUMAN, pooled, items, world.human.orders)
    only_humans = replace(large, judges=())
    votes = label_items(only_humans, items, places, random, 0).human_counts() if humans else None
    one = np.mean([_mean(orders) for orders in humans], axis=0) if humans else None
    for k, source in enumerate(world.sources[world.n_humans :], start=world.n_humans):
        orders = _shown(world, k, items)
        found += _of_judge(source.name, _mean(orders), one, ceiling, votes)
        found += _of_orders(source.name, orders, items, source.orders)
    return tuple(found)


def truth_of(
    truths: Iterable[Planted], statistic: str, subject: str, reference: str | None = None
) -> Planted:
    """The one truth of these; KeyError where there is none."""
    for each in truths:
        if (each.statistic, each.subject) == (statistic, subject) and reference in (
            None,
            each.reference,
        ):
            return each
    raise KeyError((statistic, subject, reference))


def _shown(world: World, k: int, items: Items) -> list[Floats]:
    """Class probabilities (n, 3) of annotator k in each order that it is asked in."""
    orders = {Orders.AB: (AB,), Orders.BA: (BA,)}.get(world.sources[k].orders, (AB, BA))
    return [class_probabilities(world, k, items, order) for order in orders]


def _mean(orders: list[Floats]) -> Floats:
    """Of one label in an order drawn at random."""
    result: Floats = np.mean(orders, axis=0)
    return result


def _ceiling(humans: list[Floats]) -> Floats | None:
    """P(two different humans agree) (n,): they are independent given the comparison."""
    m = len(humans)
    if m < 2:
        return None
    both, same = np.sum(humans, axis=0) ** 2, np.sum([each**2 for each in humans], axis=0)
    result: Floats = total(both - same) / (m * (m - 1))
    return result


def _of_judge(
    name: str, mine: Floats, one: Floats | None, ceiling: Floats | None, votes: Floats | None
) -> Iterator[Planted]:
    if one is None or votes is None:
        return
    agreement = total(mine * one)
    yield _truth("single_human_agreement", name, ONE_HUMAN, agreement)
    if ceiling is not None:
        yield _truth("gap", name, CEILING, agreement - ceiling)
    voted = total(votes) > 0
    if voted.any():
        with_majority = share_of(mine[voted], majority_by_mode(votes[voted]))
        yield _truth("majority_agreement", name, MAJORITY, with_majority)
    cells = confusion(mine, one)
    yield _planted("cohen_kappa", name, ONE_HUMAN, cells, cohen_kappa)


def _of_orders(name: str, shown: list[Floats], items: Items, orders: Orders) -> Iterator[Planted]:
    """What depends on order and length; position only where both orders are seen."""
    if orders in (Orders.BOTH, Orders.RANDOM):
        ab, ba = shown
        first, second = (ab[:, A] + ba[:, B]) / 2, (ab[:, B] + ba[:, A]) / 2
        yield _truth("first_shown_share", name, "order shown", first)
        yield _truth("position_delta", name, "order shown", (first - second) / 2)
    mine = _mean(shown)
    longer = np.where(items.length > 0, mine[:, A], mine[:, B])
    columns = np.stack([longer, mine[:, A] + mine[:, B]], axis=1)
    yield _planted("longer_chosen_share", name, "length in characters", columns, ratio)


def _truth(statistic: str, subject: str, reference: str, values: Floats) -> Planted:
    columns = np.stack([values, np.ones(len(values))], axis=1)
    return _planted(statistic, subject, reference, columns, ratio)


def _planted(
    statistic: str, subject: str, reference: str, columns: Floats, function: Function
) -> Planted:
    """A function of column totals, with the standard error that its interval is made of."""
    found = smooth_interval(function, columns)
    if found.estimate is None:
        return Planted(statistic, subject, reference, np.nan, np.nan)
    low, high = (found.estimate if end is None else end for end in (found.low, found.high))
    return Planted(statistic, subject, reference, found.estimate, (high - low) / 2 / 1.96)
