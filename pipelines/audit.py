"""Audits: population figures from a judge's labels of all comparisons and humans' of some (PPI++).

Of each model its win rate by humans alone, by the judge alone and by both; of the judge its
agreement with one human, helped by what foretells it; and how many of either to buy for a budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from data.errors import InputError
from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.inclusion import check_everyone_had_a_chance, read_inclusion
from pipelines.panel import read_panel
from pipelines.sections.view import ONE_HUMAN, Rules, View, is_subject, row
from pipelines.stats.agreement import agreement_with_one, total
from pipelines.stats.audit import Pool, moments, uncertainty
from pipelines.stats.intervals import CAUTION_PROMPTS, LEVEL, Interval
from pipelines.stats.ppi import Prices, optimal_allocation
from pipelines.stats.ranking import model_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from data.store import Store
    from pipelines.estimates import Estimate
    from pipelines.inclusion import Inclusion
    from pipelines.stats.ppi import Allocation, PpiMean

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

SECTION = "audit"
HUMANS = "humans"
BY_HUMANS, BY_JUDGE, BY_BOTH = "humans alone", "judge alone", "PPI++"
MOST_NAMES = 6
WIN_RATE, AGREEMENT = "ties=half unparsed=drop", "ties=class unparsed=drop"
LAM_FIXED = "no interval of its own: those of the means know that it is estimated"
NOT_FORETOLD = (
    "nothing foretells this judge's agreement: no other judge labelled all of its comparisons, and "
    "it states no certainty of them"
)
NO_MODELS = "the models behind the responses are not known: no win rates"
EACH_ALONE = "each interval is of its model alone, not of all {n} together"
OPTIMISTIC = "fewer than {n} prompts with human labels: what the judge adds looks larger than it is"
ROUTED = "a budget is planned from a random part of the comparisons: here they were routed"
PLANNED = "no interval: what to expect if the next prompts are like these"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a budget buys: prompts, each with as many comparisons and labels as they have now.

    `half_width` is what to expect of a 95% interval with `allocation`, `human_half_width` with
    `n_humans_only` prompts and no judge. `gain` is the planned one at the correlation's estimate,
    `gains` at the limits of its interval; None without one.
    """

    budget_usd: float
    allocation: Allocation
    n_humans_only: int
    human_usd: float
    judge_usd: float
    comparisons: float
    half_width: float
    human_half_width: float
    correlation: Interval
    gains: tuple[float, float] | None

    @property
    def human_only(self) -> bool:
        """Whether the judge is not worth its price."""
        return self.allocation.n_judge_only == 0


@dataclass(frozen=True, slots=True)
class Audit:
    """One judge's audit; `foretold` says what its agreement is foretold by, where it is."""

    judge: str
    simulated: bool
    n_human: int
    n_judge_only: int
    n_prompts: int
    rows: list[Estimate]
    foretold: str | None
    plan: Plan | None
    notes: list[str]


def audit(
    store: Store,
    dataset: str,
    criterion: str | None = None,
    judges: Sequence[str] = (),
    budget_usd: float | None = None,
) -> list[Audit]:
    """An audit of each judge named, or of the one with most labels.

    Raises InputError for an unknown data set, criterion or judge, without human labels or judges,
    where it is not known how comparisons came to be labelled by humans, and for no budget.
    """
    if budget_usd is not None and not 0 < budget_usd < float("inf"):
        raise InputError(f"a budget of {budget_usd:g} US dollars", "More than 0.")
    panel = read_panel(store, dataset, criterion)
    view = View(panel, Rules(), ALL, np.ones(panel.n_items, dtype=bool))
    chosen = _chosen(view, judges)
    inclusion = read_inclusion(store, panel)
    return [audit_of(view, k, inclusion, budget_usd) for k in chosen]


def audit_of(view: View, k: int, inclusion: Inclusion, budget_usd: float | None = None) -> Audit:
    """The audit of annotator k on a view of all comparisons."""
    found = _Audited(view, k, inclusion)
    figures = found.win_rates()
    foretelling, foretold = found.foretelling()
    agreement = found.agreement(foretelling)
    rows = [each for figure in figures for each in found.of_model(figure)]
    rows += found.of_agreement(agreement, foretold=foretold is not None)
    plan, why = None, None
    if budget_usd is not None:
        plan, why = found.plan([each.pool for each in figures or [agreement]], budget_usd)
        rows += [] if plan is None else found.of_plan(plan)
    n_prompts = len(np.unique(view.prompt[found.both]))
    notes = [*inclusion.notes, *found.notes(len(figures), n_prompts), *([why] if why else [])]
    n_only = int((found.keep & ~found.both).sum())
    return Audit(
        found.name,
        view.panel.simulated,
        int(found.both.sum()),
        n_only,
        n_prompts,
        rows,
        foretold,
        plan,
        notes,
    )


def _chosen(view: View, names: Sequence[str]) -> list[int]:
    """Places of the judges named, else of the judge with most labels, of the first of equals."""
    panel = view.panel
    everyone = {who.name: k for k, who in enumerate(panel.annotators) if is_subject(who)}
    if not everyone:
        raise InputError(
            "no judge has labelled this data set", "See what one would cost: concord plan."
        )
    if not panel.indices(AnnotatorKind.HUMAN):
        raise InputError(
            "no human has labelled this data set, so nothing holds a judge to what people say",
            "Have a random part of it labelled by humans, and import those labels.",
        )
    for name in names:
        if name not in everyone:
            raise InputError(
                f"no labels of a judge {name!r} in this data set",
                f"There are: {', '.join(everyone)}.",
            )
    if names:
        return [everyone[name] for name in dict.fromkeys(names)]
    labels = np.bincount(panel.labels["annotator"], minlength=len(panel.annotators))
    judges = panel.indices(AnnotatorKind.JUDGE) or list(everyone.values())
    return [max(judges, key=lambda k: (labels[k], -k))]


@dataclass(frozen=True, slots=True)
class _Figure:
    """What a mean is of: its pool, and which of all comparisons (n,) are in it."""

    about: str
    pool: Pool
    items: Mask
    rules: str


class _Audited:
    """One judge's labels beside the humans': `keep` (n,) has the judge's, `both` humans' too."""

    def __init__(self, view: View, k: int, inclusion: Inclusion) -> None:
        self.view, self.k = view, k
        self.name = view.panel.annotators[k].name
        self.keep = total(view.counts(k)) > 0
        self.both = self.keep & (view.n_humans > 0)
        self.probability = inclusion.probability
        if not self.both.any():
            raise InputError(
                f"humans and {self.name} have no comparison in common",
                "Have the judge label those that humans labelled: concord label.",
            )
        if self.probability is not None and (self.keep & ~self.both).any():
            check_everyone_had_a_chance(self.probability[self.keep], self.both[self.keep])

    def figure(self, about: str, human: Floats, judge: Floats, items: Mask, rules: str) -> _Figure:
        """A figure over these of the judge's comparisons, from scores (n,) of all."""
        items = items & self.keep
        pool = Pool(human, judge, self.view.prompt, self.probability).restricted(items)
        return _Figure(about, pool, items, rules)

    def win_rates(self) -> list[_Figure]:
        """Points of each model that humans and judge saw beside another one."""
        panel, scores = self.view.panel, (self.view.humans, self.view.counts(self.k))
        a, b = panel.model_a[self.view.keep], panel.model_b[self.view.keep]
        known = (a >= 0) & (b >= 0) & (a != b)
        found = []
        for code, model in enumerate(panel.models):
            mine = known & ((a == code) | (b == code))
            if (mine & self.both).any():
                human, judge = (model_points(counts, a, code) for counts in scores)
                found.append(self.figure(f"model {model}", human, judge, mine, WIN_RATE))
        return found

    def agreement(self, foretelling: Floats | None) -> _Figure:
        """Agreement with one human, beside a score that foretells it."""
        score = np.ones(len(self.keep)) if foretelling is None else foretelling
        return self.figure(ONE_HUMAN, self.points, score, self.keep, AGREEMENT)

    @property
    def points(self) -> Floats:
        """P(the judge's label = one human's) (n,); NaN without either."""
        return agreement_with_one(self.view.shares(self.k), self.view.humans)

    def foretelling(self) -> tuple[Floats | None, str | None]:
        """A score (n,) that goes with the judge's agreement, known wherever it labelled."""
        view, own = self.view, self.view.shares(self.k)
        others = [
            j for j in view.panel.indices(AnnotatorKind.JUDGE)
            if j != self.k and (total(view.counts(j)) > 0)[self.keep].all()
        ]  # fmt: skip
        if others:
            names = ", ".join(view.panel.annotators[j].name for j in others)
            score = np.mean([total(own * view.shares(j)) for j in others], axis=0)
            return score, f"how often {names} gave the same label"
        certain = self._certainty()
        if np.isfinite(certain[self.keep]).all():
            return certain, "the certainty that it stated"
        return None, None

    def _certainty(self) -> Floats:
        """Mean of max(p, 1 - p) over the judge's labels (n,); NaN where none states p."""
        labels = self.view.panel.labels
        mine = (labels["annotator"] == self.k) & np.isfinite(labels["p_a"])
        p, item, n = labels["p_a"][mine], labels["item"][mine], self.view.panel.n_items
        with np.errstate(invalid="ignore"):
            sums = np.bincount(item, np.maximum(p, 1 - p), n)
            mean = sums / np.bincount(item, minlength=n)
        found: Floats = mean[self.view.keep]
        return found

    # rows

    def of_model(self, figure: _Figure) -> Iterator[Estimate]:
        """Win rates of one model, how the judge's differs, and what the judge is worth."""
        found = figure.pool.mean()
        alone = f"{BY_HUMANS} items of {self.name} {WIN_RATE}"
        yield self._row("win_rate", HUMANS, figure, found.humans, alone, of=(HUMANS,))
        yield self._row("win_rate", self.name, figure, figure.pool.judge_alone(),
                        f"{BY_JUDGE} {WIN_RATE}", of=(self.name,))  # fmt: skip
        yield self._row("win_rate", self.name, figure, found.mean, f"{BY_BOTH} {WIN_RATE}")
        yield self._row("win_rate_difference", self.name, figure, figure.pool.difference(),
                        WIN_RATE, asked=True, unit="share difference")  # fmt: skip
        yield from self._worth(figure, found)

    def of_agreement(self, figure: _Figure, *, foretold: bool) -> Iterator[Estimate]:
        """Agreement with one human over all comparisons of the judge."""
        found = figure.pool.mean()
        if not foretold and (~figure.pool.asked).any():
            nothing = Interval(None, None, None, found.mean.n_prompts, NOT_FORETOLD)
            found = replace(found, mean=nothing, lam=None, correlation=None, gain=None)
        yield self._row("single_human_agreement", self.name, figure, found.humans,
                        f"{BY_HUMANS} {AGREEMENT}", asked=True)  # fmt: skip
        yield self._row("single_human_agreement", self.name, figure, found.mean,
                        f"{BY_BOTH} {AGREEMENT}")  # fmt: skip
        yield from self._worth(figure, found)

    def _worth(self, figure: _Figure, found: PpiMean) -> Iterator[Estimate]:
        """The judge's weight, its correlation, and the prompts that the human labels are worth."""
        n, why = found.mean.n_prompts, found.mean.note
        weight = Interval(found.lam, None, None, n, why if found.lam is None else LAM_FIXED)
        correlation, gain = uncertainty(figure.pool, found)
        if found.mean.estimate is None:
            nothing = Interval(None, None, None, n, why)
            correlation = gain = nothing
        elif gain.estimate is None:
            gain = replace(gain, note=why)
        at, low, high = (None if x is None else n * x for x in (gain.estimate, gain.low, gain.high))
        for statistic, interval, unit in (
            ("audit_weight", weight, "weight"),
            ("audit_correlation", correlation, "correlation"),
            ("effective_prompts", Interval(at, low, high, n, gain.note), "prompts"),
        ):
            yield self._row(statistic, self.name, figure, interval, f"{BY_BOTH} {figure.rules}",
                            unit=unit, asked=True)  # fmt: skip

    def _row(
        self, statistic: str, subject: str, figure: _Figure, interval: Interval, method: str, *,
        of: Sequence[str] = (), asked: bool = False, unit: str = "share",
    ) -> Estimate:  # fmt: skip
        """A row from the labels `of` humans or judge, else of both; `asked`: where both are."""
        items = figure.items & self.both if asked or HUMANS in of else figure.items
        n_labels = 0 if self.name in of else int(self.view.n_humans[items & self.both].sum())
        n_labels += 0 if HUMANS in of else self.view.n_usable(self.k, items)
        weighted = " weights=1/probability" if self.probability is not None else ""
        return row(self.view, SECTION, statistic, subject, figure.about, interval,
                   n_items=int(items.sum()), n_labels=n_labels, unit=unit,
                   method=method + weighted)  # fmt: skip

    def of_plan(self, plan: Plan) -> Iterator[Estimate]:
        """The half widths that a budget may be expected to buy."""
        n = len(np.unique(self.view.prompt[self.both]))
        for method, half in ((BY_HUMANS, plan.human_half_width), (BY_BOTH, plan.half_width)):
            yield row(self.view, SECTION, "audit_half_width", self.name, HUMANS,
                      Interval(half, None, None, n, PLANNED), n_items=int(self.both.sum()),
                      n_labels=self._n_human(), unit="share difference",
                      method=f"{method} budget_usd={plan.budget_usd:g}")  # fmt: skip

    # planning

    def plan(self, pools: Sequence[Pool], budget: float) -> tuple[Plan | None, str | None]:
        """What a budget buys, for the mean variance over the pools; None and why not."""
        if self.probability is not None:
            return None, ROUTED
        prompts = np.unique(self.view.prompt[self.both])
        human_usd, judge_usd = (price / len(prompts) for price in self._prices())
        usd = {HUMANS: human_usd, self.name: judge_usd}
        unknown = ", ".join(who for who, price in usd.items() if not np.isfinite(price))
        if unknown:
            return None, f"price not known of {unknown}: concord price sets one"
        found = moments(pools, prompts)
        prices = Prices(human_usd, judge_usd, found.human_variance, found.judge_variance,
                        found.correlation.estimate or 0.0)  # fmt: skip
        # a judge that costs nothing labels the prompts there are
        available = None if judge_usd > 0 else len(np.unique(self.view.prompt[self.keep]))
        best, why = optimal_allocation(budget, prices, available=available)
        if best is None:
            return None, why
        most = best.n_human
        if best.n_judge_only:
            most = round(prices.human_variance / best.human_only_variance)
        return Plan(
            budget, best, most, human_usd, judge_usd, float(self.both.sum() / len(prompts)),
            _half(best.variance, best.n_human), _half(best.human_only_variance, most),
            found.correlation, _gains(budget, prices, found.correlation, available),
        ), None  # fmt: skip

    def _prices(self) -> tuple[float, float]:
        """US dollars of the humans' labels, and of the judge's, on the comparisons with both."""
        view, humans = self.view, self.view.panel.indices(AnnotatorKind.HUMAN)
        asked = view.ballots(self.k).rows[view.keep][self.both].sum()
        return (_mean_price(view, humans) * self._n_human(),
                _mean_price(view, [self.k]) * float(asked))  # fmt: skip

    def _n_human(self) -> int:
        return int(self.view.n_humans[self.both].sum())

    def notes(self, n_models: int, n_prompts: int) -> Iterator[str]:
        """What is left out, and how the figures are to be read."""
        left = int(((self.view.n_humans > 0) & ~self.keep).sum())
        if left:
            yield f"left out: {left:,} comparisons that humans labelled and {self.name} did not"
        names = [who.name for who in self.view.panel.annotators]
        others = [names[k] for k in self.view.panel.indices(AnnotatorKind.JUDGE) if k != self.k]
        if others:
            yield f"other judges here, by --judge: {', '.join(others[:MOST_NAMES])}"
        if not n_models:
            yield NO_MODELS
        if n_models > 1:
            yield EACH_ALONE.format(n=n_models)
        if n_prompts < CAUTION_PROMPTS and (self.keep & ~self.both).any():
            yield OPTIMISTIC.format(n=CAUTION_PROMPTS)


def _mean_price(view: View, annotators: Sequence[int]) -> float:
    """Mean US dollars of a label where that is known; NaN where it is of none."""
    usd, n = np.sum([view.ballots(k).cost[view.keep].sum(axis=0) for k in annotators], axis=0)
    return float(usd / n) if n else np.nan


def _half(variance: float, n: int) -> float:
    """Half of a 95% interval over n prompts."""
    return float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * sqrt(variance) if n > 1 else 0.0


def _gains(
    budget: float, prices: Prices, correlation: Interval, available: int | None
) -> tuple[float, float] | None:
    """The planned gain at both ends of the correlation's interval."""
    found = []
    for r in (correlation.low, correlation.high):
        if r is None:
            return None
        best, _ = optimal_allocation(budget, replace(prices, correlation=r), available=available)
        found.append(1.0 if best is None else best.gain)
    return found[0], found[1]
