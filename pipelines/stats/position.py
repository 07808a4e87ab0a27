"""Order: how labels depend on which response was shown first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.stats.agreement import TIE, A, B, shares, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def order_consistency(ab: Floats, ba: Floats) -> Floats:
    """P(same canonical preference in both orders) per item, from class shares (n, 3) per order.

    A tie is consistent with a tie. NaN where an order has no usable label.
    """
    return total(ab * ba)


def first_shown_counts(ab: Floats, ba: Floats) -> Floats:
    """(labels that chose the first shown, labels) per item from class counts (n, 3) per order."""
    chosen = ab[:, A] + ba[:, B]
    return np.stack([chosen, total(ab) + total(ba)], axis=1)


def swapped_effect(ab: Floats, ba: Floats) -> Floats:
    """(s_1 + s_2) / 2 - 1/2 per item from class counts (n, 3) per order; NaN without both orders.

    s is 1 where the first shown was chosen, 1/2 for a tie, 0 for the second. Its mean is the
    position effect: what being first adds to the probability of being chosen, ties half. Without
    ties and clusters its variance is (d / 4 - delta^2) / n, d the flip rate.
    """
    one, other = shares(ab), shares(ba)
    result: Floats = (one[:, A] - one[:, B] + other[:, B] - other[:, A]) / 4
    return result


def first_score_counts(ab: Floats, ba: Floats) -> Floats:
    """(sum of s - 1/2, labels) per item (n, 2): the position effect from orders drawn at random."""
    ahead = (ab[:, A] - ab[:, B] + ba[:, B] - ba[:, A]) / 2
    return np.stack([ahead, total(ab) + total(ba)], axis=1)


def turned_to_first(ab: Floats, ba: Floats) -> Floats:
    """(P(the order moved the label to the first shown), P(it moved it)) per item (n, 2).

    Primacy among inconsistent pairs (Shi et al., arXiv 2406.07791); a pair of a tie and a choice
    leans to where its choice is. From class shares (n, 3) per order.
    """
    first = ab[:, A] * (ba[:, B] + ba[:, TIE]) + ab[:, TIE] * ba[:, B]
    second = ab[:, B] * (ba[:, A] + ba[:, TIE]) + ab[:, TIE] * ba[:, A]
    return np.stack([first, first + second], axis=1)
