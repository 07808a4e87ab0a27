"""Which feedback to buy: strategies tried on the same comparisons, their quality and cost.

Quality is the probability of matching the label of one human who had no part in it, or the most
frequent label of the humans without one, or what a reward model learns from it (`Match`). A
strategy is a column of quality and one of cost, so that differences, intervals and the choice come
from the same resamples of the prompts.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import InputError
from data.records import AnnotatorKind
from pipelines.estimates import ALL
from pipelines.lessons import VOTES
from pipelines.routing_scores import (
    CERTAINTY,
    DISAGREEMENT,
    FLIP,
    LEARNED,
    RANDOM,
    flips_of,
    of_all,
    router_features,
    score_of,
    stated_by,
)
from pipelines.sections.view import MAJORITY, ONE_HUMAN, View
from pipelines.stats.agreement import agreement_with_one, shares, total
from pipelines.stats.choosing import cross_selected, frontier, may_be_best, prompts_to_tell
from pipelines.stats.equivalence import largest_majority, majority_agreement
from pipelines.stats.intervals import (
    FEWEST_PROMPTS,
    Interval,
    ratio,
    smooth_interval,
)
from pipelines.stats.leave_one_out import human_with_others, judge_with_others
from pipelines.stats.routing import (
    certainty_score,
    disagreement_score,
    learned_score,
    sent_to_humans,
)
from pipelines.strategy_rows import quality_rows, strategy_rows
from pipelines.strategy_sums import PromptSums
from pipelines.threads import in_threads
from pipelines.wording import money, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.strategy_reward import Learner, Lesson

    Floats = NDArray[np.float64]

SHARES = (0.1, 0.2, 0.3, 0.5)  # of the comparisons to humans
MOST_IN_JURY = 5
MOST_FOR_JURIES = 6  # judges of which juries are made, the best ones
SAME_QUALITY = 1e-12
SAME_USD = 1e-9  # of a budget: means of equal prices end a digit off
LEAST, MOST = 1e-9, 1e12  # of what a goal names
BEGUN = 200  # prompts: a judge with fewer, and less than half of what another has, has just begun
MATERIAL = 1.5  # times the cost: from here on it matters which of two strategies is bought


class Match(StrEnum):
    """What a label is to match, the same for humans, judges and mixes of them.

    `human`: the label of one human who had no part in it. `majority`: the most frequent label of
    the humans without one of them, split modes shared, averaged over who is left out; for a human
    it is the one left out. The majority of several humans has no place there: it is the target.
    `reward`: held-out human votes, not by the label but by a reward model that is fitted to such
    labels, one a comparison.
    """

    HUMAN = "human"
    MAJORITY = "majority"
    REWARD = "reward"

    @property
    def reference(self) -> str:
        """Its name in rows."""
        names = {Match.HUMAN: ONE_HUMAN, Match.MAJORITY: MAJORITY, Match.REWARD: VOTES}
        return names[self]

    @property
    def method(self) -> str:
        """The rule in rows."""
        if self is Match.HUMAN:
            return "match with one human who had no part in it"
        if self is Match.REWARD:
            return (
                "match of a reward model fitted to such labels of other prompts; an interval draws "
                "held-out prompts, not labels"
            )
        return "match with the most frequent label of the humans without one of them"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a strategy buys for a comparison, so that it can be done again elsewhere.

    `judges` are asked `orders` times each; the label is that of the first or, of a jury, the sign
    of the mean; `human_share` of the comparisons go to `humans` humans by `rule`: those with a
    score above `threshold`, and at it with probability `at_threshold`.
    """

    judges: tuple[str, ...] = ()
    jury: bool = False
    orders: int = 1
    rule: str | None = None
    human_share: float = 0.0
    threshold: float | None = None
    humans: int = 0
    at_threshold: float = 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The part of each item that goes to a human: 0, all (2) or, where 1 stands, `at`."""

    codes: NDArray[np.uint8]
    at: float

    @classmethod
    def of(cls, part: Floats) -> Sent:
        """From the part of each item (n,), of which one value at most lies between 0 and 1."""
        between = (part > 0) & (part < 1)
        return cls(between + np.uint8(2) * (part == 1), float(part[between].max(initial=0.0)))

    def part(self) -> Floats:
        """Of each item (n,)."""
        return np.array([0.0, self.at, 1.0])[self.codes]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to get a label.

    `own` (n,): quality per item where no label is mixed with those of a human, whose quality is
    `human` (n,). `bought`: how many humans' labels of each item, or which part of the items is sent
    to one. `usd`: US dollars of a comparison for its judges, and of a human's label; NaN where not
    known. `label`: shares (n, 3) that a label is drawn from, for `Match.REWARD` until its models
    are fitted.
    """

    name: str
    policy: Policy
    own: Floats = field(repr=False)
    bought: int | Sent = field(repr=False)
    usd: tuple[float, float]
    human: Floats | None = field(default=None, repr=False)
    label: Floats | None = field(default=None, repr=False)

    @property
    def quality(self) -> Floats:
        """Of each item (n,)."""
        if self.human is None or isinstance(self.bought, int):
            return self.own
        part = self.bought.part()
        return part * self.human + (1 - part) * self.own

    @property
    def human_labels(self) -> Floats:
        """The humans' labels that are bought of each item (n,)."""
        if isinstance(self.bought, Sent):
            return self.bought.part()
        return np.broadcast_to(np.float64(self.bought), self.own.shape)

    @property
    def cost_usd(self) -> Floats:
        """US dollars of each item (n,)."""
        judges, human = self.usd
        return judges + human * self.human_labels


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
            raise InputError(
                "a goal that is not above 0, or no number",
                "More than 0 for --budget, --quality, --tradeoff and --comparisons.",
            )
        if any(each is not None and not LEAST <= each <= MOST for each in (*given, self.n)):
            raise InputError(
                "a goal beyond reason",
                f"Give numbers from {LEAST:g} to {MOST:,.0f}.",
            )
        if self.quality is not None and self.quality >= 1:
            raise InputError(f"a quality of {self.quality}", "A share below 1, such as 0.8.")

    def select(self, quality: Floats, cost: Floats) -> int | None:
        """The strategy to choose from mean quality and cost (m,); None where none will do."""
        if self.budget_usd is not None:
            return _best(quality, self.allows(quality, cost), -cost)
        if self.quality is not None:
            return _best(-cost, self.allows(quality, cost) & np.isfinite(cost), quality)
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
            return cost * self.n <= self.budget_usd * (1 + SAME_USD)
        if self.quality is not None:
            return quality >= self.quality - SAME_QUALITY
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

    `selected` is the recommended one's figure on prompts that had no part in choosing it; `alike`
    are the places of those that cannot be told from the best, `needed` the prompts in all that
    would tell each of them apart, None where they are equal or it takes more than prompts. `items`
    marks the comparisons of the slice that all were tried on, `prompts` (n_items,) their prompts.
    """

    strategies: tuple[Strategy, ...]
    quality: Floats
    cost_usd: Floats
    on_frontier: NDArray[np.bool_]
    recommended: int | None
    selected: Interval | None
    alike: tuple[int, ...]
    needed: tuple[int | None, ...]
    rows: tuple[Estimate, ...]
    human_usd: float
    items: NDArray[np.bool_]
    prompts: NDArray[Any]
    n_items: int
    n_prompts: int
    left_out: int
    match: Match
    notes: tuple[str, ...]

    def without_items(self) -> Choice:
        """The same with nothing of each comparison: a hundredth of the memory."""
        bare = (
            replace(each, own=each.own[:0], bought=0, human=None, label=None)
            for each in self.strategies
        )
        return replace(self, strategies=tuple(bare), items=self.items[:0], prompts=self.prompts[:0])

    @property
    def more_prompts(self) -> int | None:
        """Prompts in all that would tell the closest of those alike apart."""
        return min((n for n in self.needed if n is not None), default=None)

    def undecided(self, goal: Goal) -> Undecided | None:
        """The one of those alike, at a materially different cost, that is told apart soonest.

        None where there is none: what the rest cost is much the same, is not known, or they are
        equal. Where quality has a price, what is dearer and no better by the estimates leaves
        nothing to decide.
        """
        if self.recommended is None:
            return None
        usd = float(self.cost_usd[self.recommended])
        open_ones = [
            (n, k) for k, n in zip(self.alike, self.needed, strict=True)
            if n is not None and _apart(float(self.cost_usd[k]), usd)
            and (goal.usd_per_point is None or self.cost_usd[k] < usd
                 or self.quality[k] > self.quality[self.recommended])
        ]  # fmt: skip
        if not open_ones:
            return None
        needed, place = min(open_ones)
        more = needed - self.n_prompts
        if more <= 0:  # told from the recommended one alone it would be, from all at once it is not
            return Undecided(place, None, None)
        return Undecided(place, more, int(np.ceil(more * self.n_items / self.n_prompts)))


@dataclass(frozen=True, slots=True)
class Undecided:
    """A strategy that more human labels would tell from the recommended one, and how many more."""

    place: int
    more_prompts: int | None
    more_comparisons: int | None


def _apart(one: float, other: float) -> bool:
    """Whether two costs differ materially; not where one is not known."""
    return max(one, other) > MATERIAL * min(one, other)


def choose_strategy(
    view: View, goal: Goal, match: Match = Match.HUMAN, learner: Learner | None = None,
    *, every_judge: bool = False,
) -> Choice:  # fmt: skip
    """Try every strategy that the labels allow on one slice, and choose; see `Tried`.

    Raises InputError where no comparison has two humans' labels and a judge's, and for
    `Match.REWARD` without a learner or texts.
    """
    return choose(Tried(view, match, learner, every_judge=every_judge), goal)


def choose(tried: Tried, goal: Goal) -> Choice:
    """Price what was tried, and choose."""
    view, match, strategies = tried.view, tried.match, tried.strategies
    sums, usd = tried.sums, np.array([each.usd for each in strategies])
    means, costs = sums.means, sums.costs(usd)
    found = goal.select(means, costs)
    alike: tuple[int, ...] = ()
    needed: tuple[int | None, ...] = ()
    selected = None
    if found is not None and view.rules.intervals and len(sums.n) >= FEWEST_PROMPTS:
        alike, needed = _alike(goal, sums, usd, found)
        if tried.lesson is not None:  # other labels to learn from would move them too
            needed = (None,) * len(alike)
        prompts = np.arange(len(sums.n))
        found_by = cross_selected(sums.quality, sums.cost(usd), prompts, goal.select, sums.n)
        selected = _mean(found_by, sums.n)
    return Choice(
        strategies, means, costs, frontier(means, costs), found, selected, alike, needed,
        tuple(strategy_rows(tried, strategies, costs, selected, found)),
        tried.human_usd, tried.items, tried.prompt, len(tried.prompt), len(sums.n),
        tried.left_out, match, tuple(_notes(tried, found, goal)),
    )  # fmt: skip


def _alike(
    goal: Goal, sums: PromptSums, usd: Floats, found: int
) -> tuple[tuple[int, ...], tuple[int | None, ...]]:
    """Places of what may be as good, and the prompts that would tell each of them apart.

    Where a quality is the goal: of what is cheaper and may reach it too.
    """
    costs, values, replicates = sums.costs(usd), sums.means, sums.quality_replicates
    if goal.quality is not None:
        others = _may_reach(goal.quality, values, replicates, np.flatnonzero(costs < costs[found]))
        beside, against = goal.quality, np.full((len(replicates), 1), goal.quality)
    else:
        allowed = goal.allows(values, costs)
        if goal.usd_per_point is None:
            kept = sums.may_be_best(allowed)
        else:
            values = goal.worth(values, costs)
            replicates = goal.worth(replicates, sums.cost_replicates(usd))
            kept = may_be_best(values[allowed], replicates[:, allowed])
        others = [int(k) for k in np.flatnonzero(allowed)[kept] if k != found]
        beside, against = float(values[found]), replicates[:, [found]]
    apart = values[others] - beside
    errors = (replicates[:, others] - against).std(axis=0)
    needed = [
        prompts_to_tell(gap, error, len(sums.n))
        for gap, error in zip(apart.tolist(), errors.tolist(), strict=True)
    ]
    return tuple(others), tuple(needed)


def _may_reach(
    quality: float, values: Floats, replicates: Floats, cheaper: NDArray[np.intp]
) -> list[int]:
    """Which may have that quality, each by itself: a better one does not speak against it."""
    goal = np.full(len(replicates), quality)
    return [
        k
        for k in cheaper.tolist()
        if may_be_best(np.array([values[k], quality]), np.column_stack([replicates[:, k], goal]))[0]
    ]


def _mean(sums: Floats | None, n: Floats) -> Interval | None:
    """The mean of what was summed by prompt over n items each (G,)."""
    if sums is None:
        return None
    return smooth_interval(ratio, np.stack([sums, n], axis=1), proportion=True)


class Tried:
    """The comparisons that every strategy is tried on, and the strategies.

    Those that every judge labelled. One that has just begun would leave hardly any: it is left out,
    `begun` by its name with its prompts (of two humans) and those of another; not where
    `every_judge` is asked for. What a strategy is worth does not hang on prices: `at` other ones
    nothing is tried anew.
    """

    def __init__(
        self, view: View, match: Match, learner: Learner | None = None, *, every_judge: bool = False
    ) -> None:
        self.view = view
        self.match = match
        panel = view.panel
        self.begun = {} if every_judge else _just_begun(view)
        self.judges = [
            k for k in panel.indices(AnnotatorKind.JUDGE, AnnotatorKind.BASELINE)
            if self.name(k) not in self.begun and np.isfinite(view.shares(k)[:, 0]).any()
        ]  # fmt: skip
        enough = total(view.humans) >= 2
        self.items = enough & np.all(
            [np.isfinite(view.shares(k)[:, 0]) for k in self.judges], axis=0
        )
        self.left_out = int(enough.sum() - self.items.sum())
        if not self.judges or not self.items.any():
            raise InputError(*_missing(view, self.judges, enough))
        self.lesson = _lesson(view, self.items, learner) if match is Match.REWARD else None
        if self.lesson is not None:
            self.items = self.lesson.items
        self._shares: dict[int, Floats] = {}
        self._turns: dict[int, Floats | None] = {}
        self.humans = view.humans[self.items]
        self.prompt = np.unique(view.prompt[self.items], return_inverse=True)[1]
        self.human_usd = _price(view, panel.indices(AnnotatorKind.HUMAN))
        others = match is Match.MAJORITY
        self.human = (human_with_others if others else _with_one)(self.humans)
        self.most = largest_majority(total(self.humans)) if match is Match.HUMAN else 1
        self.quality = {k: self._matches(self.shares(k)) for k in self.judges}
        self.usd = {k: _price(view, [k]) for k in self.judges}
        self.labels = {
            k: float(view.ballots(k).rows[view.keep][self.items].mean()) for k in self.judges
        }

    @cached_property
    def strategies(self) -> tuple[Strategy, ...]:
        """All that the labels allow, at the prices in force."""
        found = tuple(self._strategies())
        if self.lesson is None:
            return found
        learned = self.lesson.quality([each.label for each in found if each.label is not None])
        return tuple(
            replace(each, own=quality, human=None, label=None)
            for each, quality in zip(found, learned.T, strict=True)
        )

    @cached_property
    def sums(self) -> PromptSums:
        """What choosing needs of them, whatever the prices."""
        columns = [(each.quality, each.human_labels) for each in self.strategies]
        return PromptSums([q for q, _ in columns], [h for _, h in columns], self.prompt)

    @cached_property
    def quality_rows(self) -> tuple[Estimate, ...]:
        """What does not hang on prices, in rows."""
        return tuple(quality_rows(self, self.strategies))

    def without_labels(self) -> Tried:
        """The same with what choosing needs alone: a hundredth of the memory, at any prices."""
        _ = self.strategies, self.sums, self.quality_rows, self.sums.quality_replicates
        made = copy(self)
        made.view = self.view.without_labels()
        made._shares, made._turns = {}, {}
        return made

    def at(self, human_usd: float, judges_usd: Mapping[str, float]) -> Tried:
        """The same at other prices of a label, by the judge's name; NaN for what is not known."""
        strategies, _, _ = self.strategies, self.sums, self.quality_rows  # made once, for the copy
        made = copy(self)
        made.human_usd = human_usd
        made.usd = {k: judges_usd.get(self.name(k), usd) for k, usd in self.usd.items()}
        made.strategies = tuple(replace(each, usd=made._usd(each.policy)) for each in strategies)
        return made

    def name(self, k: int) -> str:
        """A judge's."""
        return self.view.panel.annotators[k].name

    def judges_usd(self, policy: Policy) -> float:
        """What the judges of a policy cost a comparison, humans apart; NaN where not known.

        Juries and rules look at all labels of their judges, in both orders and repeats: all of them
        are paid for.
        """
        all_labels = policy.jury or policy.rule not in (None, RANDOM)
        usd = {
            self.name(k): self.usd[k] * (self.labels[k] if all_labels else policy.orders)
            for k in self.judges
        }
        return float(sum(usd[name] for name in policy.judges))

    def _matches(self, shares: Floats) -> Floats:
        """Quality (n,) of labels drawn from shares (n, 3), where no model is fitted to them."""
        found = judge_with_others if self.match is Match.MAJORITY else agreement_with_one
        return found(shares, self.humans)

    def _usd(self, policy: Policy) -> tuple[float, float]:
        """US dollars for the judges, and of a human's label if any is bought."""
        return self.judges_usd(policy), self.human_usd if policy.humans else 0.0

    def _strategy(
        self, name: str, policy: Policy, own: Floats, label: Floats, bought: int | Sent = 0,
        human: Floats | None = None,
    ) -> Strategy:  # fmt: skip
        """With so many humans' labels of each item, its own label drawn from shares `label`."""
        return Strategy(
            name, policy, own, bought, self._usd(policy), human,
            None if self.lesson is None else label,
        )  # fmt: skip

    def _strategies(self) -> Iterator[Strategy]:
        """All of them, what is bought of whom in the name."""
        yield from self._humans()
        for k in self.judges:
            yield from self._alone(k)
        yield from self._juries()
        routed = [k for k in self.judges if self._is_judge(k) or len(self.judges) == 1]
        for k, gain in zip(routed, in_threads(self._expected_gain, routed), strict=True):
            yield from self._routed(k, gain)

    def _humans(self) -> Iterator[Strategy]:
        for n in range(1, self.most + 1):
            values = self.human if n == 1 else majority_agreement(self.humans, n)
            if n > 1 and not np.isfinite(values).all():
                return
            name = "one human" if n == 1 else f"majority of {n} humans"
            yield self._strategy(name, Policy(humans=n), values, shares(self.humans), n)

    def _alone(self, k: int) -> Iterator[Strategy]:
        name, quality = self.name(k), self.quality[k]
        yield self._strategy(name, Policy((name,)), quality, self.shares(k))
        if self._flips(k) is not None:
            # Which of two labels that differ is kept is a coin: in truth as good as one label.
            policy = Policy((name,), orders=2)
            yield self._strategy(f"{name}, both orders", policy, quality, self.shares(k))

    def _juries(self) -> Iterator[Strategy]:
        judges = [k for k in self.judges if self._is_judge(k)]
        best = sorted(judges, key=lambda k: -self.quality[k].mean())[:MOST_FOR_JURIES]
        members = [k for k in judges if k in best]
        for size in range(2, min(MOST_IN_JURY, len(members)) + 1):
            for jury in combinations(members, size):
                names = tuple(map(self.name, jury))
                label = _label_of(np.mean([score_of(self.shares(k)) for k in jury], axis=0))
                yield self._strategy(
                    f"jury of {', '.join(names)}",
                    Policy(names, jury=True, orders=self._orders(jury)),
                    self._matches(label),
                    label,
                )

    def _routed(self, k: int, gain: Floats | None) -> Iterator[Strategy]:
        name = self.name(k)
        for rule, judges, orders, score in self._scores(k, gain):
            asked = (name, *(self.name(j) for j in judges))
            seen: set[str] = set()
            for share in SHARES:
                part, threshold = self._sent(rule, score, share)
                sent = float(part.mean())
                if percent(sent) in seen or sent == 0:  # its name would be another one's too
                    continue
                seen.add(percent(sent))
                at = float(part[score == threshold].min(initial=1.0))
                policy = Policy(asked, False, orders, rule, sent, threshold, 1, at)
                yield self._strategy(
                    f"{name}, {percent(sent)} to a human: {_said(rule, asked)}",
                    policy,
                    self.quality[k],
                    self._mixed(k, part),
                    Sent.of(part),
                    self.human,
                )

    def _mixed(self, k: int, part: Floats) -> Floats:
        """Shares (n, 3) of labels that are a human's with probability `part` (n,), else k's.

        Nothing where no reward model learns from them.
        """
        if self.lesson is None:
            return np.zeros((0, 3))
        sent = part[:, None]
        found: Floats = sent * shares(self.humans) + (1 - sent) * self.shares(k)
        return found

    def _sent(self, rule: str, score: Floats, share: float) -> tuple[Floats, float | None]:
        if rule == RANDOM:
            return np.full(len(score), share), None
        return sent_to_humans(score, share)

    def _scores(self, k: int, gain: Floats | None) -> Iterator[tuple[str, list[int], int, Floats]]:
        """Rule, other judges asked, orders, and the score (n,) of each routing rule."""
        yield RANDOM, [], 1, np.ones(len(self.human))
        flips = self._flips(k)
        if flips is not None:
            yield FLIP, [], 2, flips
        stated = of_all(stated_by(self.view, k, self.items))
        if stated is not None:
            yield CERTAINTY, [], self._orders([k]), certainty_score(stated)
        others = self._others(k)
        for j in others:
            score = disagreement_score(self.shares(k), self.shares(j))
            yield DISAGREEMENT, [j], self._orders([k, j]), score
        if gain is not None:
            yield LEARNED, others, self._orders([k, *others]), gain

    def _expected_gain(self, k: int) -> Floats | None:
        """What a human is expected to add (n,), learned; None of too few prompts."""
        if self.prompt.max() + 1 < FEWEST_PROMPTS:
            return None
        seen = router_features(self.view, k, self._others(k), self.items)
        features = np.stack(list(seen.values()), axis=1)
        return learned_score(features, self.human - self.quality[k], self.prompt)

    def _others(self, k: int) -> list[int]:
        return [j for j in self.judges if j != k and self._is_judge(j)]

    def shares(self, k: int) -> Floats:
        """Class shares (n, 3) of a judge's label."""
        if k not in self._shares:
            self._shares[k] = self.view.shares(k)[self.items]
        return self._shares[k]

    def _is_judge(self, k: int) -> bool:
        return self.view.panel.annotators[k].kind is AnnotatorKind.JUDGE

    def _orders(self, judges: Sequence[int]) -> int:
        """2 where labels in both orders of one of them are looked at."""
        return 2 if any(self._flips(k) is not None for k in judges) else 1

    def _flips(self, k: int) -> Floats | None:
        """P(the label turns with the order) (n,); None without labels in both orders of all."""
        if k not in self._turns:
            self._turns[k] = of_all(flips_of(self.view, k, self.items))
        return self._turns[k]


def _just_begun(view: View) -> dict[str, tuple[int, int]]:
    """Names of judges that have just begun: their prompts, and those of the judge with most.

    Prompts with a verdict and with labels of two humans, in the whole data set. A baseline, which
    costs nothing, is held against judges too; a judge only against judges.
    """
    panel = view.panel
    whole = view if view.name == ALL else View(panel, view.rules, ALL, np.ones_like(view.keep))
    two = total(whole.humans) >= 2
    most, found = 0, dict[str, tuple[int, int]]()
    for kind in (AnnotatorKind.JUDGE, AnnotatorKind.BASELINE):
        verdicts = {k: np.isfinite(whole.shares(k)[:, 0]) for k in panel.indices(kind)}
        prompts = {k: len(np.unique(panel.prompt[two & v])) for k, v in verdicts.items() if v.any()}
        most = max([most, *prompts.values()])
        found |= {
            panel.annotators[k].name: (n, most)
            for k, n in prompts.items()
            if n < min(BEGUN, most / 2)
        }
    return found


def _with_one(humans: Floats) -> Floats:
    return majority_agreement(humans, 1)


def _lesson(view: View, items: NDArray[np.bool_], learner: Learner | None) -> Lesson:
    if learner is None:
        raise InputError(
            "no reward model can be fitted here: the texts are not at hand",
            "Ask for it on the command line: concord strategy --match reward.",
        )
    return learner.lesson(view, items)


def _price(view: View, annotators: Sequence[int]) -> float:
    """Mean US dollars of a label where that is known; NaN where it is of none."""
    known = [view.ballots(k).cost[view.keep].sum(axis=0) for k in annotators]
    usd, n = np.sum(known, axis=0) if known else (0.0, 0.0)
    return float(usd / n) if n else np.nan


def _label_of(score: Floats) -> Floats:
    """The label of a mean score as shares (n, 3): a above 1/2, b below, else a tie."""
    score = np.round(score, 12)
    return np.stack([score > 0.5, score == 0.5, score < 0.5], axis=1).astype(float)


def _said(rule: str, asked: Sequence[str]) -> str:
    return f"{asked[1]} disagrees" if rule == DISAGREEMENT else rule


def _missing(view: View, judges: Sequence[int], enough: NDArray[np.bool_]) -> tuple[str, str]:
    if not judges and view.panel.indices(AnnotatorKind.JUDGE):
        return (
            "no judge's reply holds a verdict",
            "Count them as ties (--unparsed tie), or read them again: concord labels reparse.",
        )
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


def _notes(tried: Tried, found: int | None, goal: Goal) -> Iterator[str]:
    unknown = [tried.name(k) for k in tried.judges if np.isnan(tried.usd[k])]
    who = (["humans"] if np.isnan(tried.human_usd) else []) + unknown
    if who:
        yield f"price not known of {', '.join(who)}: concord price sets one"
    for name, (n, most) in tried.begun.items():
        yield (
            f"not tried yet: {name}, with verdicts on {n:,} of the prompts that two humans "
            f"labelled, where another has {most:,}; alone it is with concord strategy --judge "
            f"{quote(name)}"
        )
    if tried.left_out:
        yield f"left out: {tried.left_out:,} comparisons that not every judge has labelled"
    if tried.lesson is not None:
        yield from _of_lesson(tried.lesson)
    g = int(tried.prompt.max()) + 1
    if g < FEWEST_PROMPTS:
        more = FEWEST_PROMPTS - g
        yield (
            f"too few prompts to choose by ({g} of {FEWEST_PROMPTS}): have {more} more or so "
            "labelled by two humans each, and by the judges"
        )
    if tried.match is Match.MAJORITY and tried.humans.sum(axis=1).max() < 3:
        yield "no comparison has labels of three humans: a majority of one is that human"
    if found is None:
        known = " at a known price" if who else ""
        yield f"no strategy meets the goal{known}{_nearest(tried, goal)}"


def _nearest(tried: Tried, goal: Goal) -> str:
    """What comes nearest to a quality that nothing reaches, or to a budget."""
    means = tried.sums.means
    if goal.quality is not None:
        best = int(np.argmax(means))
        return f": the best, {tried.strategies[best].name}, matches in {percent(means[best])}"
    costs = tried.sums.costs(np.array([each.usd for each in tried.strategies]))
    if goal.budget_usd is None or not np.isfinite(costs).any():
        return ""
    least = int(np.nanargmin(costs))
    usd = money(float(costs[least]) * goal.n)
    return f": the cheapest, {tried.strategies[least].name}, costs {usd} for {goal.n:,}"


def _of_lesson(lesson: Lesson) -> Iterator[str]:
    if lesson.lack:
        yield (
            f"left out: {lesson.lack:,} comparisons without both texts, or where the humans' votes "
            "are as many for a as for b"
        )
    if lesson.too_many:
        yield (
            f"left out: {lesson.too_many:,} comparisons, by prompt: reward models are fitted to at "
            f"most {lesson.plan.most_comparisons:,}"
        )
    yield (
        "intervals draw the held-out prompts, not the labels that are bought: other labels of the "
        "same strategies would move the figures too"
    )
