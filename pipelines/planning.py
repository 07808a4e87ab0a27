"""How many comparisons, orders and humans a question takes: by rule, or from labels there are."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from data.errors import InputError
from pipelines.panel import AB, BA
from pipelines.sections.view import is_subject
from pipelines.stats.agreement import agreement_with_one, shares, total
from pipelines.stats.consistency import flip
from pipelines.stats.intervals import LEVEL
from pipelines.stats.power import most_design_effect, n_for_difference, n_for_position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.sections.view import View

    Floats = NDArray[np.float64]

FLIP_RATE = 0.2
DISCORDANCES = (0.1, 0.2, 0.3)
AGREEMENT = 0.7
LEAST_DIFFERENCE = 1e-5
HUMANS = (1, 2, 3, 5)


@dataclass(frozen=True, slots=True)
class Need:
    """Comparisons that a question takes, if they are independent and what is assumed is so.

    None where the question makes no sense under the assumption.
    """

    question: str
    assumed: str
    comparisons: int | None


@dataclass(frozen=True, slots=True)
class Needs:
    """`most` times as many comparisons are needed where all of a prompt are one; 1 if unknown."""

    rows: tuple[Need, ...]
    most: float


def needs(difference: float, view: View | None = None) -> Needs:
    """What it takes to find a difference (.02 is two points) in 80% of samples, or to know to it.

    With a view the flip rates, discordances and variances are those of its labels, else rules of
    thumb. Raises InputError for a difference that is none.
    """
    if not LEAST_DIFFERENCE <= difference < 0.5:
        least = f"{100 * LEAST_DIFFERENCE:g}"
        raise InputError(
            f"a difference of {100 * difference:g} points", f"From {least} to below 50 points."
        )
    if view is None:
        return Needs(tuple(_by_rule(difference)), 1.0)
    rows = (*_position(view, difference), *_judges(view, difference), *_known_to(view, difference))
    return Needs(rows, most_design_effect(view.prompt) or 1.0)


def _by_rule(difference: float) -> Iterator[Need]:
    yield _one_order(difference)
    yield _both_orders(difference, FLIP_RATE, "flip rate")
    for discordance in DISCORDANCES:
        yield _difference(difference, discordance, "two judges")
    yield _known(
        difference, AGREEMENT * (1 - AGREEMENT), f"agreement {AGREEMENT:.0%}, one human each"
    )


def _one_order(difference: float) -> Need:
    return Need(f"find a position effect of {_points(difference)}, one order drawn",
                "no ties", n_for_position(difference))  # fmt: skip


def _both_orders(difference: float, rate: float, whose: str) -> Need:
    return Need(f"find a position effect of {_points(difference)}, both orders",
                f"{whose} {rate:.0%}", n_for_position(difference, rate))  # fmt: skip


def _difference(difference: float, discordance: float, whose: str) -> Need:
    return Need(f"find {_points(difference)} between two judges' agreement",
                f"{whose} differ in {discordance:.0%}",
                n_for_difference(difference, discordance))  # fmt: skip


def _known(half: float, variance: float, assumed: str) -> Need:
    n = (float(ndtri(0.5 + LEVEL / 2)) / half) ** 2 * variance
    return Need(f"know an agreement to {_points(half)} either way", assumed, max(1, ceil(n - 1e-9)))


def _points(difference: float) -> str:
    return f"{100 * difference:g} point{'' if difference == 0.01 else 's'}"


def _position(view: View, difference: float) -> Iterator[Need]:
    yield _one_order(difference)
    for k, who in enumerate(view.panel.annotators):
        if is_subject(who):
            counts = view.counts_by_order(k)
            rates = flip(shares(counts[AB]), shares(counts[BA]))
            if np.isfinite(rates).any():
                yield _both_orders(difference, float(np.nanmean(rates)), f"{who.name} flips")


def _judges(view: View, difference: float) -> Iterator[Need]:
    """Each judge beside the one that agrees most with one human."""
    humans = shares(view.humans)
    matched = {
        k: agreement_with_one(view.shares(k), view.humans)
        for k, who in enumerate(view.panel.annotators)
        if is_subject(who)
    }
    found = {k: float(np.nanmean(a)) for k, a in matched.items() if np.isfinite(a).any()}
    best = max(found, key=lambda k: (found[k], -k), default=None)
    for k in found:
        if best is None or k == best:
            continue
        one, other = view.shares(best), view.shares(k)
        apart = (humans * (one * (1 - other) + other * (1 - one))).sum(axis=1)
        if np.isfinite(apart).any():
            names = f"{view.panel.annotators[best].name} and {view.panel.annotators[k].name}"
            yield _difference(difference, float(np.nanmean(apart)), names)


def _known_to(view: View, half: float) -> Iterator[Need]:
    """By the number of humans a comparison: more of them take noise out, not hard comparisons."""
    m = total(view.humans)
    for k, who in enumerate(view.panel.annotators):
        if not is_subject(who):
            continue
        matched = agreement_with_one(view.shares(k), view.humans)
        items = np.isfinite(matched) & (m >= 2)
        if items.sum() >= 2:
            a, n = matched[items], m[items]
            within = float(np.mean(n / (n - 1) * a * (1 - a)))
            between = max(0.0, float(a.var(ddof=1) - np.mean(within / n)))
            for humans in HUMANS:
                said = f"{who.name}, {humans} human{'' if humans == 1 else 's'} each"
                yield _known(half, between + within / humans, said)
