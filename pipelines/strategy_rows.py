"""The Estimate rows of strategies: quality, cost, differences, worth of juries, break-even."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.sections.view import DIFFERENCE, ONE_HUMAN, row, undefined
from pipelines.stats.agreement import total
from pipelines.stats.intervals import NOT_ASKED, Interval, cluster_sums, ratio
from pipelines.stats.jury import columns_of, effective_size, error_columns, jury_correlation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.strategy import Strategy, Tried

    Floats = NDArray[np.float64]

SECTION = "strategy"
CROSS_SELECTED = "chosen on nine tenths of the prompts, scored on the tenth"
ACROSS_HUMANS = "matches with two different humans"
NO_PRICE = "a price is not known"
MEAN_PRICE = "no interval: the mean of known prices"
BREAK_EVEN = "no interval: from the mean prices of the judges and the share sent to humans"


def strategy_rows(
    tried: Tried, strategies: Sequence[Strategy], costs: Floats, selected: Interval | None,
    found: int | None,
) -> Iterator[Estimate]:  # fmt: skip
    """Rows of m strategies with mean cost (m,), `found` being recommended."""
    yield from tried.quality_rows
    for k, each in enumerate(strategies):
        yield _cost(tried, each.name, float(costs[k]))
    if found is None:
        return
    chosen, sums = strategies[found], tried.sums.quality
    for k, each in enumerate(strategies):
        if k != found:
            yield _difference(tried, each.name, chosen.name, sums[:, k] - sums[:, found])
    if selected is not None:
        yield row(tried.view, SECTION, "recommended_quality", chosen.name, tried.match.reference,
                  selected, n_items=len(tried.prompt), n_labels=_n_labels(tried),
                  method=f"{tried.match.method}; {CROSS_SELECTED}")  # fmt: skip
    yield from _break_even(tried, chosen)


def quality_rows(tried: Tried, strategies: Sequence[Strategy]) -> Iterator[Estimate]:
    """What does not hang on prices: how often each matches, and what juries are worth."""
    for each, sums in zip(strategies, tried.sums.quality.T, strict=True):
        yield _quality(tried, each.name, sums)
    yield from jury_rows(tried, strategies)


def _n_labels(tried: Tried) -> int:
    return int(total(tried.humans).sum())


def _quality(tried: Tried, name: str, sums: Floats) -> Estimate:
    columns = np.stack([sums, tried.sums.n], axis=1)
    return row(tried.view, SECTION, "strategy_quality", name, tried.match.reference,
               tried.view.of_sums(ratio, columns, proportion=True),
               n_items=len(tried.prompt), n_labels=_n_labels(tried),
               method=tried.match.method)  # fmt: skip


def _cost(tried: Tried, name: str, usd: float) -> Estimate:
    known = not np.isnan(usd)
    price = Interval(1000 * usd if known else None, None, None, int(tried.prompt.max()) + 1,
                     MEAN_PRICE if known else NO_PRICE)  # fmt: skip
    return row(tried.view, SECTION, "strategy_usd_per_1000", name, tried.match.reference, price,
               n_items=len(tried.prompt), n_labels=0, unit="usd")  # fmt: skip


def _difference(tried: Tried, name: str, beside: str, sums: Floats) -> Estimate:
    columns = np.stack([sums, tried.sums.n], axis=1)
    return row(tried.view, SECTION, "strategy_difference", name, beside,
               tried.view.of_sums(ratio, columns, bounds=DIFFERENCE),
               n_items=len(tried.prompt), n_labels=_n_labels(tried), unit="share difference",
               method=tried.match.method)  # fmt: skip


def jury_rows(tried: Tried, strategies: Sequence[Strategy]) -> Iterator[Estimate]:
    """How alike the members of each jury err, and how many judges it is worth."""
    juries = [each for each in strategies if each.policy.jury]
    if not juries:
        return
    places = {tried.name(k): k for k in tried.judges}
    asked = [name for name in places if any(name in each.policy.judges for each in juries)]
    columns = error_columns([tried.shares(places[name]) for name in asked], tried.humans)
    sums = cluster_sums(columns, tried.prompt)
    for each in juries:
        members = sorted(asked.index(name) for name in each.policy.judges)
        alike = jury_correlation(sums[:, columns_of(members, len(asked))])
        if not tried.view.rules.intervals and alike.low is not None:
            alike = Interval(alike.estimate, None, None, alike.n_prompts, NOT_ASKED)
        for statistic, found, unit in (
            ("jury_error_correlation", alike, "correlation"),
            ("jury_effective_size", effective_size(alike, len(members)), "judges"),
        ):
            yield row(tried.view, SECTION, statistic, each.name, ONE_HUMAN, found,
                      n_items=len(columns), n_labels=_n_labels(tried), unit=unit,
                      method=ACROSS_HUMANS)  # fmt: skip


def _break_even(tried: Tried, chosen: Strategy) -> Iterator[Estimate]:
    """The price of a human label below which one human a comparison costs less than `chosen`.

    h = ai + share h, the judges' part ai known whether or not the humans' price is.
    """
    if not chosen.policy.judges:
        return
    usd = tried.judges_usd(chosen.policy) / (1 - chosen.policy.human_share)
    statistic = "break_even_usd_per_human_label"
    if np.isnan(usd):
        yield undefined(tried.view, SECTION, statistic, chosen.name, ONE_HUMAN, NO_PRICE,
                        unit="usd")  # fmt: skip
        return
    price = Interval(float(usd), None, None, int(tried.prompt.max()) + 1, BREAK_EVEN)
    yield row(tried.view, SECTION, statistic, chosen.name, ONE_HUMAN, price,
              n_items=len(tried.prompt), n_labels=0, unit="usd")  # fmt: skip
