"""The alternative annotator test, which asks whether a judge may replace humans of a panel.

After Calderon, Reichart & Dror (2025, arXiv 2501.10970). Each human j is left out in turn. S is the
share of the *other* humans on an item whose label equals one's own; W_f = [S(judge) >= S(human j)]
and W_h = [S(human j) >= S(judge)], a tie counts for both. A human costs more than a judge, so the
human has to be better by epsilon: H0_j says mean W_f <= mean W_h - epsilon and is rejected by a
one-sided t test of mean(W_h - W_f) < epsilon, with Benjamini & Yekutieli (2001) over the humans.
The winning rate is the share of humans for whom H0 is rejected; from .5 on the judge may replace
humans. The advantage probability, the mean over humans of the mean W_f, compares judges.

Two forms of the t test: the published one takes comparisons as independent; the clustered one, for
decisions, takes prompts (G - 1 degrees of freedom). A judge with several labels on an item counts
as the expectation for one of them drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtr

from pipelines.stats.agreement import total
from pipelines.stats.intervals import FEWEST_PROMPTS, Interval, cluster_sums, smooth_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

FEWEST_HUMANS = 3
FEWEST_ITEMS = 30
Q = 0.05  # false discovery rate over the humans
PASSES = 0.5  # winning rate from which on the judge may replace humans
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Outcome:
    """A one-sided test against one human: `p` and whether H0 is rejected among all tested."""

    p: float
    rejected: bool


@dataclass(frozen=True, slots=True)
class HumanTested:
    """The judge against human number `human` on the comparisons of both and of another human.

    `advantage`: mean W_f; `difference`: mean W_h - W_f, positive where the human is better; None
    without comparisons. `published`, `clustered`: None where too little is known for that test.
    """

    human: int
    n_items: int
    n_prompts: int
    advantage: float | None
    difference: float | None
    published: Outcome | None
    clustered: Outcome | None


@dataclass(frozen=True, slots=True)
class WinningRate:
    """Share of the tested humans for whom H0 is rejected; None, with the reason, if undefined."""

    estimate: float | None
    n_rejected: int
    n_tested: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """The test of one judge: its rows by human, and what follows from them.

    `advantage` is the advantage probability with its prompt-clustered interval. `n_items`: the
    comparisons it rests on; `items` (n,) marks them.
    """

    humans: tuple[HumanTested, ...]
    published: WinningRate
    clustered: WinningRate
    advantage: Interval
    items: NDArray[np.bool_]

    @property
    def n_items(self) -> int:
        """Comparisons with labels of the judge and of two humans, one of them tested."""
        return int(self.items.sum())


def replacement(
    labels: Integers, judge_shares: Floats, clusters: Integers, epsilon: float
) -> Replacement:
    """The alternative annotator test of one judge.

    `labels` (n, J): class 0, 1, 2 that each identified human gave, -1 for none; columns are people,
    so anonymous labels have no place here. `judge_shares` (n, 3), NaN where there is no label; what
    is missing to 1 matches nobody. A human with fewer than 30 comparisons (or, for the clustered
    test, on fewer than 20 prompts) is left out; below three humans nothing is decided.
    """
    counts = _counts(labels)
    usable = (total(counts) >= 2) & np.isfinite(judge_shares[:, 0])
    rows = [
        _against(j, labels[:, j], counts, judge_shares, usable, clusters)
        for j in range(labels.shape[1])
    ]
    published = [row.p_value(epsilon, clustered=False) for row in rows]
    clustered = [row.p_value(epsilon, clustered=True) for row in rows]
    tests = [_tests(published), _tests(clustered)]
    tested = [row for row in rows if len(row.items) >= FEWEST_ITEMS]
    items = np.zeros(len(labels), dtype=bool)
    for row in tested:
        items[row.items] = True
    return Replacement(
        humans=tuple(row.result(*pair) for row, *pair in zip(rows, *tests, strict=True)),
        published=_winning_rate(tests[0], f"{FEWEST_ITEMS} comparisons"),
        clustered=_winning_rate(
            tests[1], f"{FEWEST_ITEMS} comparisons on {FEWEST_PROMPTS} prompts"
        ),
        advantage=_advantage(tested, clusters, items),
        items=items,
    )


def benjamini_yekutieli(p_values: Floats, q: float = Q) -> NDArray[np.bool_]:
    """Which of m hypotheses (m,) are rejected at false discovery rate q, whatever their dependence.

    The largest i with p_(i) <= i q / (m (1 + 1/2 + ... + 1/m)) and all below it (Benjamini &
    Yekutieli 2001).
    """
    m = len(p_values)
    ranks = np.arange(1, m + 1)
    order = np.argsort(p_values, kind="stable")
    below = np.flatnonzero(p_values[order] <= ranks * q / (m * (1 / ranks).sum()))
    rejected = np.zeros(m, dtype=bool)
    rejected[order[: below[-1] + 1 if len(below) else 0]] = True
    return rejected


def clustered_p_value(differences: Floats, clusters: Integers, epsilon: float) -> float:
    """P value of mean(differences) < epsilon, one-sided t test with clusters (n,) independent.

    With a cluster for each row it is Student's t test of one sample. Differences that are all the
    same decide without a test: 0 below epsilon, else 1. NaN for a single cluster that is not so.
    """
    mean = differences.mean()
    if np.ptp(differences) <= _ROUNDING:
        return 0.0 if mean < epsilon - _ROUNDING else 1.0
    influence = cluster_sums((differences - mean)[:, None], clusters)[:, 0] / len(differences)
    n = len(influence)
    if n < 2:
        return float("nan")
    error = np.sqrt(n / (n - 1) * (influence @ influence))
    if error <= _ROUNDING:  # clusters of one mean: the same, one level up
        return 0.0 if mean < epsilon - _ROUNDING else 1.0
    return float(stdtr(n - 1, (mean - epsilon) / error))


@dataclass(frozen=True, slots=True)
class _Against:
    """One human's items (positions), W_f and W_h - W_f on them, and the prompts of these."""

    human: int
    items: Integers
    judge_wins: Floats
    differences: Floats
    prompts: Integers
    n_prompts: int

    def p_value(self, epsilon: float, *, clustered: bool) -> float | None:
        if len(self.items) < FEWEST_ITEMS or (clustered and self.n_prompts < FEWEST_PROMPTS):
            return None
        groups = self.prompts if clustered else np.arange(len(self.items))
        return clustered_p_value(self.differences, groups, epsilon)

    def result(self, published: Outcome | None, clustered: Outcome | None) -> HumanTested:
        any_items = len(self.items) > 0
        return HumanTested(
            human=self.human,
            n_items=len(self.items),
            n_prompts=self.n_prompts,
            advantage=float(self.judge_wins.mean()) if any_items else None,
            difference=float(self.differences.mean()) if any_items else None,
            published=published,
            clustered=clustered,
        )


def _counts(labels: Integers) -> Floats:
    """Labels (n, J) to counts (n, 3)."""
    counts = np.zeros((len(labels), 3))
    for column in labels.T:
        known = np.flatnonzero(column >= 0)
        counts[known, column[known]] += 1
    return counts


def _against(
    human: int,
    column: Integers,
    counts: Floats,
    judge_shares: Floats,
    usable: NDArray[np.bool_],
    clusters: Integers,
) -> _Against:
    items = np.flatnonzero(usable & (column >= 0))
    rows, label, judge = np.arange(len(items)), column[items], judge_shares[items]
    others = counts[items]
    others[rows, label] -= 1
    matched = others[rows, label]  # both meet the same people: counts compare as shares do
    worse = total(judge * (others < matched[:, None])) + _lost(judge) * (matched > 0)
    better = total(judge * (others > matched[:, None]))
    prompts = clusters[items]
    n_prompts = int((np.bincount(prompts) > 0).sum())
    return _Against(human, items, np.maximum(1.0 - worse, 0.0), worse - better, prompts, n_prompts)


def _lost(judge_shares: Floats) -> Floats:
    """The judge's share (n,) that is of no class, without what rounding leaves."""
    lost = 1.0 - total(judge_shares)
    result: Floats = np.where(lost > _ROUNDING, lost, 0.0)
    return result


def _tests(p_values: Sequence[float | None]) -> list[Outcome | None]:
    """Tests by human, corrected over those who have a p value."""
    known = [p for p in p_values if p is not None]
    rejected = iter(benjamini_yekutieli(np.array(known)).tolist())
    return [None if p is None else Outcome(p, next(rejected)) for p in p_values]


def _winning_rate(tests: Sequence[Outcome | None], needed: str) -> WinningRate:
    tested = [test for test in tests if test is not None]
    n_rejected = sum(test.rejected for test in tested)
    if len(tested) < FEWEST_HUMANS:
        reason = f"fewer than {FEWEST_HUMANS} humans ({len(tested)}) have {needed} in common with"
        return WinningRate(None, n_rejected, len(tested), f"{reason} the judge and another human")
    return WinningRate(n_rejected / len(tested), n_rejected, len(tested))


def _advantage(
    tested: Sequence[_Against], clusters: Integers, items: NDArray[np.bool_]
) -> Interval:
    """Mean over humans of their mean W_f.

    A function of 2 J totals. Its influence values are linear in them and are added up over the
    humans first, so that the columns do not grow with J.
    """
    if len(tested) < FEWEST_HUMANS:
        fewer = f"fewer than {FEWEST_HUMANS} humans ({len(tested)}) have {FEWEST_ITEMS} comparisons"
        return Interval(None, None, None, 0, f"{fewer} in common with the judge and another human")
    columns = np.zeros((len(items), 2))
    means = [row.judge_wins.mean() for row in tested]
    for row, mean in zip(tested, means, strict=True):
        weight = 1.0 / (len(tested) * len(row.items))
        columns[row.items] += weight * np.stack(
            [row.judge_wins, np.full_like(row.judge_wins, mean)], 1
        )
    value = float(np.mean(means))
    sums = cluster_sums(columns[items], clusters[items])
    return smooth_interval(lambda t: value + (t[0] - t[1]), sums, proportion=True)
