"""Features: how often labels choose the response that has more of something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.agreement import A, B

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def richer_counts(counts: Floats, difference: NDArray[Any]) -> Floats:
    """(decided labels that chose the response with more, decided labels) per item.

    `difference` (n,) is above 0 where a has more, below where b has; 0 and NaN take no part.
    """
    chosen = np.where(difference > 0, counts[:, A], counts[:, B])
    decided = counts[:, A] + counts[:, B]
    known = np.nan_to_num(difference) != 0
    return np.stack([chosen * known, decided * known], axis=1)


def scaled(differences: Floats) -> Floats:
    """Columns (n, k) over their root mean square; never centred, as a and b may change places."""
    result: Floats = differences / np.sqrt((differences**2).mean(axis=0))
    return result


def turned(differences: Floats) -> NDArray[np.bool_]:
    """Rows (n,) whose first difference that is not 0 is below 0.

    With a and b exchanged there, nothing depends on how slots are named, to the last digit.
    """
    nonzero = differences != 0
    first = nonzero.argmax(axis=1)
    result: NDArray[np.bool_] = differences[np.arange(len(differences)), first] < 0
    return result
