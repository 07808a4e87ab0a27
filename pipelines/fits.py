"""Scorers fitted to labels on one side of a split, and what they score on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from judges.response_features import LENGTH, combined, idf_of, scale_of
from pipelines.lessons import FEWEST, GROUPS, HUMAN, SCORERS, hybrid
from pipelines.stats.agreement import TIE, A, shares, total
from pipelines.stats.imitation import centroid, language_model, nearest, style_density
from pipelines.stats.reward import fit_kernel, fit_reward

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from judges.response_features import Recipe
    from pipelines.lessons import Plan, Pool

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """One fit of all: `train` in the order in which labels are bought, `test` held out."""

    repeat: int
    train: Places
    test: Places


def splits_of(pool: Pool, codes: NDArray[np.int64], plan: Plan, way: str) -> list[Split]:
    """Every fold of every repeat; none where there are not two codes.

    A prompt of the held-out fold is nowhere in training, whatever its category.
    """
    items = np.flatnonzero(codes >= 0)
    if len(items) < 2 * FEWEST or len(np.unique(codes[items])) < 2:
        return []
    found = []
    for repeat in range(plan.repeats):
        random = np.random.default_rng([plan.seed, repeat, way == GROUPS])
        fold = _folds(codes[items], plan.folds, random)
        for k in range(fold.max() + 1):
            test, rest = items[fold == k], items[fold != k]
            rest = rest[~np.isin(pool.prompt[rest], pool.prompt[test])]
            found.append(Split(repeat, random.permutation(rest), test))
    return found if min(len(split.train) for split in found) >= FEWEST else []


def _folds(codes: NDArray[np.int64], folds: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each item (n,): codes at random, each into the fold with the fewest items."""
    present, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    filled = np.zeros(min(folds, len(present)))
    fold_of = np.zeros(len(present), dtype=np.int64)
    for code in random.permutation(len(present)):
        fold_of[code] = int(np.argmin(filled))
        filled[fold_of[code]] += counts[code]
    found: NDArray[np.int64] = fold_of[place]
    return found


def matched_votes(margins: Floats, votes: Floats) -> Floats:
    """The share of decided votes matched (n,) by the signs of margins; a margin of 0 is a coin."""
    sign = np.sign(np.round(margins, 10))
    found: Floats = 0.5 + sign * (votes - 0.5)
    return found


class Fit:
    """One training side: inner products of features, computed once for all arms and sizes."""

    def __init__(self, pool: Pool, plan: Plan, split: Split) -> None:
        self.pool, self.plan, self.split = pool, plan, split
        n = len(pool.prompt)
        seen = np.concatenate([split.train, split.train + n])
        plain = replace(plan.recipe, style_weight=1.0)
        idf = np.zeros(0) if plan.recipe.embedding else idf_of(pool.text[seen])
        features = combined(plain, pool.text, pool.style, idf, scale_of(pool.style[seen]))
        k = pool.style.shape[1]
        self.text, self.style = features[:, :-k].tocsr(), features[:, -k:].toarray()
        self.order = split.train
        self.targets = dict(self._targets())
        self._products(n)

    def _targets(self) -> Iterator[tuple[str, Floats]]:
        """P(a preferred) by one label of each, drawn at random, along `order`; NaN for none."""
        u = luck(self.plan, self.split.repeat, len(self.pool.prompt))
        human = drawn(self.pool.humans, u)[self.order]
        yield HUMAN, human
        step = np.floor(np.arange(len(self.order) + 1) * self.plan.human_share)
        of_human = np.diff(step) > 0
        for name, counts in self.pool.judges.items():
            judge = drawn(counts, u)[self.order]
            yield name, judge
            yield hybrid(name, self.plan.human_share), np.where(of_human, human, judge)

    def _products(self, n: int) -> None:
        """Of all held-out and training differences with the training ones; text, then style."""
        rows = np.concatenate([self.order, self.split.test])
        text = self.text[:n] - self.text[n:]
        style = self.style[:n] - self.style[n:]
        self.gram = products(text[rows], text[self.order]), style[rows] @ style[self.order].T
        self.length = style[rows, LENGTH]

    def _labelled(self, arm: str, size: int) -> Places | None:
        """The first so many places along `order` with a label."""
        labelled = np.flatnonzero(np.isfinite(self.targets[arm]))[:size]
        return labelled if len(labelled) == size else None

    def margins(
        self, arms: Sequence[str], size: int, recipe: Recipe | None = None
    ) -> dict[str, Floats | None]:
        """Scores of a less those of b on what is held out; None where labels do not suffice."""
        recipe = recipe or self.plan.recipe
        rows = {arm: self._labelled(arm, size) for arm in arms}
        fitted = [arm for arm in arms if rows[arm] is not None]
        used = np.zeros((len(self.order), len(fitted)), dtype=bool)
        for k, arm in enumerate(fitted):
            used[rows[arm], k] = True
        targets = np.stack([self.targets[arm] for arm in fitted], axis=1)
        held_out = self.fitted(targets, used, recipe)
        return {**dict.fromkeys(arms), **dict(zip(fitted, held_out.T, strict=True))}

    def fitted(self, targets: Floats, used: NDArray[np.bool_], recipe: Recipe) -> Floats:
        """Margins (t, m) on what is held out of m reward models, fitted to targets (n, m) along
        `order` where they are `used`.
        """
        seen = np.flatnonzero(used.any(axis=1))
        gram = self.gram[0][:, seen] + recipe.style_weight**2 * self.gram[1][:, seen]
        weights = used[seen].astype(float)
        known = np.where(weights > 0, targets[seen], 0.5)
        held_out: Floats = gram[len(self.order) :] @ fit_kernel(
            gram[seen], known, weights, recipe.ridge
        )
        return held_out

    def by_length(self, size: int) -> Floats | None:
        """Margins of a reward model that sees the length in words alone."""
        rows = self._labelled(HUMAN, size)
        if rows is None:
            return None
        column = self.length[:, None]
        weight = fit_reward(column[rows], self.targets[HUMAN][rows], None, self.plan.recipe.ridge)
        found: Floats = (column @ weight)[len(self.order) :]
        return found

    def imitations(self, size: int) -> Iterator[tuple[str, Floats | None]]:
        """Margins of each scorer of chosen answers; a tie has none chosen, and was paid for."""
        rows, n = self._labelled(HUMAN, size), len(self.pool.prompt)
        chosen = np.empty(0, dtype=np.intp)
        if rows is not None:
            target = self.targets[HUMAN][rows]
            decided = target != 0.5
            chosen = self.order[rows[decided]] + n * (target[decided] == 0)
        test = np.concatenate([self.split.test, self.split.test + n])
        scores = self._scores(chosen, test) if len(chosen) else [None] * len(SCORERS)
        for name, score in zip(SCORERS, scores, strict=True):
            halves = None if score is None else np.split(score, 2)
            yield f"imitation: {name}", None if halves is None else halves[0] - halves[1]

    def _scores(self, chosen: Places, test: Places) -> list[Floats]:
        """Of the held-out responses (2 t,), by each scorer."""
        cosines = products(self.text[test], self.text[chosen])
        counts = np.asarray(self.pool.tokens[chosen].sum(axis=0), dtype=float).ravel()
        return [
            centroid(cosines),
            nearest(cosines),
            language_model(self.pool.tokens[test], counts),
            style_density(self.style[test], self.style[chosen]),
        ]


def luck(plan: Plan, repeat: int, n: int) -> Floats:
    """Numbers (n,) in [0, 1) that labels are drawn by: the same ones for all arms of a repeat."""
    return np.random.default_rng([plan.seed, repeat, 2]).random(n)


def drawn(counts: Floats, u: Floats) -> Floats:
    """One of each item's labels (n, 3), by u (n,) in [0, 1): 1 for a, 1/2 for a tie, 0; or NaN."""
    share = shares(counts)
    found = np.where(u < share[:, A], 1.0, np.where(u < share[:, A] + share[:, TIE], 0.5, 0.0))
    return np.where(total(counts) > 0, found, np.nan)


def products(first: Any, second: Any) -> Floats:
    """Inner products (n, m) of sparse rows; embeddings are not sparse."""
    if first.nnz > 0.1 * first.shape[0] * first.shape[1]:
        dense: Floats = first.toarray() @ second.toarray().T
        return dense
    found: Floats = (first @ second.T).toarray()
    return found
