"""Order and length: how labels depend on what was shown first and on which response is longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.stats.agreement import A, B, total

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


def longer_counts(counts: Floats, longer: NDArray[np.int8]) -> Floats:
    """(decided labels that chose the longer response, decided labels) per item.

    `longer` (n,) is +1 where a is longer, -1 where b is, 0 where neither is known or longer.
    """
    chosen = np.where(longer > 0, counts[:, A], counts[:, B])
    decided = counts[:, A] + counts[:, B]
    known = longer != 0
    return np.stack([chosen * known, decided * known], axis=1)
