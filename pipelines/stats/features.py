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


def parts_of(differences: Floats, n_parts: int = 5) -> NDArray[np.int64]:
    """Each row's part (n,) by the size of its difference, 0 the smallest; -1 where it is 0 or NaN.

    Parts hold as many rows as equal sizes allow; there are fewer where few sizes differ.
    """
    size = np.abs(np.nan_to_num(differences))
    differ = size > 0
    parts = np.full(len(size), -1, dtype=np.int64)
    if differ.any():
        ends = np.unique(np.quantile(size[differ], np.arange(1, n_parts) / n_parts))
        found = np.searchsorted(ends, size[differ], side="left")
        parts[differ] = np.unique(found, return_inverse=True)[1]
    return parts
