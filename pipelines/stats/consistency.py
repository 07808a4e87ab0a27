"""How often an annotator agrees with itself: asked again, in the other order, as time goes by.

Labels come as counts by order shown, (orders, n, 3): how often each class was given on each of n
items in each order. Classes are a, tie, b in columns 0, 1, 2, always in stored orientation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.agreement import TIE, A, B, total
from pipelines.stats.position import order_consistency

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def repeat_agreement(by_order: Floats) -> Floats:
    """P(two different labels on the same item in the same order agree) per item, (n,).

    From counts (orders, n, 3): the sum over orders and classes of c (c - 1) over the sum over
    orders of m (m - 1), m the order's labels, so that all couples of labels of an item weigh the
    same. One order (1, n, 3) of all labels compares them whatever their order. NaN where no order
    has two labels.
    """
    m = _labels(by_order)
    same = by_order * (by_order - 1)
    agreeing = (same[..., A] + same[..., B]) + same[..., TIE]
    with np.errstate(invalid="ignore"):
        result: Floats = agreeing.sum(axis=0) / (m * (m - 1)).sum(axis=0)
    return result


def repeated_labels(by_order: Floats) -> Floats:
    """Labels (n,) that `repeat_agreement` compares: those of orders with two or more."""
    m = _labels(by_order)
    result: Floats = np.where(m >= 2, m, 0.0).sum(axis=0)
    return result


def flip(ab: Floats, ba: Floats) -> Floats:
    """P(the preference differs when the order is swapped) per item, from shares (n, 3) per order.

    1 - `order_consistency`: a tie is consistent with a tie. NaN where an order has no usable label.
    """
    return 1 - order_consistency(ab, ba)


def reversal(ab: Floats, ba: Floats) -> Floats:
    """P(a in one order and b in the other) per item, from shares (n, 3) per order.

    The part of `flip` in which no label is a tie. NaN where an order has no usable label.
    """
    result: Floats = ab[:, A] * ba[:, B] + ab[:, B] * ba[:, A]
    return result


def places(times: Floats, at: Floats) -> Floats:
    """The place of each of `at` among sorted `times`, from 1; NaN where `at` is not known.

    Equal times share the mean of their places (as in Spearman's rank correlation).
    """
    first, last = np.searchsorted(times, at), np.searchsorted(times, at, "right")
    return np.where(np.isfinite(at), (first + last + 1) / 2, np.nan)


def regression(x: Floats, terms: Floats) -> Floats:
    """Sums for `slope` per label (n, 5), from x (n,) and (match, weight) (n, 2).

    x is taken from the middle of its range, which the slope does not depend on: so its squares
    stay small and their difference exact.
    """
    x = x - (x.min() + x.max()) / 2
    match, weight = terms[:, 0], terms[:, 1]
    return np.stack([weight, weight * x, weight * x * x, match, match * x], axis=1)


def slope(totals: NDArray[Any]) -> Any:
    """The least-squares slope on x of match / weight, weighted: from the totals of `regression`.

    NaN, infinite or without meaning where x does not vary.
    """
    w, wx, wxx, match, mx = totals
    return (w * mx - wx * match) / (w * wxx - wx * wx)


def _labels(by_order: Floats) -> Floats:
    """Labels (orders, n)."""
    return np.stack([total(counts) for counts in by_order])
