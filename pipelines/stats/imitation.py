"""Imitation: scorers that see chosen answers only, never what these were chosen over.

A response scores by how much it is like the chosen ones. None of them knows a comparison: the same
chosen answers beside other rejected ones give the same scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEIGHBOURS = 5
_SHRINK = 0.1  # of a covariance toward its diagonal's mean


def centroid(cosines: Floats) -> Floats:
    """Inner product (n,) with the mean of the chosen, from cosines (n, m) with each of them."""
    found: Floats = cosines.mean(axis=1)
    return found


def nearest(cosines: Floats) -> Floats:
    """Mean cosine (n,) with the five nearest of the m chosen."""
    k = min(NEIGHBOURS, cosines.shape[1])
    found: Floats = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
    return found


def language_model(counts: Any, chosen: Floats) -> Floats:
    """Mean log-probability (n,) of a response's n-grams (n, buckets), sparse, under the chosen's.

    `chosen` (buckets,) are their counts; one is added to each. A response without any n-gram has
    the log-probability of an unknown one.
    """
    p = np.log((chosen + 1) / (chosen.sum() + len(chosen)))
    tokens = np.asarray(counts.sum(axis=1)).ravel()
    unknown = -np.log(chosen.sum() + len(chosen))
    found: Floats = np.where(tokens > 0, (counts @ p) / np.maximum(tokens, 1), unknown)
    return found


def style_density(style: Floats, chosen: Floats) -> Floats:
    """Log-density (n,) of style features (n, k) under a normal one of the chosen's (m, k).

    Up to a constant; the covariance is drawn a tenth toward a multiple of the identity.
    """
    away = chosen - chosen.mean(axis=0)
    covariance = away.T @ away / len(chosen)
    k = len(covariance)
    level = max(float(np.trace(covariance)) / k, 1e-9)
    covariance = (1 - _SHRINK) * covariance + _SHRINK * level * np.eye(k)
    centred = style - chosen.mean(axis=0)
    found: Floats = -0.5 * np.sum(centred * np.linalg.solve(covariance, centred.T).T, axis=1)
    return found
