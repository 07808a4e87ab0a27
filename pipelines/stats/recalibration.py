"""Recalibration of stated probabilities on human labels, cross-fitted by prompt.

p (n,) is P(a preferred), humans are counts (n, 3), clusters (n,) prompt codes. Whoever fits a curve
to the labels that it is then scored on finds an improvement in any judge: here every item gets the
curve of the other prompts. Curves are symmetric, f(1 - p) = 1 - f(p), as which response is called a
is arbitrary. What is computed from the result takes the fitted curves as given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from pipelines.stats.agreement import total
from pipelines.stats.calibration import calibration_slope, centred, logit, mean_score
from pipelines.stats.resampling import SEED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Curve = Callable[[Floats], Floats]
    Fit = Callable[[Floats, Floats], Curve | None]

FOLDS = 5


def temperature(p: Floats, humans: Floats) -> Curve | None:
    """Temperature scaling: the logit times one slope, 1 / temperature (Guo et al. 2017).

    The slope of most likelihood on the decided labels, which is the calibration slope; below 0 it
    turns a judge round that is wrong more often than right. None where no slope is finite.
    """
    slope = calibration_slope(p, humans)
    if not np.isfinite(slope):
        return None
    return lambda new: _symmetric(lambda x: expit(slope * logit(x)) - 0.5, new)


def isotonic(p: Floats, humans: Floats) -> Curve | None:
    """The rising step curve, joined by lines, of least squared distance from the items' mean score.

    Zadrozny & Elkan 2002, fitted to (p, score) and (1 - p, 1 - score); ties count one half, items
    count once, and beyond the p it was fitted to it is level. None without labels.
    """
    from sklearn.isotonic import IsotonicRegression

    known = total(humans) > 0
    if not known.any():
        return None
    x, score = centred(p[known]), mean_score(humans[known])
    curve = IsotonicRegression(out_of_bounds="clip")
    curve.fit(np.concatenate([x, -x]), np.concatenate([score, -score]))
    return lambda new: _symmetric(lambda value: curve.predict(centred(value)), new)


def _symmetric(centred_curve: Curve, p: Floats) -> Floats:
    """1/2 plus the curve on the side that p favours, mirrored on the other; exact, whatever p."""
    x = centred(p)
    rise = np.where(x == 0, 0.0, centred_curve(0.5 + np.abs(x)))
    far = 0.5 + np.abs(rise)
    result: Floats = np.where(np.sign(x) * rise >= 0, far, 1 - far)
    return result


def folds(clusters: Integers, n_folds: int = FOLDS, seed: int = SEED) -> NDArray[np.int64]:
    """Fold (n,) of each item: prompts in a seeded random order, dealt out in turn."""
    _, place = np.unique(clusters, return_inverse=True)
    n_prompts = int(place.max(initial=-1)) + 1
    turn = np.random.default_rng(seed).permutation(n_prompts)
    result: NDArray[np.int64] = (turn % n_folds)[place]
    return result


def cross_fitted(
    fit: Fit, p: Floats, humans: Floats, clusters: Integers, *, n_folds: int = FOLDS
) -> Floats:
    """Each item's p under the curve fitted to the prompts of the other folds, (n,).

    Every item needs a p; those without human labels get one too. NaN in a fold for which the others
    do not determine a curve: always with a single prompt.
    """
    fold = folds(clusters, n_folds)
    result = np.full(len(p), np.nan)
    for k in np.unique(fold):
        held_out = fold == k
        curve = fit(p[~held_out], humans[~held_out])
        if curve is not None:
            result[held_out] = curve(p[held_out])
    return result
