"""Which feedback to buy: strategies tried on the same comparisons, their quality and cost.

Quality is the probability of matching the label of one human who had no part in it. A strategy is
a column of quality and one of cost, so that differences, intervals and the choice come from the
same resamples of the prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputError
from data.records import AnnotatorKind
from pipelines.panel import AB, BA
from pipelines.sections.view import DIFFERENCE, ONE_HUMAN, View, row
from pipelines.stats.agreement import TIE, A, agreement_with_one, total
from pipelines.stats.choosing import cross_selected, frontier, may_be_best, prompts_to_tell
from pipelines.stats.consistency import flip
from pipelines.stats.equivalence import largest_majority, majority_agreement
from pipelines.stats.intervals import FEWEST_PROMPTS, Interval, cluster_sums, interval_around
from pipelines.stats.resampling import bootstrap
from pipelines.stats.routing import (
    certainty_score,
    disagreement_score,
    learned_score,
    sent_to_humans,
)
from pipelines.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate

    Floats = NDArray[np.float64]

SECTION = "strategy"
HELD_OUT = "match with one human who had no part in it"
CROSS_SELECTED = "chosen on nine tenths of the prompts, scored on the tenth"
SHARES = (0.1, 0.2, 0.3, 0.5)  # of the comparisons to humans
MOST_IN_JURY = 5
MOST_FOR_JURIES = 6  # judges of which juries are made, the best ones
RANDOM, FLIP, CERTAINTY, DISAGREEMENT, LEARNED = (
    "at random", "order flip", "stated certainty", "judges disagree", "learned gain",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Policy:
    """What a strategy buys for a comparison, so that it can be done again elsewhere.

    `judges` are asked `orders` times each; the label is that of the first or, of a jury, the sign
    of the mean; `human_share` of the comparisons go to `humans` humans by `rule` with a score of
    at least `threshold`.
    """

    judges: tuple[str, ...] = ()
    jury: bool = False
    orders: int = 1
    rule: str | None = None
    human_share: float = 0.0
    threshold: float | None = None
    humans: int = 0


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to get a label: quality and US dollars per item (n,); NaN costs are not known."""

    name: str
    policy: Policy
    quality: Floats = field(repr=False)
    cost_usd: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted: most quality within a budget; or least cost from a quality on; or most
    quality less what it costs, at so many dollars per point of 1,000 comparisons.

    `n` is the number of comparisons to label. Without any of the three: most quality at any price.
    """

    n: int = 1000
    budget_usd: float | None = None
    quality: float | None = None
    usd_per_point: float | None = None

    def __post_init__(self) -> None:
        given = [self.budget_usd, self.quality, self.usd_per_point]
        if sum(each is not None for each in given) > 1:
            raise InputError("several goals at once", "One of --budget, --quality and --tradeoff.")
        if any(each is not None and not 0 < each < float("inf") for each in given) or self.n < 1:
            raise InputError("a goal of 0 or less", "More than 0.")
        if self.quality is not None and self.quality >= 1:
            raise InputError(f"a quality of {self.quality}", "A share below 1, such as 0.8.")

    def select(self, quality: Floats, cost: Floats) -> int | None:
        """The strategy to choose from mean quality and cost (m,); None where none will do."""
        if self.budget_usd is not None:
            return _best(quality, cost * self.n <= self.budget_usd, -cost)
        if self.quality is not None:
            return _best(-cost, (quality >= self.quality) & np.isfinite(cost), quality)
        if self.usd_per_point is not None:
            return _best(self.worth(quality, cost), np.isfinite(cost), quality)
        return _best(quality, np.ones(len(quality), dtype=bool), -np.nan_to_num(cost, nan=np.inf))

    def worth(self, quality: Floats, cost: Floats) -> Floats:
        """What is to be as large as possible, from quality and cost of any shape."""
        if self.usd_per_point is None:
            return quality
        # a point is a hundredth; its price is for 1,000 comparisons
        return quality - cost * 10 / self.usd_per_point

    def allows(self, quality: Floats, cost: Floats) -> NDArray[np.bool_]:
        """Which strategies (m,) may be chosen at all."""
        if self.budget_usd is not None:
            return cost * self.n <= self.budget_usd
        if self.quality is not None:
            return quality >= self.quality
        return np.isfinite(cost) if self.usd_per_point is not None else np.isfinite(quality)


def _best(first: Floats, allowed: NDArray[np.bool_], then: Floats) -> int | None:
    """The allowed one with the largest `first`, of equal ones with the largest `then`."""
    places = np.flatnonzero(allowed)
    if not len(places):
        return None
    order = np.lexsort((-then[places], -np.round(first[places], 12)))
    return int(places[order[0]])


@dataclass(frozen=True, slots=True)
class Choice:
    """What came out. `rows` are Estimates, a few for each strategy; `recommended` is a place in
    `strategies`, None with the reason in `notes`.

    `quality` is the recommended one's figure on prompts that had no part in choosing it; `alike`
    are the places of those that cannot be told from the best; `more_prompts` would tell the closest
    of them apart.
    """

    strategies: tuple[Strategy, ...]
    quality: Floats
    cost_usd: Floats
    on_frontier: NDArray[np.bool_]
    recommended: int | None
    selected: Interval | None
    alike: tuple[int, ...]
    more_prompts: int | None
    rows: tuple[Estimate, ...]
    human_usd: float
    n_items: int
    left_out: int
    notes: tuple[str, ...]


def choose_strategy(view: View, goal: Goal) -> Choice:
    """Try every strategy that the labels allow on one slice, and choose.

    Raises InputError where no comparison has two humans' labels and a judge's.
    """
    tried = _Tried(view)
    strategies = tuple(tried.strategies())
    quality = np.stack([each.quality for each in strategies], axis=1)
    cost = np.stack([each.cost_usd for each in strategies], axis=1)
    means, costs = quality.mean(axis=0), cost.mean(axis=0)
    found = goal.select(means, costs)
    prompts = tried.prompt
    alike: tuple[int, ...] = ()
    selected = more = None
    if found is not None and view.rules.intervals and prompts.max() + 1 >= FEWEST_PROMPTS:
        alike, more = _alike(goal, quality, cost, prompts, found)
        selected = _mean(cross_selected(quality, cost, prompts, goal.select), prompts)
    rows = tuple(_rows(view, tried, strategies, quality, costs, selected, found))
    return Choice(
        strategies, means, costs, frontier(means, costs), found, selected, alike, more, rows,
        tried.human_usd, len(quality), tried.left_out, tuple(_notes(tried, found)),
    )  # fmt: skip


def _alike(
    goal: Goal, quality: Floats, cost: Floats, prompts: NDArray[Any], found: int
) -> tuple[tuple[int, ...], int | None]:
    """Places of what may be as good, and the prompts that would tell the closest apart.

    Where a quality is the goal: of what is cheaper and may reach it too.
    """
    costs = cost.mean(axis=0)
    allowed = np.flatnonzero(goal.allows(quality.mean(axis=0), costs))
    worth = goal.worth(quality, cost)
    if goal.quality is not None:
        worth = np.column_stack([worth, np.full(len(worth), goal.quality)])
        allowed = np.append(np.flatnonzero(costs < costs[found]), worth.shape[1] - 1)
    sums = cluster_sums(np.column_stack([worth, np.ones(len(worth))]), prompts)
    replicates = bootstrap(lambda totals: totals[:, :-1] / totals[:, -1:], sums)
    values, beside = worth.mean(axis=0), found if goal.quality is None else worth.shape[1] - 1
    kept = allowed[may_be_best(values[allowed], replicates[:, allowed])]
    others = [int(k) for k in kept if k != beside]
    apart = values[others] - values[beside]
    errors = (replicates[:, others] - replicates[:, [beside]]).std(axis=0)
    needed = [
        prompts_to_tell(gap, error, int(prompts.max()) + 1)
        for gap, error in zip(apart.tolist(), errors.tolist(), strict=True)
    ]
    return tuple(others), min((n for n in needed if n is not None), default=None)


def _mean(values: Floats | None, prompts: NDArray[Any]) -> Interval | None:
    if values is None:
        return None
    sums = cluster_sums(np.stack([values - values.mean(), np.ones(len(values))], axis=1), prompts)
    return interval_around(values.mean(), sums[:, 0] / len(values))


class _Tried:
    """The comparisons that every strategy is tried on, and the strategies."""

    def __init__(self, view: View) -> None:
        self.view = view
        panel = view.panel
        self.judges = [
            k for k, who in enumerate(panel.annotators)
            if who.kind in (AnnotatorKind.JUDGE, AnnotatorKind.BASELINE)
            and np.isfinite(view.shares(k)[:, 0]).any()
        ]  # fmt: skip
        enough = total(view.humans) >= 2
        self.items = enough & np.all(
            [np.isfinite(view.shares(k)[:, 0]) for k in self.judges], axis=0
        )
        self.left_out = int(enough.sum() - self.items.sum())
        if not self.judges or not self.items.any():
            raise InputError(*_missing(view, self.judges, enough))
        self.humans = view.humans[self.items]
        self.prompt = np.unique(view.prompt[self.items], return_inverse=True)[1]
        self.human_usd = _price(view, panel.indices(AnnotatorKind.HUMAN))
        self.human = majority_agreement(self.humans, 1)
        self.most = largest_majority(total(self.humans))
        self.quality = {k: agreement_with_one(self._shares(k), self.humans) for k in self.judges}
        self.usd = {k: _price(view, [k]) for k in self.judges}

    def name(self, k: int) -> str:
        """A judge's."""
        return self.view.panel.annotators[k].name

    def strategies(self) -> Iterator[Strategy]:
        """All of them, what is bought of whom in the name."""
        yield from self._humans()
        for k in self.judges:
            yield from self._alone(k)
        yield from self._juries()
        for k in self.judges:
            if self.view.panel.annotators[k].kind is AnnotatorKind.JUDGE or len(self.judges) == 1:
                yield from self._routed(k)

    def _humans(self) -> Iterator[Strategy]:
        for n in range(1, self.most + 1):
            values = majority_agreement(self.humans, n)
            if n > 1 and not np.isfinite(values).all():
                return
            name = "one human" if n == 1 else f"majority of {n} humans"
            yield Strategy(name, Policy(humans=n), values, self._flat(n * self.human_usd))

    def _alone(self, k: int) -> Iterator[Strategy]:
        name, quality = self.name(k), self.quality[k]
        yield Strategy(name, Policy((name,)), quality, self._flat(self.usd[k]))
        if self._flips(k) is not None:
            # Which of two labels that differ is kept is a coin: in truth as good as one label.
            policy = Policy((name,), orders=2)
            yield Strategy(f"{name}, both orders", policy, quality, self._flat(2 * self.usd[k]))

    def _juries(self) -> Iterator[Strategy]:
        judges = [k for k in self.judges if self._is_judge(k)]
        best = sorted(judges, key=lambda k: -self.quality[k].mean())[:MOST_FOR_JURIES]
        members = [k for k in judges if k in best]
        for size in range(2, min(MOST_IN_JURY, len(members)) + 1):
            for jury in combinations(members, size):
                names = tuple(map(self.name, jury))
                verdict = np.mean([_score(self._shares(k)) for k in jury], axis=0)
                yield Strategy(
                    f"jury of {', '.join(names)}",
                    Policy(names, jury=True),
                    agreement_with_one(_label_of(verdict), self.humans),
                    self._flat(sum(self.usd[k] for k in jury)),
                )

    def _routed(self, k: int) -> Iterator[Strategy]:
        name = self.name(k)
        for rule, judges, orders, score in self._scores(k):
            asked = (name, *(self.name(j) for j in judges))
            paid = orders * (self.usd[k] + sum(self.usd[j] for j in judges))
            seen: set[float] = set()
            for share in SHARES:
                part, threshold = self._sent(rule, score, share)
                sent = float(part.mean())
                if round(sent, 6) in seen or sent == 0:
                    continue
                seen.add(round(sent, 6))
                policy = Policy(asked, False, orders, rule, sent, threshold, 1)
                yield Strategy(
                    f"{name}, {percent(sent)} to a human: {_said(rule, asked)}",
                    policy,
                    part * self.human + (1 - part) * self.quality[k],
                    paid + part * self.human_usd,
                )

    def _sent(self, rule: str, score: Floats, share: float) -> tuple[Floats, float | None]:
        if rule == RANDOM:
            return np.full(len(score), share), None
        return sent_to_humans(score, share)

    def _scores(self, k: int) -> Iterator[tuple[str, list[int], int, Floats]]:
        """Rule, other judges asked, orders, and the score (n,) of each routing rule."""
        yield RANDOM, [], 1, np.ones(len(self.human))
        flips = self._flips(k)
        if flips is not None:
            yield FLIP, [], 2, flips
        stated = self._stated(k)
        if stated is not None:
            yield CERTAINTY, [], 1, certainty_score(stated)
        others = [j for j in self.judges if j != k and self._is_judge(j)]
        for j in others:
            yield DISAGREEMENT, [j], 1, disagreement_score(self._shares(k), self._shares(j))
        if self.prompt.max() + 1 >= FEWEST_PROMPTS:
            gain = self.human - self.quality[k]
            yield LEARNED, others, 1, learned_score(self._features(k, others), gain, self.prompt)

    def _features(self, k: int, others: Sequence[int]) -> Floats:
        """What a router may see: labels whichever response is a, and what the texts are like."""
        own = _score(self._shares(k))
        # toward the response that this judge prefers: nothing hangs on which one is called a
        turn = np.sign(np.round(own - 0.5, 12))
        panel, keep = self.view.panel, self.view.keep
        columns = [turn * (own - 0.5), self._shares(k)[:, TIE]]
        for j in others:
            columns += [turn * (_score(self._shares(j)) - 0.5), self._shares(j)[:, TIE]]
        columns += [turn * panel.longer[keep][self.items], panel.length[keep][self.items]]
        columns += [turn * values[keep][self.items] for values in panel.features.values()]
        flips, stated = self._flips(k), self._stated(k)
        columns += [] if flips is None else [flips]
        columns += [] if stated is None else [certainty_score(stated)]
        found: Floats = np.stack(columns, axis=1).astype(float)
        return found

    def _shares(self, k: int) -> Floats:
        mine: Floats = self.view.shares(k)[self.items]
        return mine

    def _is_judge(self, k: int) -> bool:
        return self.view.panel.annotators[k].kind is AnnotatorKind.JUDGE

    def _flips(self, k: int) -> Floats | None:
        """P(the label turns with the order) (n,); None without labels in both orders of all."""
        counts = self.view.counts_by_order(k)[:, self.items]
        with np.errstate(invalid="ignore"):
            one, other = (counts[order] / total(counts[order])[:, None] for order in (AB, BA))
        found: Floats = flip(one, other)
        return found if np.isfinite(found).all() else None

    def _stated(self, k: int) -> Floats | None:
        """The judge's mean stated P(a preferred) (n,); None where it is not stated of all."""
        start, end = np.searchsorted(self.view.panel.labels["annotator"], np.array([k, k + 1]))
        item = self.view.panel.labels["item"][start:end]
        p = np.asarray(self.view.panel.labels["p_a"][start:end], dtype=float)
        known = np.isfinite(p)
        n = self.view.panel.n_items
        with np.errstate(invalid="ignore"):
            mean = np.bincount(item[known], p[known], n) / np.bincount(item[known], minlength=n)
        mine = np.asarray(mean[self.view.keep][self.items], dtype=float)
        return mine if np.isfinite(mine).all() else None

    def _flat(self, usd: float) -> Floats:
        return np.full(len(self.human), usd)


def _price(view: View, annotators: Sequence[int]) -> float:
    """Mean US dollars of a label where that is known; NaN where it is of none."""
    known = [view.ballots(k).cost[view.keep].sum(axis=0) for k in annotators]
    usd, n = np.sum(known, axis=0) if known else (0.0, 0.0)
    return float(usd / n) if n else np.nan


def _score(shares: Floats) -> Floats:
    """P(a) with ties half (n,)."""
    result: Floats = shares[:, A] + shares[:, TIE] / 2
    return result


def _label_of(score: Floats) -> Floats:
    """The label of a mean score as shares (n, 3): a above 1/2, b below, else a tie."""
    score = np.round(score, 12)
    return np.stack([score > 0.5, score == 0.5, score < 0.5], axis=1).astype(float)


def _said(rule: str, asked: Sequence[str]) -> str:
    return f"{asked[1]} disagrees" if rule == DISAGREEMENT else rule


def _missing(view: View, judges: Sequence[int], enough: NDArray[np.bool_]) -> tuple[str, str]:
    if not judges:
        return ("no judge has labelled this data set", "See what one would cost: concord plan.")
    if not view.panel.indices(AnnotatorKind.HUMAN):
        return (
            "no human has labelled this data set, so no quality is known",
            "Import human labels of the same comparisons, two humans each, 100 or more.",
        )
    if not enough.any():
        return (
            "no comparison has labels of two humans, so no held-out human is left to be matched",
            "Have 100 comparisons or more labelled by a second human, and import those labels.",
        )
    return (
        "no comparison has labels of two humans and of every judge",
        "Name the judges to compare with --judge.",
    )


def _rows(
    view: View, tried: _Tried, strategies: Sequence[Strategy], quality: Floats, costs: Floats,
    selected: Interval | None, found: int | None,
) -> Iterator[Estimate]:  # fmt: skip
    n, n_labels = len(quality), int(total(tried.humans).sum())
    for k, each in enumerate(strategies):
        columns = np.stack([quality[:, k], np.ones(n)], axis=1)
        yield row(view, SECTION, "strategy_quality", each.name, ONE_HUMAN,
                  view.of_ratio(columns, tried.items, proportion=True), n_items=n,
                  n_labels=n_labels, method=HELD_OUT)  # fmt: skip
        usd = None if np.isnan(costs[k]) else float(1000 * costs[k])
        note = "a price is not known" if usd is None else "no interval: the mean of known prices"
        price = Interval(usd, None, None, int(tried.prompt.max()) + 1, note)
        yield row(view, SECTION, "strategy_usd_per_1000", each.name, ONE_HUMAN, price, n_items=n,
                  n_labels=0, unit="usd")  # fmt: skip
    if found is None:
        return
    for k, each in enumerate(strategies):
        columns = np.stack([quality[:, k] - quality[:, found], np.ones(n)], axis=1)
        if k != found:
            yield row(view, SECTION, "strategy_difference", each.name, strategies[found].name,
                      view.of_ratio(columns, tried.items, bounds=DIFFERENCE), n_items=n,
                      n_labels=n_labels, unit="share difference", method=HELD_OUT)  # fmt: skip
    if selected is not None:
        yield row(view, SECTION, "recommended_quality", strategies[found].name, ONE_HUMAN,
                  selected, n_items=n, n_labels=n_labels, method=CROSS_SELECTED)  # fmt: skip


def _notes(tried: _Tried, found: int | None) -> Iterator[str]:
    unknown = [tried.name(k) for k in tried.judges if np.isnan(tried.usd[k])]
    who = (["humans"] if np.isnan(tried.human_usd) else []) + unknown
    if who:
        yield f"price not known of {', '.join(who)}: concord price sets one"
    if tried.left_out:
        yield f"left out: {tried.left_out:,} comparisons that not every judge has labelled"
    g = int(tried.prompt.max()) + 1
    if g < FEWEST_PROMPTS:
        yield f"too few prompts to choose by ({g} of {FEWEST_PROMPTS}): label more of them"
    if found is None:
        yield "no strategy meets the goal" + (" at a known price" if who else "")
