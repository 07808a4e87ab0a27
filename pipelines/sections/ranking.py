"""Ranking rows: win rates and strengths of the models by each judge and by the humans.

Over all comparisons only, each judge beside the humans on the comparisons that both labelled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.sections.view import View, is_subject, row, undefined
from pipelines.stats.agreement import total
from pipelines.stats.intervals import FEWEST_PROMPTS, NO_VARIATION, Interval
from pipelines.stats.ranking import (
    RIDGE,
    Ranking,
    Reversals,
    WinCounts,
    best,
    kendall_tau_b,
    model_points,
    ranking,
    reversals,
    same_best,
    spearman,
    win_counts,
)
from pipelines.stats.resampling import percentile_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int32]

SECTION = "ranking"
HUMANS = "humans"
FEWEST_MODELS = 3
SOURCES = (0, 1)  # humans, judge
NO_HUMANS = "the data set has no human labels"
NO_MODELS = "the models behind the responses are not known"
NOT_CONNECTED = "the models fall into groups that were never compared with each other"
ALL_EQUAL = "one of the two has all models at the same strength"
BY_RIDGE = "some models have no point against others: the ridge alone bounds their distance"
NONE_VARIES = "no couple of models varies between resamples in both"
SAME_IN_ALL = "no interval, as every resample gives the same value"
SEE_TAU = "no interval, as resampling lowers it; that of tau-b says which orders are certain"
LOG_ODDS = "log odds"


def ranking_rows(view: View) -> Iterator[Estimate]:
    """All ranking rows: none in slices, nor where gold labels stand in for the humans'."""
    panel = view.panel
    any_humans = bool(panel.indices(AnnotatorKind.HUMAN))
    if view.name != ALL or (panel.indices(AnnotatorKind.AGGREGATE) and not any_humans):
        return
    for k, who in enumerate(panel.annotators):
        if is_subject(who):
            both = _both(view, k) if any_humans else NO_HUMANS
            if isinstance(both, str):
                yield undefined(view, SECTION, "kendall_tau_b", who.name, HUMANS, both,
                                unit="correlation", method=_method(view))  # fmt: skip
            else:
                yield from _of_models(both)
                yield from _of_rankings(both)


@dataclass(frozen=True, slots=True)
class _Both:
    """Humans and one judge on the comparisons that both labelled; sources in the order SOURCES.

    `counts` (n, 3), `names` and `n_labels` by source, `models` by their place in the rankings.
    """

    view: View
    names: tuple[str, str]
    counts: tuple[Floats, Floats]
    model_a: Integers
    model_b: Integers
    models: list[str]
    wins: WinCounts
    ranking: Ranking
    n_labels: tuple[int, int]
    note: str | None

    def method(self, source: int) -> str:
        """The rules of a model's figure; that of the humans names whose comparisons it is on."""
        return "" if source else f" items of {self.names[1]}"

    def row(self, statistic: str, interval: Interval, *, source: int = 1, reference: str = HUMANS,
            unit: str, note: str | None = None) -> Estimate:  # fmt: skip
        """A row that rests on all comparisons of both."""
        parts = [text for text in (note, self.note) if text]
        return row(self.view, SECTION, statistic, self.names[source], reference, interval,
                   n_items=int(self.wins.used.sum()), n_labels=self.n_labels[source], unit=unit,
                   method=_method(self.view) + self.method(source),
                   note="; ".join(parts) or None)  # fmt: skip


def _method(view: View) -> str:
    return f"Bradley-Terry ridge={RIDGE:g} ties=half {view.rules.without_wrong}"


def _both(view: View, k: int) -> _Both | str:
    """The rankings by the humans and by annotator k, or why there are none."""
    panel = view.panel
    if not panel.models:
        return NO_MODELS
    counts = (view.humans, view.counts(k))
    model_a, model_b = panel.model_a[view.keep], panel.model_b[view.keep]
    wins = win_counts(counts, model_a, model_b, view.prompt)
    n_models = len(wins.models)
    if n_models < FEWEST_MODELS:
        return f"fewer than three models on the comparisons labelled by both ({n_models})"
    return _Both(
        view=view,
        names=(HUMANS, panel.annotators[k].name),
        counts=counts,
        model_a=model_a,
        model_b=model_b,
        models=[panel.models[code] for code in wins.models],
        wins=wins,
        ranking=ranking(wins),
        n_labels=_n_labels(counts, wins.used),
        note=_left_out(view, k, wins),
    )


def _n_labels(counts: tuple[Floats, Floats], items: NDArray[np.bool_]) -> tuple[int, int]:
    humans, judge = (int(total(one)[items].sum()) for one in counts)
    return humans, judge


def _left_out(view: View, k: int, wins: WinCounts) -> str | None:
    """Which of the annotator's comparisons the rankings do not rest on, and why."""
    asked = view.ballots(k).rows[view.keep] > 0
    no_label = int((asked & ~wins.used).sum()) - wins.n_without_models
    parts = []
    if no_label:
        parts.append(f"{no_label:,} without a usable label of both")
    if wins.n_without_models:
        parts.append(f"{wins.n_without_models:,} without two different known models")
    return f"left out: {', '.join(parts)}" if parts else None


def _of_models(both: _Both) -> Iterator[Estimate]:
    """Win rate and strength of each model by each source."""
    for source in SOURCES:
        for place, model in enumerate(both.models):
            yield _win_rate(both, source, place, f"model {model}")
            yield _strength(both, source, place, f"model {model}")


def _win_rate(both: _Both, source: int, place: int, reference: str) -> Estimate:
    code, view = both.wins.models[place], both.view
    items = both.wins.used & ((both.model_a == code) | (both.model_b == code))
    points = model_points(both.counts[source], both.model_a, code)
    return row(view, SECTION, "win_rate", both.names[source], reference, view.mean(points, items),
               n_items=int(items.sum()), n_labels=_n_labels(both.counts, items)[source],
               method=f"ties=half {view.rules.without_wrong}{both.method(source)}")  # fmt: skip


def _strength(both: _Both, source: int, place: int, reference: str) -> Estimate:
    value, drawn = both.ranking.strengths[source, place], both.ranking.replicates[source, :, place]
    interval = _interval(both, value, drawn, NOT_CONNECTED)
    known = bool(both.ranking.finite[source]) or not np.isfinite(value)
    return both.row("strength", interval, source=source, reference=reference, unit=LOG_ODDS,
                    note=None if known else BY_RIDGE)  # fmt: skip


def _interval(both: _Both, value: float, drawn: Floats, undefined: str) -> Interval:
    found = percentile_interval(float(value), drawn, both.wins.n_prompts, undefined=undefined)
    return replace(found, note=SAME_IN_ALL) if found.note == NO_VARIATION else found


def _of_rankings(both: _Both) -> Iterator[Estimate]:
    """How the judge's ranking of the models compares with that of the humans."""
    strengths, replicates = both.ranking.strengths, both.ranking.replicates
    why = ALL_EQUAL if np.isfinite(strengths).all() else NOT_CONNECTED
    lacking = _lacking(both)
    found = None if lacking else reversals(strengths, replicates)
    models = f"{len(both.models)} models"
    tau = _interval(both, float(kendall_tau_b(*strengths)), kendall_tau_b(*replicates), why)
    if tau.estimate is not None and tau.low is not None and found is not None:
        low, high = found.tau_limits
        tau = replace(tau, low=min(low, tau.estimate), high=max(high, tau.estimate))
    yield both.row("kendall_tau_b", tau, unit="correlation", note=models)
    rho = _interval(both, float(spearman(*strengths)), spearman(*replicates), why)
    if rho.low is not None:
        rho = replace(rho, low=None, high=None, note=SEE_TAU)
    yield both.row("spearman", rho, unit="correlation", note=models)
    if found is None:
        nothing = Interval(None, None, None, both.wins.n_prompts, f"undefined: {lacking}")
        yield both.row("same_best_model", nothing, unit="share", note=_leaders(both))
        yield both.row("order_reversed_share", nothing, unit="share")
    else:
        yield _same_best(both)
        yield from _reversals(both, found)


def _lacking(both: _Both) -> str | None:
    """Why resamples say nothing here; None where they do."""
    if not np.isfinite(both.ranking.strengths).all():
        return NOT_CONNECTED
    if both.wins.n_prompts < FEWEST_PROMPTS:
        return f"too few prompts to draw from ({both.wins.n_prompts} of {FEWEST_PROMPTS})"
    replicates = both.ranking.replicates
    n, lost = replicates.shape[1], int(np.isnan(replicates).any(axis=(0, 2)).sum())
    if lost > 0.05 * n:
        return f"{lost:,} of {n:,} resamples do not connect all models"
    return None


def _leaders(both: _Both) -> str | None:
    if not np.isfinite(both.ranking.strengths).all():
        return None
    leaders = [
        " and ".join(both.models[place] for place in np.flatnonzero(best(strengths)))
        for strengths in both.ranking.strengths
    ]
    return f"best by humans: {leaders[0]}, by {both.names[1]}: {leaders[1]}"


def _same_best(both: _Both) -> Estimate:
    drawn = same_best(*both.ranking.replicates)
    share = float(np.clip(np.nanmean(drawn), 0.0, 1.0))
    why = "no interval, as it is itself a share of resamples"
    interval = Interval(share, None, None, both.wins.n_prompts, why)
    return both.row("same_best_model", interval, unit="share", note=_leaders(both))


def _reversals(both: _Both, found: Reversals) -> Iterator[Estimate]:
    """The share of couples in opposite order, then each of these couples."""
    n_prompts = both.wins.n_prompts
    if not found.n_couples:
        nothing = Interval(None, None, None, n_prompts, f"undefined: {NONE_VARIES}")
        yield both.row("order_reversed_share", nothing, unit="share")
        return
    share = Interval(len(found.above) / found.n_couples, None, None, n_prompts)
    note = (
        f"{len(found.above) or 'none'} of {found.n_couples} model couples, no interval as only "
        f"certain ones count; at best differences above {found.smallest:.2f} log odds in both "
        "could be found"
    )
    not_examined = found.n_all - found.n_couples
    if not_examined:
        note += f"; {not_examined} further ones do not vary between resamples"
    yield both.row("order_reversed_share", share, unit="share", note=note)
    for place in range(len(found.above)):
        yield _reversed(both, found, place)


def _reversed(both: _Both, found: Reversals, place: int) -> Estimate:
    above, below = (both.models[side[place]] for side in (found.above, found.below))
    (humans, judge), low, high = (
        limits[:, place].tolist() for limits in (found.difference, found.low, found.high)
    )
    note = (
        f"humans: {humans:+.2f} [{low[0]:+.2f}, {high[0]:+.2f}]; "
        f"intervals hold for all {found.n_couples} couples and both sources together"
    )
    interval = Interval(judge, low[1], high[1], both.wins.n_prompts)
    return both.row("order_reversed", interval,
                    reference=f"models {above} and {below}", unit=LOG_ODDS, note=note)  # fmt: skip
