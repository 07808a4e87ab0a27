"""Bradley-Terry reward models: a response's score is linear in its features.

P(a preferred to b) = sigma(w'(phi_a - phi_b)): no intercept, so swapping a and b turns the sign of
the difference and the target to 1 - target, and nothing else (Bradley & Terry 1952). A tie is a
target of 1/2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Product = Callable[[Floats], Floats]

MOST_STEPS = 100
_CLOSE = 1e-9  # of the gradient, beside the one at 0
_CLOSE_TO_TARGET = 1e-6  # in probability
_ROUNDING = 1e-12


def fit_reward(
    differences: Any, targets: Floats, weights: Floats | None = None, ridge: float = 1.0
) -> Floats:
    """Weights w (d,) of least sum_i weights_i loss_i + ridge/2 |w|^2.

    `differences` (n, d), sparse or dense, are features of the first response less the second's;
    `targets` (n,) are P(first preferred), the losses the cross-entropies. Newton's method, each
    step solved by conjugate gradients and halved until the loss falls. Raises ValueError for
    targets outside [0, 1] and without a ridge above 0, where the weights need not be finite.
    """
    if ridge <= 0 or not ((targets >= 0) & (targets <= 1)).all():
        raise ValueError("targets lie in [0, 1] and the ridge above 0")
    turned = differences.T.tocsr() if hasattr(differences, "tocsr") else differences.T
    weight = np.ones(len(targets)) if weights is None else weights

    def loss(w: Floats, margin: Floats) -> float:
        cost = np.logaddexp(0, margin) - targets * margin
        return float(weight @ cost + ridge / 2 * (w @ w))

    w, margin = np.zeros(differences.shape[1]), np.zeros(len(targets))
    start = 0.0
    for _ in range(MOST_STEPS):
        p = expit(margin)
        gradient = turned @ (weight * (p - targets)) + ridge * w
        size = float(np.sqrt(gradient @ gradient))
        start = max(start, size)
        if size <= _CLOSE * start:
            break
        curve = weight * p * (1 - p)
        step = _solved(
            lambda v, c=curve: turned @ (c * (differences @ v)) + ridge * v,  # type: ignore[misc]
            -gradient,
            1e-3,
        )
        moved, length, before = differences @ step, 1.0, loss(w, margin)
        most = before + _ROUNDING * (1 + before)
        while length > _ROUNDING and loss(w + length * step, margin + length * moved) > most:
            length /= 2
        w, margin = w + length * step, margin + length * moved
    return w


def fit_kernel(gram: Floats, targets: Floats, weights: Floats, ridge: float) -> Floats:
    """The same fit from inner products (n, n) alone, for m targets at once: c (n, m).

    w = sum_i c_i (phi_a - phi_b)_i, so the margins of others are their inner products with these n
    times c. Cheaper than `fit_reward` where there are far more features than comparisons. `targets`
    and `weights` are (n, m); a weight of 0 leaves a comparison out of one fit.

    Newton's method on c = weights (targets - p) / ridge: with V = weights p (1 - p) a step d solves
    (ridge + V K) d = residual, by Woodbury from the symmetric ridge + V^1/2 K V^1/2.
    """
    c, margin = np.zeros(targets.shape), np.zeros(targets.shape)
    loss = _losses(c, margin, targets, weights, ridge)
    for _ in range(MOST_STEPS):
        p = expit(margin)
        residual = weights * (targets - p) - ridge * c
        if np.abs(residual).max(initial=0) <= _CLOSE_TO_TARGET:
            break
        root = np.sqrt(weights * p * (1 - p))
        inner = _solved(
            lambda v, r=root: ridge * v + r * (gram @ (r * v)),  # type: ignore[misc]
            root * (gram @ residual),
            1e-5,  # what is left over is divided by the ridge
        )
        step = (residual - root * inner) / ridge
        moved, length = gram @ step, np.ones(targets.shape[1])
        while True:
            new = _losses(c + length * step, margin + length * moved, targets, weights, ridge)
            higher = (new > loss + _ROUNDING * (1 + loss)) & (length > _ROUNDING)
            if not higher.any():
                break
            length = np.where(higher, length / 2, length)
        c, margin, loss = c + length * step, margin + length * moved, new
    return c


def _losses(c: Floats, margin: Floats, targets: Floats, weights: Floats, ridge: float) -> Floats:
    """What is minimised, for each of m fits; c'Kc is the squared length of w."""
    fit = weights * (np.logaddexp(0, margin) - targets * margin)
    found: Floats = np.sum(fit + ridge / 2 * c * margin, axis=0)
    return found


def _solved(product: Product, right: Floats, close: float) -> Floats:
    """The x (d,) or (d, m) with |product(x) - right| <= close |right|, by conjugate gradients.

    Columns are systems of their own.
    """
    x, residual, direction = np.zeros(right.shape), right.copy(), right.copy()
    square = np.sum(residual * residual, axis=0)
    enough = close * close * square
    for _ in range(len(right)):
        if (square <= enough).all():
            break
        image = product(direction)
        curve = np.sum(direction * image, axis=0)
        length = np.divide(square, curve, out=np.zeros_like(square), where=curve > 0)
        x += length * direction
        residual -= length * image
        square, old = np.sum(residual * residual, axis=0), square
        turn = np.divide(square, old, out=np.zeros_like(square), where=old > 0)
        direction = residual + turn * direction
    return x


def win_probability(scores_a: Floats, scores_b: Floats) -> Floats:
    """P(a preferred to b) = sigma(a - b) of scores (n,)."""
    found: Floats = expit(scores_a - scores_b)
    return found
