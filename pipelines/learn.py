"""The data-fitting experiment: what scorers fitted to labels are worth on comparisons held out.

Every scorer sees the same features of the responses. Imitation is fitted to chosen answers alone,
Bradley-Terry reward models to comparisons with labels of a human, of a judge, or of both. Those who
judge are the votes of humans on comparisons whose prompt, or whose category, no scorer has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from data.records import AnnotatorKind
from pipelines.estimates import Estimate
from pipelines.fits import Fit, matched_votes, splits_of
from pipelines.lessons import (
    CEILING,
    GROUPS,
    HUMAN,
    IMITATION,
    LENGTH_ONLY,
    LONGER,
    MOST_LABELS,
    PROMPTS,
    SCORERS,
    VOTES,
    hybrid,
    read_pool,
)
from pipelines.stats.agreement import A, B, total
from pipelines.stats.intervals import Interval, cluster_sums, ratio, smooth_interval
from pipelines.stats.resampling import bootstrap, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from data.store import Store
    from judges.response_features import Embed, Recipe
    from pipelines.fits import Split
    from pipelines.lessons import Plan, Pool
    from pipelines.sections.view import View

    Floats = NDArray[np.float64]

SECTION = "learning"
BESIDE = 3.0  # recipes beside the one in force: a third and three times of one number


@dataclass(frozen=True, slots=True)
class Learned:
    """`sizes`: numbers of labels by way of holding out; `usd`: of one label by arm, NaN where not
    known; `rows`, the recipe, and what is to be known of it all.
    """

    recipe: Recipe
    sizes: dict[str, tuple[int, ...]]
    arms: tuple[str, ...]
    judges: tuple[str, ...]
    usd: dict[str, float]
    rows: tuple[Estimate, ...]
    n_items: int
    notes: tuple[str, ...]


def learn(
    store: Store, view: View, plan: Plan, *, group: str | None = None, embed: Embed | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Learned:  # fmt: skip
    """Fit every arm at every size, hold out, and compare.

    `group`: a key of the metadata that stands for the category. Raises InputError where texts,
    human labels or enough prompts are missing.
    """
    pool, notes = read_pool(store, view, plan, group, embed)
    splits = {
        way: found for way, codes in ((PROMPTS, pool.prompt), (GROUPS, pool.group))
        if (found := splits_of(pool, codes, plan, way))
    }  # fmt: skip
    if GROUPS not in splits:
        notes.append(
            "in distribution only: there are no two categories to hold one out of (--group names "
            "a key of the metadata that stands for them)"
        )
    sizes = {way: _fitting(plan.sizes, pool, found) for way, found in splits.items()}
    done, of = 0, sum(map(len, splits.values()))
    trials: dict[str, _Trial] = {}
    for way, found in splits.items():
        trials[way] = _Trial(pool, plan, sizes[way])
        for split in found:
            trials[way].add(split)
            done += 1
            if progress is not None:
                progress(done, of)
    usd = _prices(view, pool, plan)
    rows = [row for way in splits for row in _rows(view, pool, plan, way, trials[way], usd)]
    arms = tuple(trials[PROMPTS].arms)
    return Learned(
        plan.recipe, sizes, arms, tuple(pool.judges), usd, tuple(rows), len(pool.prompt),
        tuple(notes),
    )  # fmt: skip


def _fitting(sizes: Sequence[int], pool: Pool, splits: Sequence[Split]) -> tuple[int, ...]:
    """The sizes that every arm has labels for in every split; and all, where that is more.

    All is more where it is clearly beyond the largest of these, and a larger one was asked for.
    """
    labelled = [total(counts) > 0 for counts in (pool.humans, *pool.judges.values())]
    most = min(MOST_LABELS, *(int(has[s.train].sum()) for s in splits for has in labelled))
    kept = [size for size in sorted(set(sizes)) if size <= most]
    if not kept or (max(sizes) > kept[-1] and most > 1.1 * kept[-1]):
        kept.append(most)
    return tuple(kept)


# ---- fitting


class _Trial:
    """All arms on one way of holding out: what share of votes each matched on each item."""

    def __init__(self, pool: Pool, plan: Plan, sizes: Sequence[int]) -> None:
        self.pool, self.plan, self.sizes = pool, plan, sizes
        self.times = np.zeros(len(pool.prompt))
        self.sums: dict[tuple[str, int, Recipe], Floats] = {}
        self.lacking: set[tuple[str, int, Recipe]] = set()

    @property
    def arms(self) -> list[str]:
        """Names of the arms that learn, in the order that is shown."""
        return list(dict.fromkeys(arm for arm, _, _ in self.sums))

    def matched(self, arm: str, size: int, recipe: Recipe) -> Floats | None:
        """Share of the votes matched, (n,) over repeats; None where labels did not suffice."""
        key = (arm, size, recipe)
        if key in self.lacking or key not in self.sums:
            return None
        with np.errstate(invalid="ignore"):
            found: Floats = self.sums[key] / self.times
        return found

    def add(self, split: Split) -> None:
        """Fit all on this split's training side, and score what it held out."""
        self.times[split.test] += 1
        fit = Fit(self.pool, self.plan, split)
        recipe, last = self.plan.recipe, max(self.sizes)
        for size in self.sizes:
            found = {**fit.margins(tuple(fit.targets), size), **dict(fit.imitations(size))}
            found[LENGTH_ONLY] = fit.by_length(size)
            for arm, margins in found.items():
                self._score(split, arm, size, recipe, margins)
        for other in recipes(recipe):
            if other != recipe:
                for arm, margins in fit.margins((HUMAN, *self.pool.judges), last, other).items():
                    self._score(split, arm, last, other, margins)

    def _score(
        self, split: Split, arm: str, size: int, recipe: Recipe, margins: Floats | None
    ) -> None:
        key = (arm, size, recipe)
        if margins is None:
            self.lacking.add(key)
            return
        sums = self.sums.setdefault(key, np.zeros(len(self.pool.prompt)))
        sums[split.test] += matched_votes(margins, self.pool.votes[split.test])


def recipes(recipe: Recipe) -> Iterator[Recipe]:
    """The recipe in force, and those beside it in ridge and style weight."""
    yield recipe
    for factor in (1 / BESIDE, BESIDE):
        yield replace(recipe, ridge=recipe.ridge * factor)
    for factor in (1 / BESIDE, BESIDE):
        if recipe.style_weight:
            yield replace(recipe, style_weight=recipe.style_weight * factor)


# ---- rows


def _prices(view: View, pool: Pool, plan: Plan) -> dict[str, float]:
    """Mean US dollars of a label of each arm; NaN where not known."""
    panel = view.panel
    human = _mean_usd(view, panel.indices(AnnotatorKind.HUMAN))
    found = {HUMAN: human, IMITATION: human, LENGTH_ONLY: human, LONGER: 0.0}
    found |= {f"imitation: {name}": human for name in SCORERS}
    places = {who.name: k for k, who in enumerate(panel.annotators)}
    for name in pool.judges:
        found[name] = _mean_usd(view, [places[name]])
        share = plan.human_share
        found[hybrid(name, share)] = share * human + (1 - share) * found[name]
    return found


def _mean_usd(view: View, annotators: Sequence[int]) -> float:
    usd, n = np.sum([view.ballots(k).cost[view.keep].sum(axis=0) for k in annotators], axis=0)
    return float(usd / n) if n else np.nan


def _rows(
    view: View, pool: Pool, plan: Plan, way: str, trial: _Trial, usd: Mapping[str, float]
) -> Iterator[Estimate]:
    made = _Maker(view, pool, way, trial.times > 0)
    last, largest = max(trial.sizes), {}
    for size in trial.sizes:
        columns = {arm: trial.matched(arm, size, plan.recipe) for arm in trial.arms}
        columns[IMITATION], best = _best_imitation(columns, made.items)
        largest = columns
        for arm, column in columns.items():
            note = f"in hindsight: {best}" if arm == IMITATION and best else None
            agreement = made.mean(arm, column, size, note)
            yield agreement
            yield from made.costs(agreement, size * usd[arm])
        yield made.difference(HUMAN, columns[HUMAN], IMITATION, columns[IMITATION], size)
    largest[LONGER] = matched_votes(pool.longer, pool.votes)
    yield made.mean(LONGER, largest[LONGER], 0)
    yield made.ceiling()
    for arm, beside in _pairs(pool, plan):
        yield made.difference(arm, largest[arm], beside, largest[beside], last)
    first = trial.matched(HUMAN, trial.sizes[0], plan.recipe)
    if len(trial.sizes) > 1:
        yield made.difference(HUMAN, largest[HUMAN], HUMAN, first, last, trial.sizes[0])
    for recipe in recipes(plan.recipe):
        human = trial.matched(HUMAN, last, recipe)
        yield made.mean(HUMAN, human, last, recipe=recipe)
        for judge in pool.judges:
            column = trial.matched(judge, last, recipe)
            yield made.difference(judge, column, HUMAN, human, last, recipe=recipe)


def _best_imitation(
    columns: Mapping[str, Floats | None], items: NDArray[np.bool_]
) -> tuple[Floats | None, str | None]:
    """The scorer that matched most, known only afterwards: in favour of imitation."""
    names = [f"imitation: {name}" for name in SCORERS]
    found = {n: c for n in names if (c := columns.get(n)) is not None}
    if not found:
        return None, None
    best = max(found, key=lambda name: float(found[name][items].mean()))
    return found[best], best.removeprefix("imitation: ")


def _pairs(pool: Pool, plan: Plan) -> Iterator[tuple[str, str]]:
    """Who is set against whom at the largest size, beside one human against imitation."""
    yield HUMAN, LONGER
    yield HUMAN, LENGTH_ONLY
    for judge in pool.judges:
        mixed = hybrid(judge, plan.human_share)
        yield from [(judge, HUMAN), (judge, IMITATION), (mixed, HUMAN), (mixed, judge)]


class _Maker:
    """Estimate rows of one way of holding out."""

    def __init__(self, view: View, pool: Pool, way: str, items: NDArray[np.bool_]) -> None:
        self.view, self.pool, self.way, self.items = view, pool, way, items
        self.prompt = np.unique(pool.prompt[items], return_inverse=True)[1]

    def mean(
        self, arm: str, column: Floats | None, size: int, note: str | None = None,
        recipe: Recipe | None = None,
    ) -> Estimate:  # fmt: skip
        """The share of held-out votes that an arm matched."""
        statistic = "recipe_agreement" if recipe else "held_out_agreement"
        if column is None:
            return self._row(statistic, arm, VOTES, _too_few_labels(), size, recipe=recipe)
        ones = np.ones(len(self.prompt))
        sums = cluster_sums(np.stack([column[self.items], ones], axis=1), self.prompt)
        found = smooth_interval(ratio, sums, proportion=True)
        return self._row(statistic, arm, VOTES, found, size, note, recipe=recipe)

    def difference(
        self, arm: str, column: Floats | None, beside: str, other: Floats | None, size: int,
        other_size: int | None = None, recipe: Recipe | None = None,
    ) -> Estimate:  # fmt: skip
        """An arm's share less another's on the same items: the bootstrap over prompts."""
        statistic = "recipe_difference" if recipe else "held_out_difference"
        reference = beside if other_size is None else f"{beside}, {other_size:,} labels"
        found = _too_few_labels()
        if column is not None and other is not None:
            values = np.stack([(column - other)[self.items], np.ones(len(self.prompt))], axis=1)
            sums = cluster_sums(values, self.prompt)
            replicates = bootstrap(lambda totals: totals[:, 0] / totals[:, 1], sums)
            value = float(values[:, 0].mean())
            found = percentile_interval(value, replicates, len(sums))
        return self._row(
            statistic, arm, reference, found, size, unit="share difference", recipe=recipe
        )

    def ceiling(self) -> Estimate:
        """How often one human's decided vote matches another's, where their number is odd.

        An odd number always has a majority. Even ones are here only because they were not split,
        so that coins would seem to agree.
        """
        humans = self.pool.humans[self.items]
        m = humans[:, A] + humans[:, B]
        several = (m >= 3) & (m % 2 == 1)
        if not several.any():
            why = "an even number of votes is here only where it is not split"
            found = Interval(None, None, None, 0, f"undefined: {why}")
        else:
            same = humans[:, A] * (humans[:, A] - 1) + humans[:, B] * (humans[:, B] - 1)
            values = np.stack([same / np.maximum(m * (m - 1), 1), np.ones(len(m))], axis=1)
            sums = cluster_sums(values[several], self.prompt[several])
            found = smooth_interval(ratio, sums, proportion=True)
        made = self._row("held_out_agreement", CEILING, VOTES, found, 0)
        return replace(made, n_items=int(several.sum()))

    def costs(self, agreement: Estimate, usd: float) -> Iterator[Estimate]:
        """What the labels cost, and what a point above a coin's 50% does."""
        known = usd if np.isfinite(usd) else None
        why = "the price of a label is not known" if known is None else "the mean of known prices"
        value = Interval(known, None, None, agreement.n_prompts, why)
        arm, size = agreement.subject, agreement.n_labels
        yield self._row("labels_usd", arm, VOTES, value, size, unit="usd")
        above = 100 * ((agreement.estimate or 0) - 0.5)
        if agreement.low is not None and agreement.low <= 0.5:
            above = 0.0
        if known is not None and above <= 0:
            why = "undefined: it is not shown to match more votes than a coin does"
        each = None if known is None or above <= 0 else known / above
        value = Interval(each, None, None, agreement.n_prompts, why)
        yield self._row("usd_per_point", arm, "a coin", value, size, unit="usd")

    def _row(
        self, statistic: str, subject: str, reference: str, found: Interval, size: int,
        note: str | None = None, *, unit: str = "share", recipe: Recipe | None = None,
    ) -> Estimate:  # fmt: skip
        method = self.way
        if recipe is not None:
            method += f"; ridge={recipe.ridge:.2g} style_weight={recipe.style_weight:.2g}"
        notes = [text for text in (note, found.note) if text]
        return Estimate(
            SECTION, subject, reference, self.view.panel.criterion, statistic, method,
            f"labels={size}" if size else self.view.name, found.estimate, found.low, found.high,
            int(self.items.sum()), found.n_prompts, size, unit, "; ".join(notes) or None,
        )  # fmt: skip


def _too_few_labels() -> Interval:
    return Interval(None, None, None, 0, "too few labels of this arm on every training side")
