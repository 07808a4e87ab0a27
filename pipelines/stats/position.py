"""Order and length: how labels depend on what was shown first and on which response is longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def order_consistency(ab: Floats, ba: Floats) -> Floats:
    """P(same canonical preference in both orders) per item, from class shares (n, 3) per order.

    A tie is consistent with a tie. NaN where an order has no usable label.
    """
    return (ab * ba).sum(axis=1)


def first_shown_counts(ab: Floats, ba: Floats) -> Floats:
    """(labels that chose the first shown, labels) per item from class counts (n, 3) per order."""
    chosen = ab[:, 0] + ba[:, 2]
    return np.stack([chosen, ab.sum(axis=1) + ba.sum(axis=1)], axis=1)


def longer_counts(counts: Floats, longer: NDArray[np.int8]) -> Floats:
    """(decided labels that chose the longer response, decided labels) per item.

    `longer` (n,) is +1 where a is longer, -1 where b is, 0 where neither is known or longer.
    """
    chosen = np.where(longer > 0, counts[:, 0], counts[:, 2])
    decided = counts[:, 0] + counts[:, 2]
    known = longer != 0
    return np.stack([chosen * known, decided * known], axis=1)
