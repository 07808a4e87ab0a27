"""Rankings of models from labels: win rates, Bradley-Terry strengths, and how two rankings differ.

A source is a column of labels: the humans, or a judge. On each item it gives the model of each
response points: its mean score there (chosen 1, tie 1/2, other 0). An item is one observation,
however many labels it has. Couples of models (i, j), i < j, are in the order of
`np.triu_indices`. Everything about several sources rests on the same items and the same draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit

from pipelines.stats.agreement import TIE, A, B, total
from pipelines.stats.intervals import FEWEST_PROMPTS
from pipelines.stats.resampling import REPLICATES, SEED, drawn_units, draws, simultaneous_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.integer[Any]]
    Mask = NDArray[np.bool_]

RIDGE = 0.1
TIED = 1e-9  # strengths closer than this are equal: they differ by rounding only
_MOST_STEPS = 200
_CONVERGED = 1e-8  # of a Newton step: the error left is of the order of its square


@dataclass(frozen=True, slots=True)
class WinCounts:
    """What rankings by S sources of the same items rest on.

    `models` (M,): the codes of the models that occur, ascending. `sums`, sparse (G, (S + 1) C), by
    prompt: the points of the first model of each of the C couples, source after source, then the
    items of each couple. `used` (n,) marks the items behind it; `n_without_models` counts those
    that every source labelled but whose models are not both known, or are the same.
    """

    models: Integers
    n_sources: int
    sums: Any
    used: Mask
    n_without_models: int

    @property
    def n_prompts(self) -> int:
        """Prompts behind the counts."""
        return int(self.sums.shape[0])

    def totals(self) -> tuple[Floats, Floats]:
        """Points (S, C) and items (C,) over all prompts."""
        points, items = self._split(np.ones((1, self.n_prompts)) @ self.sums)
        return points[:, 0], items[0]

    def resampled(self, replicates: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
        """Points (S, b, C) and items (b, C) of the draws, chunk by chunk."""
        prompts = np.arange(self.n_prompts)
        units = drawn_units(prompts)
        sums = csr_array((np.ones(len(prompts)), (units, prompts))) @ self.sums
        for counts in draws(sums.shape[0], replicates, seed):
            yield self._split(counts @ sums)

    def _split(self, totals: Floats) -> tuple[Floats, Floats]:
        blocks = totals.reshape(len(totals), self.n_sources + 1, -1).transpose(1, 0, 2)
        return blocks[:-1], blocks[-1]


def win_counts(
    sources: Sequence[Floats], model_a: Integers, model_b: Integers, clusters: Integers
) -> WinCounts:
    """Points and items of each couple of models by prompt, from label counts (n, 3) per source.

    `model_a`, `model_b` (n,) are codes, -1 where not known. Items that a source did not label are
    left out, and so are those without two different known models.
    """
    labelled = np.all([total(counts) > 0 for counts in sources], axis=0)
    used = labelled & (model_a >= 0) & (model_b >= 0) & (model_a != model_b)
    low, high = np.minimum(model_a, model_b)[used], np.maximum(model_a, model_b)[used]
    models, places = np.unique(np.stack([low, high]), return_inverse=True)
    low, high = places.reshape(2, -1)
    n_couples = len(models) * (len(models) - 1) // 2
    couple = low * (2 * len(models) - low - 1) // 2 + high - low - 1
    prompts, prompt = np.unique(clusters[used], return_inverse=True)
    first = models[low]
    values = [model_points(counts[used], model_a[used], first) for counts in sources]
    blocks = len(sources) + 1
    columns = np.concatenate([couple + block * n_couples for block in range(blocks)])
    sums = csr_array(
        (np.concatenate([*values, np.ones(len(couple))]), (np.tile(prompt, blocks), columns)),
        shape=(len(prompts), blocks * n_couples),
    )
    n_without = int(labelled.sum() - used.sum())
    return WinCounts(models, len(sources), sums, used, n_without)


def model_points(counts: Floats, model_a: Integers, model: Any) -> Floats:
    """Points (n,) of a model in its items from counts (n, 3): of a where it is `model_a`, else b.

    `model` is one code or (n,). NaN without labels. The mean over a model's items is its win rate.
    """
    chosen = np.where(model_a == model, counts[:, A], counts[:, B])
    with np.errstate(invalid="ignore"):
        result: Floats = (chosen + counts[:, TIE] / 2) / total(counts)
    return result


def bradley_terry(
    points: Floats,
    items: Floats,
    n_models: int,
    *,
    ridge: float = RIDGE,
    start: Floats | float = 0.0,
) -> Floats:
    """Strengths (B, M) in log odds, centred, from points and items (B, C) of the couples.

    P(i is preferred to j) = 1 / (1 + exp(theta_j - theta_i)) (Bradley & Terry 1952), a tie being
    half a point for each. theta maximises the log-likelihood less ridge/2 sum_i theta_i^2, which
    keeps a model that never lost finite and alone centres theta. Newton's steps d are shortened to
    log(1 + s)/s d, s = max |d_i - d_j|: each one climbs wherever it starts (Bach 2010, prop. 2).
    NaN where comparisons do not connect all models: no number would rank those never compared.
    """
    couples = np.triu_indices(n_models, 1)
    design = _incidence(couples, n_models)
    theta = np.zeros((len(points), n_models)) + start
    for _ in range(_MOST_STEPS):
        step = _newton_step(theta, points, items, ridge, couples, design)
        size = np.abs(step).max(initial=0.0)
        theta += step
        if size < _CONVERGED:
            break
    theta -= theta.mean(axis=1, keepdims=True)
    return np.where(connected(items, n_models)[:, None], theta, np.nan)


def _newton_step(
    theta: Floats, points: Floats, items: Floats, ridge: float, couples: Any, design: Floats
) -> Floats:
    first, second = couples
    difference = theta[:, first] - theta[:, second]
    chance, rest = expit(difference), expit(-difference)
    # not points - items * chance: that cancels where a model wins nearly always
    gradient = (points * rest - (items - points) * chance) @ design - ridge * theta
    curvature = items * chance * rest
    hessian = np.zeros((*theta.shape, theta.shape[1]))
    hessian[:, first, second] = hessian[:, second, first] = -curvature
    diagonal = np.arange(theta.shape[1])
    hessian[:, diagonal, diagonal] = curvature @ np.abs(design) + ridge
    step: Floats = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    step -= step.mean(axis=1, keepdims=True)
    reach = np.maximum(step.max(axis=1) - step.min(axis=1), 1e-300)[:, None]
    step *= np.log1p(reach) / reach
    return step


def _incidence(couples: tuple[Integers, Integers], n_models: int) -> Floats:
    """(C, M): +1 at the first model of each couple, -1 at the second."""
    design = np.zeros((len(couples[0]), n_models))
    rows = np.arange(len(design))
    design[rows, couples[0]], design[rows, couples[1]] = 1.0, -1.0
    return design


def connected(items: Floats, n_models: int) -> Mask:
    """Whether comparisons lead from every model to every other one, (B,) from items (B, C)."""
    return _all_reach(items > 0, items > 0, n_models)


def finite_without_ridge(points: Floats, items: Floats, n_models: int) -> Mask:
    """Whether the likelihood has its maximum at finite strengths, (B,) from points, items (B, C).

    It has where, however the models are split in two groups, each group has points against the
    other (Ford 1957). Elsewhere the ridge alone says how far the groups are apart.
    """
    return _all_reach(points > 0, items - points > 0, n_models)


def _all_reach(forth: Mask, back: Mask, n_models: int) -> Mask:
    """Whether each model reaches each other along edges (B, C) forth and back."""
    first, second = np.triu_indices(n_models, 1)
    reach = np.zeros((len(forth), n_models, n_models), dtype=np.float32)
    reach[:, first, second], reach[:, second, first] = forth, back
    reach[:, np.arange(n_models), np.arange(n_models)] = 1.0
    for _ in range(max(0, n_models - 1).bit_length()):  # each round doubles the longest path
        reach = (reach @ reach > 0).astype(np.float32)
    return np.asarray((reach > 0).all(axis=(1, 2)))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Strengths (S, M) of each source, and of the same B resamples by prompt (S, B, M).

    NaN where undefined. B is 0 below 20 prompts. `finite` (S,): see `finite_without_ridge`.
    """

    strengths: Floats
    replicates: Floats
    finite: Mask


def ranking(wins: WinCounts, *, replicates: int = REPLICATES, seed: int = SEED) -> Ranking:
    """The strengths of all sources with one set of draws. Raises ValueError without items."""
    if not wins.n_prompts:
        raise ValueError("no prompts to draw from")
    n_models = len(wins.models)
    points, items = wins.totals()
    items = np.repeat(items[None], wins.n_sources, axis=0)
    strengths = bradley_terry(points, items, n_models)
    finite = finite_without_ridge(points, items, n_models)
    start = np.nan_to_num(strengths)  # near the replicates': a few steps are enough
    found = [np.zeros((wins.n_sources, 0, n_models))]
    enough = wins.n_prompts >= FEWEST_PROMPTS and np.isfinite(strengths).all()
    for drawn, weights in wins.resampled(replicates, seed) if enough else ():
        fits = [
            bradley_terry(drawn[source], weights, n_models, start=start[source])
            for source in range(wins.n_sources)
        ]
        found.append(np.stack(fits))
    return Ranking(strengths, np.concatenate(found, axis=1), finite)


def _order(strengths: Floats) -> Floats:
    """(..., M, M): the sign of strength i less strength j."""
    difference = strengths[..., :, None] - strengths[..., None, :]
    return np.where(np.abs(difference) < TIED, 0.0, np.sign(difference))


def _cosine(one: Floats, other: Floats, axes: tuple[int, ...]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = (one * one).sum(axis=axes) * (other * other).sum(axis=axes)
        result: Floats = (one * other).sum(axis=axes) / np.sqrt(sizes)
    return result


def kendall_tau_b(one: Floats, other: Floats) -> Floats:
    """Kendall's tau-b (1945) of two rankings, (..., M) twice to (...); NaN if one is all equal.

    Couples ordered alike less couples ordered oppositely, over the geometric mean of the numbers
    of couples that each ranking orders at all.
    """
    return _cosine(_order(one), _order(other), (-2, -1))


def spearman(one: Floats, other: Floats) -> Floats:
    """Spearman's correlation (1904), ties at mean ranks, (..., M) twice to (...); NaN as above.

    Half the row sum of the signs is the rank less its mean.
    """
    return _cosine(_order(one).sum(axis=-1), _order(other).sum(axis=-1), (-1,))


def best(strengths: Floats) -> Mask:
    """Which models are the best, or share that place, (..., M); none where undefined."""
    return np.asarray((_order(strengths) >= 0).all(axis=-1))


def same_best(one: Floats, other: Floats) -> Floats:
    """P(both name the same best model), (..., M) twice to (...), one of equals drawn at random."""
    mine, others = best(one).astype(float), best(other).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (mine * others).sum(axis=-1) / (mine.sum(axis=-1) * others.sum(axis=-1))
    return result


@dataclass(frozen=True, slots=True)
class Reversals:
    """Couples that two sources order oppositely, beyond doubt about all couples together.

    Source 0 has `above` (k,) over `below` (k,), source 1 the other way round. `difference`, `low`
    and `high` (2, k): strength of `above` less that of `below`, with simultaneous 95% limits.
    `n_couples` could be examined; in the easiest of them each of the two differences had to exceed
    `smallest` (NaN if there was none). `n_alike` of all `n_all` couples are as certainly in the
    same order.
    """

    above: Integers
    below: Integers
    difference: Floats
    low: Floats
    high: Floats
    n_couples: int
    smallest: float
    n_alike: int
    n_all: int

    @property
    def tau_limits(self) -> tuple[float, float]:
        """95% limits of Kendall's tau, where no two models are truly equal.

        A couple whose order both sources show beyond doubt counts as it is, any other as it may be:
        they miss at most 5% of the time, and less where many couples are in doubt. Percentiles of
        tau itself do not cover: noise in either ranking can only lower a tau near 1, and resampling
        adds to it.
        """
        return 2 * self.n_alike / self.n_all - 1, 1 - 2 * len(self.above) / self.n_all


def reversals(strengths: Floats, replicates: Floats) -> Reversals:
    """Reversed couples from strengths (2, M) and joint replicates (2, B, M).

    Max-t over all couples and both sources (see `simultaneous_intervals`): the chance that any
    couple is called reversed that is not is at most 5%. Undefined replicates are left out.
    """
    first, second = np.triu_indices(strengths.shape[1], 1)
    drawn = replicates[:, np.isfinite(replicates).all(axis=(0, 2))]
    moved = np.concatenate([(one[:, first] - one[:, second]) for one in drawn], axis=1)
    difference = strengths[:, first] - strengths[:, second]
    joint = simultaneous_intervals(difference.ravel(), moved)
    low, high = joint.low.reshape(2, -1), joint.high.reshape(2, -1)
    sign = (low > 0).astype(int) - (high < 0).astype(int)
    found = np.flatnonzero(sign[0] * sign[1] < 0)
    turn = sign[0, found] < 0
    examined = np.isfinite(low).all(axis=0)
    half = ((high - low) / 2).max(axis=0)[examined]
    return Reversals(
        above=np.where(turn, second[found], first[found]),
        below=np.where(turn, first[found], second[found]),
        difference=np.where(turn, -1.0, 1.0) * difference[:, found],
        low=np.where(turn, -high[:, found], low[:, found]),
        high=np.where(turn, -low[:, found], high[:, found]),
        n_couples=int(examined.sum()),
        smallest=float(half.min()) if len(half) else np.nan,
        n_alike=int(np.count_nonzero(sign[0] * sign[1] > 0)),
        n_all=len(first),
    )
