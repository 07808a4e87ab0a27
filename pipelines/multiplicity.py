"""Many differences looked at together: which of them are clear, not by chance of their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import false_discovery_control, t

from pipelines.stats.intervals import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.estimates import Estimate

RATE = 1 - LEVEL  # of false ones among those called clear (Benjamini & Hochberg 1995)


def clear_of_zero(rows: Iterable[Estimate]) -> list[Estimate]:
    """The rows whose difference from 0 stands among all rows of the same statistic and subject.

    p-values are those of the rows' own intervals; rows without one take no part.
    """
    families: dict[tuple[str, str], list[Estimate]] = {}
    for row in rows:
        if row.estimate is not None and row.low is not None and row.high is not None:
            families.setdefault((row.statistic, row.subject), []).append(row)
    return [row for family in families.values() for row in _discoveries(family)]


def _discoveries(family: Sequence[Estimate]) -> list[Estimate]:
    values = np.array([row.estimate for row in family])
    ends = np.array([(row.low, row.high) for row in family])
    freedom = np.array([row.n_prompts - 1.0 for row in family])
    # an interval cut at -1 or 1 is wider on the other side
    half = np.abs(ends - values[:, None]).max(axis=1)
    errors = half / t.ppf(0.5 + LEVEL / 2, freedom)
    p = 2 * t.sf(np.abs(values) / errors, freedom)
    kept = false_discovery_control(p) <= RATE
    return [row for row, clear in zip(family, kept, strict=True) if clear]
