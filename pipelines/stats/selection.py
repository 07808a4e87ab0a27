"""Best of n: what is selected among n responses, and what others think of it.

Of g prompts with k responses each: `points` (g, k, k) hold how often the first is preferred to the
second, ties half, so points + their transpose = 1 off the diagonal, which is not read. A source
selects by the sum of its points among the n, or by scores (g, k) of single responses; equal ones
share the selection. What is selected is judged on all k responses, whatever n: its worth is how
often it is preferred to another of them, 1/2 on average. All subsets of n count alike: nothing is
drawn.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ROUNDING = 1e-9  # sums that are closer are equal: they differ by the order of summing alone


def shared_best(values: Floats) -> Floats:
    """The share of the selection (g, n) that each of n values gets: all, or of equal ones each."""
    best = (values >= values.max(axis=1, keepdims=True) - _ROUNDING).astype(float)
    result: Floats = best / best.sum(axis=1, keepdims=True)
    return result


def won(points: Floats, members: Sequence[int]) -> Floats:
    """The sum of points (g, n) of each member against the others."""
    among = points[:, members][:, :, members].copy()
    among[:, range(len(members)), range(len(members))] = 0
    result: Floats = among.sum(axis=2)
    return result


def worth(points: Floats) -> Floats:
    """How often each response is preferred to another of the k: (g, k), mean 1/2."""
    k = points.shape[1]
    result: Floats = won(points, range(k)) / (k - 1)
    return result


def centred(scores: Floats) -> Floats:
    """Scores (g, k) less the mean of the prompt's responses."""
    result: Floats = scores - scores.mean(axis=1, keepdims=True)
    return result


def curve(source: Floats, target: Floats, proxy: Floats, most: int) -> Floats:
    """What comes of selecting among n = 1 to `most` of the responses: (most, 3, g).

    For each prompt, over all subsets of n: the worth by `target` (g, k, k) of what is selected; the
    share of selections that `target` itself would make; its `proxy` (g, k). `source` is points
    (g, k, k) or scores (g, k).
    """
    k = target.shape[1]
    value = worth(target)
    found = []
    for n in range(1, most + 1):
        each = [_of_subset(source, target, value, proxy, members) for members in _subsets(k, n)]
        found.append(np.mean(each, axis=0))
    return np.stack(found)


def _of_subset(
    source: Floats, target: Floats, value: Floats, proxy: Floats, members: list[int]
) -> Floats:
    own = source[:, members] if source.ndim == 2 else won(source, members)
    selected, best = shared_best(own), shared_best(won(target, members))
    columns = (value[:, members], best, proxy[:, members])
    return np.stack([(selected * column).sum(axis=1) for column in columns])


def _subsets(k: int, n: int) -> Iterator[list[int]]:
    return map(list, combinations(range(k), n))
