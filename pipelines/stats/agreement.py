"""How often labels agree: single-human agreement, its human ceiling, majority, Cohen's kappa.

Classes are a, tie, b in columns 0, 1, 2. Labels come as counts (n, 3): how often each class was
given on each of n items. An annotator with several usable labels on an item (both orders, repeats)
counts as the expectation for one of them drawn at random, so nothing here adds independent items.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

A, TIE, B = 0, 1, 2


class TieRule(StrEnum):
    """What a tie is: a class of its own (MT-Bench's S1), left out (S2), or half of each."""

    CLASS = "class"
    DROP = "drop"
    HALF = "half"


def total(values: Floats) -> Floats:
    """Sum over the classes (n, 3) to (n,): in an order that exchanging a and b does not change."""
    result: Floats = (values[:, A] + values[:, B]) + values[:, TIE]
    return result


def shares(counts: Floats) -> Floats:
    """Counts (n, 3) to class shares per item; NaN on items without a label."""
    with np.errstate(invalid="ignore"):
        result: Floats = counts / total(counts)[:, None]
    return result


def pair_agreement(humans: Floats) -> Floats:
    """P(two different humans' labels agree) per item from counts (n, 3); NaN below two labels.

    Sum over classes of c (c - 1) / (m (m - 1)), m the item's labels: the human ceiling's terms.
    """
    m = total(humans)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total(humans * (humans - 1)) / (m * (m - 1))


def agreement_with_one(judge_shares: Floats, humans: Floats) -> Floats:
    """P(the judge's label = the label of one human) per item, from shares and counts (n, 3)."""
    return total(judge_shares * shares(humans))


def matches(judge_shares: Floats, humans: Floats, ties: TieRule) -> Floats:
    """How well a judge's label matches one human's, per item: (match, weight) to (n, 2).

    From shares and counts (n, 3); the statistic is the sum of matches over the sum of weights.
    `class`: equal classes, weight 1. `half`: 1 - |difference| with a 1, tie 1/2, b 0 (AlpacaEval).
    `drop`: equal and both decided, weighted by P(both decided) (Zheng et al. 2023, arXiv
    2306.05685); what a judge's shares lack of 1 was drawn, is no tie and matches nobody. NaN where
    either has no label.
    """
    return share_matches(judge_shares, shares(humans), ties)


def share_matches(judge_shares: Floats, one: Floats, ties: TieRule) -> Floats:
    """`matches` from the shares (n, 3) of both."""
    mine, theirs = judge_shares.T, one.T
    equal = mine[A] * theirs[A] + mine[B] * theirs[B]
    if ties is TieRule.DROP:
        return np.stack([equal, (1 - mine[TIE]) * (1 - theirs[TIE])]).T
    equal += mine[TIE] * theirs[TIE]
    if ties is TieRule.HALF:
        equal += _half(judge_shares, one) + _half(one, judge_shares)
    return np.stack([equal, equal * 0 + 1]).T  # a weight of 1, NaN where there is no label


def pair_matches(humans: Floats, ties: TieRule) -> Floats:
    """`matches` of two different humans per item, from counts (n, 3); NaN below two labels."""
    m = total(humans)
    couples = np.where(m >= 2, m * (m - 1), np.nan)
    same = humans * (humans - 1)
    if ties is TieRule.DROP:
        decided = m - humans[:, TIE]
        columns = (same[:, A] + same[:, B], decided * (decided - 1))
        return np.stack(columns).T / couples[:, None]
    equal = total(same)
    if ties is TieRule.HALF:
        equal = equal + 2 * _half(humans, humans)
    return np.stack([equal, couples]).T / couples[:, None]


def _half(first: Floats, second: Floats) -> Floats:
    """Half of what the first's ties share with the second's decided labels."""
    result: Floats = 0.5 * first[:, TIE] * (second[:, A] + second[:, B])
    return result


def one_hot(classes: NDArray[np.int8]) -> Floats:
    """Classes (n,) as counts (n, 3) of one label; none where the class is -1."""
    result: Floats = (classes[:, None] == np.arange(3)).astype(float)
    return result


def majority_by_mode(humans: Floats) -> NDArray[np.int8]:
    """The most frequent class per item; a split mode is a tie; -1 without labels."""
    top = humans.max(axis=1, keepdims=True)
    modes = humans == top
    result = np.where(modes.sum(axis=1) == 1, humans.argmax(axis=1), TIE)
    return np.where(top[:, 0] > 0, result, -1).astype(np.int8)


def majority_by_sign(humans: Floats) -> NDArray[np.int8]:
    """Sign of the mean label (a +1, tie 0, b -1) per item; -1 without labels."""
    balance = np.sign(humans[:, A] - humans[:, B])
    result = TIE - balance
    return np.where(total(humans) > 0, result, -1).astype(np.int8)


def share_of(judge_shares: Floats, majority: NDArray[np.int8]) -> Floats:
    """The judge's share of the class that `majority` (n,) names, per item."""
    result: Floats = np.take_along_axis(judge_shares, majority[:, None].astype(np.intp), axis=1)[
        :, 0
    ]
    return result


def confusion(first: Floats, second: Floats) -> Floats:
    """Expected confusion of one label of each annotator per item: shares (n, 3) twice to (n, 9)."""
    rows, columns = np.ascontiguousarray(first.T), np.ascontiguousarray(second.T)
    cells: Floats = (rows[:, None] * columns[None]).reshape(9, len(first))
    return cells.T


def pair_confusion(humans: Floats) -> Floats:
    """Expected confusion of two different humans per item: counts (n, 3) to (n, 9).

    Every item needs two labels. The margins are equal, so kappa is Scott's pi (Fleiss's kappa).
    """
    m = total(humans)
    outer = humans[:, :, None] * humans[:, None, :]
    outer[:, range(3), range(3)] -= humans
    result: Floats = outer.reshape(len(humans), 9) / (m * (m - 1))[:, None]
    return result


def cohen_kappa(totals: NDArray[Any]) -> Any:
    """Cohen's kappa (1960) of a 3 x 3 confusion given as 9 totals; undefined if chance is 1.

    Of expected confusions: that of two annotators who each give one label an item, drawn at random.
    """
    table = totals.reshape(3, 3) / totals.sum()
    observed = table[0, 0] + table[1, 1] + table[2, 2]
    chance = (table.sum(axis=1) * table.sum(axis=0)).sum()
    if abs(1 - chance.real) < 1e-12:
        return np.nan
    return (observed - chance) / (1 - chance)
