"""Routing: which comparisons go to humans while a judge labels the rest, and what that is worth.

A routing score says how much a comparison needs a human. The comparisons with the highest scores go
there, up to a share of all; none whose score is 0 does, as nothing speaks for a human there. The
quality of a routed comparison is that of a human on *that* comparison: humans disagree on hard
ones too, so the gain is A_HH,i - A_AH,i and not 1 - A_AH,i.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]

FOLDS = 5
MOST_BINS = 32
TREES, RATE = 20, 0.2  # 60 at 0.1 route no better by more than .0004, in three times the time
MOST_FITTED = 10_000  # more items take longer and teach hardly more
_ROUNDING = 1e-9


def sent_to_humans(score: Floats, share: float) -> tuple[Floats, float]:
    """The part of each item (n,) that goes to humans, and the score from which it does.

    At most `share` of the items. Where equal scores do not all fit, each of them goes with the same
    probability: the threshold's items are drawn at random.
    """
    wanted = share * len(score)
    positive = np.sort(score[score > 0])[::-1]
    if len(positive) <= wanted + _ROUNDING:
        return (score > 0).astype(float), float(positive[-1]) if len(positive) else np.inf
    threshold = positive[int(wanted)]  # the first that does not fit whole
    above = score > threshold
    part = (wanted - above.sum()) / (score == threshold).sum()
    return np.where(above, 1.0, np.where(score == threshold, part, 0.0)), float(threshold)


def certainty_score(p_a: Floats) -> Floats:
    """1/2 - |p - 1/2| (n,): 0 where the judge is certain; NaN where it states nothing."""
    result: Floats = 0.5 - np.abs(p_a - 0.5)
    return result


def disagreement_score(one: Floats, other: Floats) -> Floats:
    """P(labels drawn from two judges' shares (n, 3) differ) per item."""
    result: Floats = 1 - (one * other).sum(axis=1)
    return result


def learned_score(features: Floats, gain: Floats, prompts: Integers, seed: int = 0) -> Floats:
    """The gain (n,) that sending an item to a human is expected to bring, predicted out of fold.

    Gradient boosted trees on features (n, k), fitted on four fifths of the prompts and asked on the
    other fifth: no item is scored by a model that saw its prompt. Negative predictions are 0.
    """
    found = np.zeros(len(gain))
    for fold in range(FOLDS):
        held_out = prompts % FOLDS == fold  # codes of prompts are in the order of hashed ids
        if held_out.all() or not held_out.any():
            continue
        found[held_out] = new_score(
            features[~held_out], gain[~held_out], features[held_out], seed=seed
        )
    return found


def new_score(features: Floats, gain: Floats, others: Floats, *, seed: int = 0) -> Floats:
    """The learned score (m,) of items with features `others` (m, k) by all of (n, k) and (n,).

    It is fitted on MOST_FITTED of them where they are more, at even distances: panels are in the
    order of hashed ids.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_iter=TREES, learning_rate=RATE, max_leaf_nodes=8, min_samples_leaf=20,
        max_bins=MOST_BINS, random_state=seed,
    )  # fmt: skip
    fitted = np.arange(min(len(gain), MOST_FITTED)) * len(gain) // min(len(gain), MOST_FITTED)
    # threads of one fit wait for each other most of the time: for minutes on a busy machine
    with _threads().limit(limits=1, user_api="openmp"):
        model.fit(features[fitted], gain[fitted])
        found: Floats = np.maximum(model.predict(others), 0.0)
    return found


@cache
def _threads() -> Any:
    """Of the libraries that are loaded by then: to look for them takes longer than some fits."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def chance_of_a_human(score: Floats, threshold: float, at_threshold: float) -> Floats:
    """The probability (n,) to go to a human: 1 above the threshold, 0 below, as given at it."""
    return np.where(score > threshold, 1.0, np.where(score == threshold, at_threshold, 0.0))


def inclusion(chance: Floats, audit: float) -> Floats:
    """The probability (n,) that a human is asked, by the rule or, where not, for the audit."""
    result: Floats = chance + (1 - chance) * audit
    return result
