"""Stated probabilities against human labels: Brier score, log-loss, slope, calibration error.

p (n,) is a judge's probability that a is preferred, humans are counts (n, 3) of a, tie, b. A label
is a score: a 1, tie 1/2, b 0; pi is the mean score that all humans would give to an item.

Which response is called a is arbitrary, so each item is used twice, as (p, labels) and as
(1 - p, labels mirrored), in the same prompt. The two copies say the same: a fit has no intercept,
and the lower half of a reliability curve is the mirror image of the upper. Everything is therefore
computed from x = p - 1/2 and the side that p favours, exactly the same whatever the naming.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from pipelines.stats.agreement import TIE, A, B, total
from pipelines.stats.intervals import (
    FEWEST_PROMPTS,
    Interval,
    cluster_sums,
    ratio,
    smooth_interval,
)
from pipelines.stats.resampling import REPLICATES, bootstrap, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Mask = NDArray[np.bool_]

CLIP = 0.001
BINS = 10
NO_DECIDED = "no human label other than a tie"
NO_SIDE = "the judge never favours a side"
SEPARATED = "every decided human label is on the same side of the judge, so no slope is finite"
ONE_PROMPT = "a bin holds a single prompt, so its variance is not known"
_DIGITS = 12  # .8 and 1 - .2 differ by rounding only and must not
_FIELDS = 6


def centred(p: Floats) -> Floats:
    """Distance x = p - 1/2 (n,), rounded so that p and 1 - p give exactly opposite numbers."""
    result: Floats = np.round(p - 0.5, _DIGITS)
    return result


def mean_score(humans: Floats) -> Floats:
    """Mean score of an item's labels less 1/2, in [-1/2, 1/2]; NaN without labels."""
    with np.errstate(invalid="ignore"):
        result: Floats = (humans[:, A] - humans[:, B]) / (2 * total(humans))
    return result


def brier(p: Floats, humans: Floats) -> Floats:
    """Mean squared distance of p from the score of one label, per item; NaN without p or label.

    Brier 1950. Its expectation is (p - pi)^2 plus the variance of single labels.
    """
    x = centred(p)[:, None]
    scores = np.zeros(3)
    scores[[A, TIE, B]] = 0.5, 0.0, -0.5
    with np.errstate(invalid="ignore"):
        return total(humans * (scores - x) ** 2) / total(humans)


def noise(humans: Floats) -> Floats:
    """Sample variance of an item's scores, divisor m - 1; NaN below two labels.

    The Brier score that pi itself has: unbiased for the variance of a single label. The binomial
    form m/(m-1) q (1-q) counts a tie as half an a and half a b, which is too much.
    """
    m, mean = total(humans), mean_score(humans)
    squares = (humans[:, A] + humans[:, B]) / 4
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = np.where(m >= 2, (squares - m * mean * mean) / (m - 1), np.nan)
    return result


def excess_brier(p: Floats, humans: Floats) -> Floats:
    """Brier score less the noise of the same labels, per item: unbiased for (p - pi)^2.

    It can be negative. NaN below two labels.
    """
    return brier(p, humans) - noise(humans)


def beyond_clip(p: Floats) -> Mask:
    """Whether p (n,) lies outside [CLIP, 1 - CLIP], where `logit` and log-loss clip it."""
    result: Mask = np.abs(centred(p)) > 0.5 - CLIP
    return result


def logit(p: Floats) -> Floats:
    """log(p / (1 - p)) of p clipped to [CLIP, 1 - CLIP]; antisymmetric to the last digit."""
    x = np.clip(centred(p), CLIP - 0.5, 0.5 - CLIP)
    result: Floats = np.log(0.5 + x) - np.log(0.5 - x)
    return result


def log_loss_columns(p: Floats, humans: Floats) -> Floats:
    """(sum of -log P(label), labels) over the decided labels of each item, in nats; ties left out.

    p is clipped to [CLIP, 1 - CLIP]: certain and wrong would be infinite. At .001 the clip costs a
    calibrated judge at most .001 nats, and a wrong certainty counts 6.9.
    """
    x = np.clip(centred(p), CLIP - 0.5, 0.5 - CLIP)
    decided = humans[:, A] + humans[:, B]
    loss = -(humans[:, A] * np.log(0.5 + x) + humans[:, B] * np.log(0.5 - x))
    return np.stack([loss, decided], axis=1)


def calibration_slope(p: Floats, humans: Floats) -> float:
    """Slope of the logistic regression of decided labels on logit p, without intercept (Cox 1958).

    1 is calibrated, below it p is too far from 1/2, above it too close. Each decided label counts
    once. NaN where `no_slope` gives a reason.
    """
    if no_slope(p, humans):
        return np.nan
    x, low, high, slope = logit(p), -np.inf, np.inf, 1.0
    for _ in range(200):
        score, information = slope_columns(slope, x, humans).sum(axis=0)
        low, high = (slope, high) if score > 0 else (low, slope)
        with np.errstate(all="ignore"):
            step = score / information
        if abs(step) <= 1e-13 * max(1.0, abs(slope)):
            break
        slope = _within(slope + step, low, high, slope)
    return float(slope)


def _within(proposed: float, low: float, high: float, now: float) -> float:
    """Newton's step where it stays in the bracket; else its middle, or twice as far out."""
    if low < proposed < high:
        return proposed
    if np.isfinite(low) and np.isfinite(high):
        return (low + high) / 2
    return now + (1 if np.isfinite(low) else -1) * max(1.0, abs(now))


def no_slope(p: Floats, humans: Floats) -> str | None:
    """Why there is no finite calibration slope; None where there is one."""
    x = centred(p)
    decided = humans[:, A] + humans[:, B]
    if not decided.any():
        return NO_DECIDED
    if not decided[x != 0].any():
        return NO_SIDE
    with_it = np.where(x > 0, humans[:, A], humans[:, B])[x != 0].sum()
    return None if 0 < with_it < decided[x != 0].sum() else SEPARATED


def slope_columns(slope: float, x: Floats, humans: Floats) -> Floats:
    """(score, information) of each item at a slope, x its logit: the sandwich's meat and bread."""
    up, down = expit(slope * x), expit(-slope * x)
    score = x * (humans[:, A] * down - humans[:, B] * up)
    # up and down trade places with a and b: their product is taken first, so no digit moves
    information = (humans[:, A] + humans[:, B]) * x * x * (up * down)
    return np.stack([score, information], axis=1)


def slope_interval(p: Floats, humans: Floats, clusters: Integers) -> Interval:
    """The calibration slope with its prompt-clustered sandwich interval (Liang & Zeger 1986).

    Prompts are those with a decided label.
    """
    decided = humans[:, A] + humans[:, B] > 0
    p, humans, clusters = p[decided], humans[decided], clusters[decided]
    reason = no_slope(p, humans)
    if reason:
        return Interval(None, None, None, len(np.unique(clusters)), f"undefined: {reason}")
    slope = calibration_slope(p, humans)
    sums = cluster_sums(slope_columns(slope, logit(p), humans), clusters)
    # one Newton step from the solution: its value is the slope, its influences are the sandwich's
    return smooth_interval(lambda totals: slope + ratio(totals), sums)


def half_bins(p: Floats) -> NDArray[np.int64]:
    """Bin (n,) of each item by its distance from 1/2: 0 to BINS / 2 - 1, of equal mass.

    Bin k stands for bins BINS/2 + k and BINS/2 - 1 - k of the twice used items, which mirror each
    other. Equal distances share a bin, so bins may be unequal or empty.
    """
    distance = np.abs(centred(p))
    _, place, size = np.unique(distance, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - size / 2
    result: NDArray[np.int64] = (middle * (BINS // 2) / max(1, len(p))).astype(np.int64)[place]
    return result


def residual(p: Floats, humans: Floats) -> Floats:
    """Mean score less p per item, on the side that p favours: negative is too sure of it.

    0 where p is 1/2: of the two copies one is as much above as the other is below.
    """
    x = centred(p)
    result: Floats = np.sign(x) * mean_score(humans) - np.abs(x)
    return result


def bin_sums(p: Floats, humans: Floats, clusters: Integers) -> Floats:
    """Per prompt what `squared_errors` needs of each bin: (G, 6 BINS / 2). Every item has a label.

    Residuals d and items n of the prompt in the bin: d, n, d^2, d n, n^2, and 1 where n > 0. The
    bins are those of these items, also when prompts are drawn anew.
    """
    inside = np.eye(BINS // 2)[half_bins(p)]
    d = cluster_sums(inside * residual(p, humans)[:, None], clusters)
    n = cluster_sums(inside, clusters)
    return np.concatenate([d, n, d * d, d * n, n * n, n > 0], axis=1)


def squared_errors(totals: Floats) -> tuple[Floats, Floats]:
    """Sum over bins of w (v - p)^2 and what noise adds to it, from totals (B, 6 BINS / 2).

    v is a bin's mean score, w its share of the items. (v - p)^2 is too large by the variance of
    v - p, here clustered by prompt: the difference of the two is the debiased squared calibration
    error (Broecker 2012; Kumar, Liang & Ma 2019). NaN where a bin has a single prompt.
    """
    d, n, dd, dn, nn, prompts = totals.reshape(len(totals), _FIELDS, BINS // 2).transpose(1, 0, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = d / n
        spread = (dd - 2 * mean * dn + mean * mean * nn) / n**2 * (prompts / (prompts - 1))
        share = n / n.sum(axis=1, keepdims=True)
        square, bias = (np.where(n > 0, share * value, 0.0) for value in (mean * mean, spread))
    return square.sum(axis=1), bias.sum(axis=1)


def calibration_errors(
    stated: Sequence[Floats], humans: Floats, clusters: Integers, *, replicates: int = REPLICATES
) -> list[Interval]:
    """Root mean squared calibration error of each p (n,), in [0, 1], on the same resamples.

    sqrt(max(0, .)) of the debiased square, 95% by cluster bootstrap. A resample's truth is the
    plain square of the full sample, not the debiased one: replicates are moved by that known
    difference. Every item needs a p and a label. Undefined where a bin has a single prompt.
    """
    sums = np.concatenate([bin_sums(p, humans, clusters) for p in stated], axis=1)
    if not len(sums):
        return [percentile_interval(np.nan, np.empty(0), 0, undefined="no items")] * len(stated)

    def both(totals: Floats) -> tuple[Floats, Floats]:
        """Debiased squares and what was taken off, (B, number of p) each."""
        found = [squared_errors(part) for part in np.split(totals, len(stated), axis=1)]
        squares, bias = (np.stack(values, axis=1) for values in zip(*found, strict=True))
        return squares - bias, bias

    values, taken_off = (found[0] for found in both(sums.sum(axis=0)[None]))
    drawn = replicates if len(sums) >= FEWEST_PROMPTS else 1  # below there is no interval
    moved = bootstrap(lambda totals: both(totals)[0], sums, replicates=drawn) - taken_off
    return [
        _root(percentile_interval(value, moved[:, k], len(sums), undefined=ONE_PROMPT))
        for k, value in enumerate(values)
    ]


def _root(interval: Interval) -> Interval:
    ends = (interval.estimate, interval.low, interval.high)
    value, low, high = (None if end is None else float(np.sqrt(max(0.0, end))) for end in ends)
    return Interval(value, low, high, interval.n_prompts, interval.note)


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability curve: one entry for each bin that holds items, by rising p.

    `p` and `observed`: mean p and mean score (a 1, tie 1/2, b 0) in the bin. `low`, `high`: 95%,
    clustered by prompt; NaN below 20 prompts or without variation. `n_items`: each item is in a bin
    and in its mirror image.
    """

    p: Floats
    observed: Floats
    low: Floats
    high: Floats
    n_items: NDArray[np.int64]


def reliability(stated: Floats, humans: Floats, clusters: Integers) -> Reliability:
    """The reliability curve of BINS bins of equal mass. Every item needs a p and a label.

    Items where p is 1/2 lie in the bins next to it, half in each.
    """
    bins, distance = half_bins(stated), np.abs(centred(stated))
    score = residual(stated, humans) + distance
    points = []
    for k in np.unique(bins):
        inside = bins == k
        columns = np.stack([0.5 + score[inside], np.ones(inside.sum())], axis=1)
        sums = cluster_sums(columns, clusters[inside])
        points.append((distance[inside].mean(), smooth_interval(ratio, sums, proportion=True),
                       inside.sum()))  # fmt: skip
    upper = np.array([_point(*point) for point in points]).reshape(-1, 5)
    lower = upper[upper[:, 0] > 0.5][::-1][:, [0, 1, 3, 2, 4]]  # what is low is high in the mirror
    lower = np.concatenate([1 - lower[:, :4], lower[:, 4:]], axis=1)
    p, observed, low, high, n_items = np.concatenate([lower, upper]).T
    return Reliability(p, observed, low, high, n_items.astype(np.int64))


def _point(distance: float, interval: Interval, n_items: int) -> list[float]:
    values = (interval.estimate, interval.low, interval.high)
    return [0.5 + distance, *(np.nan if x is None else x for x in values), n_items]
