"""Human equivalence: how many humans' majority a judge is worth.

After Resnick et al. (2021, "Survey equivalence", arXiv 2106.01254): the smallest k for which the
majority of k humans (ties split) matches one held-out human as often as the judge does, all on the
same items. Between whole numbers the curve is interpolated linearly. The agreement of a majority of
k is exact: k labels drawn from an item's counts without replacement, and one of the others held out
(multivariate hypergeometric), so with k = 1 it is the human ceiling.

- k = 0 is the best guess that knows nothing but how common each class is: a tie, or, as the slots a
  and b are arbitrary, one of a and b by a coin. Without it a judge below one human had no value.
- A majority of two matches as often as one of them: between 1 and 2 the curve is flat, and above
  the ceiling the value jumps past 2.
- What no k of the data reaches is "more than" the largest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import comb

from pipelines.stats.agreement import TIE, A, B, agreement_with_one, shares, total
from pipelines.stats.intervals import (
    CAUTION_PROMPTS,
    FEWEST_PROMPTS,
    LEVEL,
    cluster_sums,
)
from pipelines.stats.leave_one_out import mode_shares
from pipelines.stats.resampling import REPLICATES, bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

MOST_HUMANS = 10  # the largest majority looked at
ITEMS_KEPT = 0.8
MOST_DRAWN = 5000  # units of the bootstrap
SAME = "no interval, as it is the same in the middle 95% of resamples"
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Equivalence:
    """How many humans' majority a judge is worth, with its 95% interval.

    `estimate`, `low`, `high` are numbers of humans; inf means more than `most`, the largest
    majority that the data has; None means undefined or no interval, and `note` says why. `curve`
    (most + 1,): agreement with one human of the guess and of majorities of 1, 2, ..., `most`;
    `agreement`: the judge's, on the same items, which `items` (n,) marks.
    """

    estimate: float | None
    low: float | None
    high: float | None
    most: int
    curve: Floats
    agreement: float | None
    items: NDArray[np.bool_]
    n_prompts: int
    note: str | None = None


def largest_majority(m: Floats) -> int:
    """The largest k for which four fifths of the items have k humans and one more to hold out.

    `m` (n,): human labels of the items. Items with fewer than two do not count. At most 10; 0 where
    no item has two. A larger k would keep fewer items, which are the odd ones out.
    """
    m = m[m >= 2]
    if not len(m):
        return 0
    others = np.sort(m - 1)
    return int(min(MOST_HUMANS, others[int(np.floor((1 - ITEMS_KEPT) * len(m) + _ROUNDING))]))


def majority_agreement(humans: Floats, k: int) -> Floats:
    """P(the majority of k humans, ties split, = the label of another human) per item.

    From counts (n, 3), for k >= 1; NaN on items with k labels or fewer. Computed once for each
    different panel: which class is which does not matter, so exchanging a and b changes nothing.
    """
    panels, place = _different_panels(np.sort(humans, axis=1))
    drawn = _panels_of(k)
    m = total(panels)
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = np.prod(comb(panels[:, None], drawn), axis=2) / comb(m, k)[:, None]
        matched = (mode_shares(drawn) * (panels[:, None] - drawn)).sum(axis=2)
        values = (chance * matched).sum(axis=1) / (m - k)
    result: Floats = np.where(m > k, values, np.nan)[place]
    return result


def human_equivalence(
    judge_shares: Floats, humans: Floats, clusters: Integers, *, replicates: int = REPLICATES
) -> Equivalence:
    """How many humans' majority a judge is worth, by the cluster bootstrap over prompts.

    From shares and counts (n, 3) and prompt codes (n,). The items are those with a label of the
    judge and of `largest_majority` humans and one more. Undefined where no item has two humans.
    Beyond 5,000 prompts, that many sets of prompts are drawn instead.
    """
    m, judged = total(humans), np.isfinite(judge_shares[:, 0])
    most = largest_majority(m[judged])
    items = judged & (m > max(most, 1))
    if not most:
        why = "undefined: no comparison has labels of two humans and a usable label of this one"
        return Equivalence(None, None, None, 0, np.zeros(0), None, items, 0, why)
    sums = cluster_sums(_columns(judge_shares[items], humans[items], most), clusters[items])
    totals = np.ones(len(sums)) @ sums
    value = float(_equivalent(totals[None])[0])
    low, high, note = _interval(value, sums, replicates)
    curve, agreement = _curve(totals[None])
    return Equivalence(
        value, low, high, most, curve[0], float(agreement[0]), items, len(sums), note
    )


def _different_panels(panels: Floats) -> tuple[Floats, Integers]:
    """The different rows of whole-number counts (n, 3), and the place (n,) of each row in them."""
    size = int(panels.max(initial=0)) + 1
    code = (panels @ np.array([size * size, size, 1.0])).astype(np.int64)
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    return panels[first], place


def _panels_of(k: int) -> Floats:
    """All counts (s, 3) of k labels."""
    return np.array(
        [(a, tie, k - a - tie) for a in range(k + 1) for tie in range(k + 1 - a)], dtype=float
    )


def _columns(judge_shares: Floats, humans: Floats, most: int) -> Floats:
    """Per item: tie or a coin matching one human, majorities of 1 to `most`, the judge, 1."""
    classes = shares(humans)
    return np.stack(
        [
            classes[:, TIE],
            (classes[:, A] + classes[:, B]) / 2,
            *(majority_agreement(humans, k) for k in range(1, most + 1)),
            agreement_with_one(judge_shares, humans),
            np.ones(len(humans)),
        ],
        axis=1,
    )


def _curve(totals: Floats) -> tuple[Floats, Floats]:
    """The agreement (B, most + 1) of the guess and of majorities, and the judge's (B,)."""
    means = totals[:, :-1] / totals[:, -1:]
    guess = np.maximum(means[:, 0], means[:, 1])
    return np.column_stack([guess, means[:, 2:-1]]), means[:, -1]


def _equivalent(totals: Floats) -> Floats:
    """Totals (B, columns) to the first k (B,) at which the curve reaches the judge; inf if none."""
    curve, agreement = _curve(totals)
    reached = curve >= agreement[:, None] - _ROUNDING
    upper = reached.argmax(axis=1)
    lower = np.maximum(upper - 1, 0)
    rows = np.arange(len(curve))
    start, end = curve[rows, lower], curve[rows, upper]
    rise = np.where(end > start, end - start, 1.0)
    part = np.clip((agreement - start) / rise, 0.0, 1.0)
    result: Floats = np.where(upper > 0, lower + part, 0.0)
    return np.where(reached.any(axis=1), result, np.inf)


def _interval(
    value: float, sums: Floats, replicates: int
) -> tuple[float | None, float | None, str | None]:
    """Percentile interval, of order statistics as replicates may be inf, and a note."""
    n_prompts = len(sums)
    if n_prompts < FEWEST_PROMPTS:
        return None, None, f"too few prompts for an interval ({n_prompts} of {FEWEST_PROMPTS})"
    if n_prompts > MOST_DRAWN:
        # Sets of whole prompts are as independent as prompts: the same spread in less time.
        sums = cluster_sums(sums, np.arange(n_prompts) % MOST_DRAWN)
    found = np.sort(bootstrap(_equivalent, sums, replicates=replicates))
    tail = int((1 - LEVEL) / 2 * len(found))
    low, high = min(float(found[tail]), value), max(float(found[-1 - tail]), value)
    if low == high < np.inf:
        return None, None, SAME
    return low, high, "few prompts: read with caution" if n_prompts < CAUTION_PROMPTS else None
