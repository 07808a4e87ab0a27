"""Leave-one-out majority: a label against the most frequent class of the *other* humans.

After AlpacaEval (Dubois et al. 2023, arXiv 2305.14387): human j against the mode of the others; a
judge against the same reduced panels, each human left out in turn. So both meet panels of the same
size and of the same people. A human against a majority that holds the own label, or a judge against
the full panel beside a human against a reduced one, are not comparable: the larger panel is easier.

Where modes tie, a label of one of them counts 1 / (number of modes), the expectation over a mode
drawn at random. With exactly three humans on an item both figures equal those for one human.
Arrays as in `agreement`: human counts and judge shares (n, 3), columns a, tie, b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.stats.agreement import total

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLASSES = 3


def mode_shares(counts: Floats) -> Floats:
    """1 / (number of modes) for each mode of counts (n, 3), else 0; NaN without labels."""
    top = np.maximum.reduce([*counts.T])[:, None]  # along so short an axis numpy is slow
    modes = (counts == top).astype(float)
    result: Floats = np.where(top > 0, modes / total(modes)[:, None], np.nan)
    return result


def human_with_others(humans: Floats) -> Floats:
    """P(a human's label = the mode of the other humans) per item; NaN below two labels."""
    return _mean_over_left_out(
        humans, [modes[:, left_out] for left_out, modes in enumerate(_reduced(humans))]
    )


def judge_with_others(judge_shares: Floats, humans: Floats) -> Floats:
    """P(a judge's label = the mode of the humans without one of them) per item, over that one.

    NaN below two human labels or without the judge's.
    """
    return _mean_over_left_out(humans, [total(judge_shares * modes) for modes in _reduced(humans)])


def _reduced(humans: Floats) -> Iterator[Floats]:
    """Mode shares (n, 3) of the panels without one label of class a, of tie, of b."""
    for left_out in range(CLASSES):
        panel = humans.copy()
        panel[:, left_out] -= 1
        yield mode_shares(np.maximum(panel, 0.0))


def _mean_over_left_out(humans: Floats, values: list[Floats]) -> Floats:
    """Values (n,) by the class of who is left out, averaged over the item's humans."""
    weighted = np.where(humans > 0, humans * np.stack(values, axis=1), 0.0)
    m = total(humans)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = np.where(m >= 2, total(weighted) / m, np.nan)
    return result
