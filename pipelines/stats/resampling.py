"""The joint cluster bootstrap: prompts drawn with replacement, every statistic on the same draws.

A statistic is f(S), S = sum over prompts of their sufficient statistics T (G, k). One replicate
draws G prompts with replacement, so S* = W @ T with W the multinomial counts of the draws (Efron
1979; Field & Welsh 2007 for clusters). Draws come in chunks from one seed: whoever asks with as
many prompts gets the same ones, so differences, ranks and maxima over statistics need nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.intervals import (
    CAUTION_PROMPTS,
    FEWEST_PROMPTS,
    LEVEL,
    NO_VARIATION,
    Interval,
    cluster_sums,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Statistic = Callable[[Floats], NDArray[Any]]

REPLICATES = 2000
SEED = 20_231_206
CHUNK = 128
MOST_DRAWN = 5000


def drawn_units(clusters: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """What is drawn: the prompts themselves, or sets of them, as codes (n,).

    Codes of prompts are in the order of their hashed ids, so that sets are as good as random.
    """
    return clusters % MOST_DRAWN


def draws(n_prompts: int, replicates: int = REPLICATES, seed: int = SEED) -> Iterator[Floats]:
    """How often each prompt was drawn, chunk by chunk: (at most 128, G), every row sums to G."""
    for chunk, start in enumerate(range(0, replicates, CHUNK)):
        rows = min(CHUNK, replicates - start)
        random = np.random.default_rng([seed, chunk])
        drawn = random.integers(0, n_prompts, size=(rows, n_prompts), dtype=np.int32)
        drawn += (np.arange(rows, dtype=np.int32) * n_prompts)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n_prompts)
        yield counts.reshape(rows, n_prompts).astype(float)


def bootstrap(
    statistic: Statistic, sums: Floats, *, replicates: int = REPLICATES, seed: int = SEED
) -> Floats:
    """A vectorised statistic, (B, k) totals to (B,) or (B, m), of each replicate of `sums` (G, k).

    Undefined replicates are NaN. Raises ValueError without prompts.
    """
    if not len(sums):
        raise ValueError("no prompts to draw from")
    if len(sums) > MOST_DRAWN:
        sums = cluster_sums(sums, drawn_units(np.arange(len(sums))))
    with np.errstate(all="ignore"):
        found = [statistic(counts @ sums) for counts in draws(len(sums), replicates, seed)]
    return np.concatenate(found).astype(float)


def percentile_interval(
    value: float, replicates: Floats, n_prompts: int, *, undefined: str = "nothing to divide by"
) -> Interval:
    """An estimate with the percentile interval of its replicates (B,), undefined ones left out.

    For what is not smooth: rank correlations, maxima, counts. Where more than a twentieth of the
    replicates are undefined there is no interval, as the rest are not a sample of what could be.
    """
    if not np.isfinite(value):
        return Interval(None, None, None, n_prompts, f"undefined: {undefined}")
    if n_prompts < FEWEST_PROMPTS:
        too_few = f"too few prompts for an interval ({n_prompts} of {FEWEST_PROMPTS})"
        return Interval(value, None, None, n_prompts, too_few)
    known = replicates[np.isfinite(replicates)]
    if len(known) < 0.95 * len(replicates):
        lost = f"no interval, as {len(replicates) - len(known):,} of {len(replicates):,} resamples"
        return Interval(value, None, None, n_prompts, f"{lost} leave it undefined")
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(known, [tail, 100 - tail])
    if high - low <= 1e-12 * max(1.0, abs(value)):
        return Interval(value, None, None, n_prompts, NO_VARIATION)
    note = "few prompts: read with caution" if n_prompts < CAUTION_PROMPTS else None
    return Interval(value, min(float(low), value), max(float(high), value), n_prompts, note)


@dataclass(frozen=True, slots=True)
class Simultaneous:
    """Half-widths with which all of m estimates are covered together in 95% of samples.

    `critical` is the factor on the standard errors; `low` and `high` (m,) are NaN where undefined.
    """

    critical: float
    low: Floats
    high: Floats


def simultaneous_intervals(values: Floats, replicates: Floats) -> Simultaneous:
    """Max-t intervals of estimates (m,) from their joint replicates (B, m).

    The 95% point of max_k |r_k - v_k| / s_k over replicates, s_k the standard deviation of
    estimate k's replicates (Romano & Wolf 2005). Estimates whose replicates do not vary, or that
    are undefined in more than a twentieth of them, take no part.
    """
    spread = _spread(replicates)
    taking_part = np.isfinite(values) & (spread > 1e-12)
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if not taking_part.any():
        return Simultaneous(np.nan, low, high)
    centre, spread = values[taking_part], spread[taking_part]
    replicates = np.where(np.isfinite(replicates), replicates, np.nan)[:, taking_part]
    known = np.isfinite(replicates).any(axis=1)
    distance = np.abs(replicates[known] - centre) / spread
    critical = float(np.quantile(np.nanmax(distance, axis=1), LEVEL))
    low[taking_part] = centre - critical * spread
    high[taking_part] = centre + critical * spread
    return Simultaneous(critical, low, high)


def _spread(replicates: Floats) -> Floats:
    """Standard deviation of each column; 0 where too many are undefined."""
    known = np.isfinite(replicates)
    with np.errstate(all="ignore"):
        enough = known.mean(axis=0) >= 0.95
        values = np.where(known, replicates, 0.0)
        n = np.maximum(known.sum(axis=0), 1)
        mean = values.sum(axis=0) / n
        variance = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1)
    spread: Floats = np.where(enough, np.sqrt(variance), 0.0)
    return spread
