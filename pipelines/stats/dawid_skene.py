"""Dawid and Skene's classes: what was true of each item, and how each annotator errs.

The model (Dawid & Skene 1979, Applied Statistics 28): item i has a true class k with probability
prior_k; annotator j says l with probability confusion_jkl, independently of all others given k. It
is fitted by their EM algorithm from the label shares, which creeps where annotators err much. So
its steps are extended to where they tend: SQUAREM, scheme S3, kept only where the labels are no
less likely (Varadhan & Roland 2008, Scandinavian Journal of Statistics 35). Classes are a, tie,
b = 0, 1, 2.

Which response is called a is arbitrary, so the headline form ties the parameters: a and b are
equally common, and an annotator errs on a as on b. Then nothing moves with the naming of slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.stats.agreement import TIE, A, B, majority_by_mode, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int8]
    Places = NDArray[np.intp]

WARNING = (
    "Dawid-Skene takes errors as independent: annotators who share errors outvote those who are "
    "right"
)
SMOOTHING = 0.01  # labels added to each cell of a confusion, so that no probability is 0
MOST_ITERATIONS = 2000
PLAIN_STEPS = 20  # not extended: they choose which of several maxima is climbed
LONGEST_LEAP = 0.2  # of a posterior: so that no other maximum is leapt to
TOLERANCE = 1e-9  # the most that a step changes a posterior; a likelihood is flat long before
_ROUNDING = 9  # decimals: posteriors that differ by rounding only are equal
_TURNED = [B, TIE, A]


@dataclass(frozen=True, slots=True)
class DawidSkene:
    """A fitted model of n items and J annotators.

    `prior` (3,), `confusion` (J, 3, 3) by true class and class said, rows adding up to 1;
    `posterior` (n, 3), NaN on items without a label. `log_likelihood` is in nats, of the labels
    under the smoothed parameters. Without any label all are NaN.
    """

    prior: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: float
    iterations: int
    converged: bool

    @property
    def classes(self) -> Codes:
        """The likeliest class per item; a tie where two are equally likely, -1 without labels."""
        return majority_by_mode(np.nan_to_num(np.round(self.posterior, _ROUNDING)))


def dawid_skene(
    codes: Codes, *, symmetrised: bool = True, most_iterations: int = MOST_ITERATIONS
) -> DawidSkene:
    """Fit the model to codes (n, J): the class that each annotator gave, -1 where none.

    Each M step adds `SMOOTHING` to every cell, the mode under a Dirichlet prior that is nearly
    flat; where an annotator never met a class it has nearly 1/3, 1/3, 1/3. It stops when a step
    changes no posterior any more. Where no item has two labels it takes one step: all are believed.
    With `symmetrised`, each M step averages the tables with those of a and b exchanged, and the
    result is exactly that of any other naming of the slots of any items. Items without a label take
    no part.
    """
    labelled = (codes >= 0).any(axis=1)
    turn = _turned(codes) & symmetrised
    patterns, place, weight = _patterns(_exchange(codes, turn)[labelled])
    posterior = np.full((len(codes), 3), np.nan)
    if not len(patterns):
        nothing = np.full((codes.shape[1], 3, 3), np.nan)
        return DawidSkene(np.full(3, np.nan), nothing, posterior, np.nan, 0, False)
    labels = _Labels.of(patterns, weight)
    if len(labels.pattern) == len(patterns):  # one label an item: who errs cannot be told
        most_iterations = 1
    fit, iterations, converged = _em(labels, symmetrised, most_iterations)
    posterior[labelled] = fit.posterior[place]
    posterior[turn] = posterior[turn][:, _TURNED]
    return DawidSkene(
        fit.prior, fit.confusion, posterior, fit.log_likelihood, iterations, converged
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """Parameters, and what follows from them: the posterior (patterns, 3) and the likelihood."""

    prior: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: float

    @property
    def rows(self) -> Floats:
        """All parameters as distributions (1 + 3J, 3), the prior first."""
        return np.concatenate([self.prior[None], self.confusion.reshape(-1, 3)])

    @property
    def reached(self) -> float:
        """The log-likelihood with the prior of the smoothing: no step lowers it."""
        return self.log_likelihood + SMOOTHING * float(np.log(self.rows).sum())


def _em(labels: _Labels, symmetrised: bool, most_iterations: int) -> tuple[_Fit, int, bool]:
    """The fit, M steps taken, and whether they sufficed."""
    posterior, iterations, converged = labels.shares(), 0, False
    past: list[_Fit] = []
    while iterations < most_iterations and not converged:
        fit = labels.e_step(*labels.m_step(posterior, symmetrised))
        converged = bool(np.abs(fit.posterior - posterior).max() <= TOLERANCE)
        iterations += 1
        past = [*past, fit] if iterations > PLAIN_STEPS else []
        if len(past) == 3 and not converged:
            fit = _further(labels, past)
            past = [fit]
        posterior = fit.posterior
    return fit, iterations, converged


def _further(labels: _Labels, past: Sequence[_Fit]) -> _Fit:
    """Where three fits in a row tend to, or the last of them where that is no better."""
    one, two, three = (fit.rows for fit in past)
    step, bend = two - one, (three - two) - (two - one)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.sqrt((step**2).sum() / (bend**2).sum())
        rows = one + 2 * length * step + length**2 * bend
    if not (length > 1 and rows.min() > 0):  # neither inf nor NaN passes
        return past[-1]
    rows /= total(rows)[:, None]
    fit = labels.e_step(rows[0], rows[1:].reshape(-1, 3, 3))
    near = np.abs(fit.posterior - past[-1].posterior).max() <= LONGEST_LEAP
    return fit if near and fit.reached >= past[-1].reached else past[-1]


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels in long form: `pattern`, `annotator` and `said` name those of each; `weight` is how
    many items have each pattern. Memory grows with the labels, not with items x annotators.
    """

    pattern: Places
    annotator: Places
    said: Places
    weight: Floats
    n_annotators: int

    @classmethod
    def of(cls, patterns: Codes, weight: Floats) -> _Labels:
        pattern, annotator = np.nonzero(patterns >= 0)
        said = patterns[pattern, annotator].astype(np.intp)
        return cls(pattern, annotator, said, weight, patterns.shape[1])

    def shares(self) -> Floats:
        """The start: how the labels of each pattern are shared out."""
        cells = np.bincount(3 * self.pattern + self.said, minlength=3 * len(self.weight))
        counts = cells.reshape(-1, 3).astype(float)
        result: Floats = counts / total(counts)[:, None]
        return result

    def m_step(self, posterior: Floats, symmetrised: bool) -> tuple[Floats, Floats]:
        """Prior and confusion under a posterior (patterns, 3)."""
        weighted = posterior * self.weight[:, None]
        place = 3 * self.annotator + self.said
        size = 3 * self.n_annotators
        tables = [np.bincount(place, column[self.pattern], size) for column in weighted.T]
        confusion: Floats = np.stack([table.reshape(-1, 3) for table in tables], axis=1)
        confusion += SMOOTHING
        prior = weighted.sum(axis=0) + SMOOTHING
        if symmetrised:
            confusion = (confusion + confusion[:, _TURNED][:, :, _TURNED]) / 2
            prior = (prior + prior[_TURNED]) / 2
        return prior / total(prior[None]), confusion / _rows(confusion)

    def e_step(self, prior: Floats, confusion: Floats) -> _Fit:
        """What parameters say of the labels."""
        terms = np.log(confusion)[self.annotator, :, self.said]
        size = len(self.weight)
        joint = np.stack([np.bincount(self.pattern, term, size) for term in terms.T], axis=1)
        joint += np.log(prior)
        top = joint.max(axis=1, keepdims=True)
        likely = np.exp(joint - top)
        sums = total(likely)
        likelihood = float(self.weight @ (np.log(sums) + top[:, 0]))
        return _Fit(prior, confusion, likely / sums[:, None], likelihood)


def _rows(confusion: Floats) -> Floats:
    """Sums of the rows of tables (J, 3, 3) to (J, 3, 1)."""
    return total(confusion.reshape(-1, 3)).reshape(-1, 3, 1)


def _turned(codes: Codes) -> NDArray[np.bool_]:
    """Items (n,) whose first decided label is b: with a and b exchanged it is a on all items.

    So the tied model is fitted to the same table, to the last digit, however slots are named.
    """
    decided = (codes == A) | (codes == B)
    first = decided.argmax(axis=1)
    result: NDArray[np.bool_] = codes[np.arange(len(codes)), first] == B
    return result


def _exchange(codes: Codes, items: NDArray[np.bool_]) -> Codes:
    """Codes with a and b exchanged on these items."""
    decided = items[:, None] & (codes >= 0)
    return np.where(decided, 2 - codes, codes).astype(np.int8)


def _patterns(codes: Codes) -> tuple[Codes, Places, Floats]:
    """The different rows, in a fixed order, which one each item has, and how many have each.

    A million items of a few annotators have few patterns; the fit costs no more than these.
    """
    if not codes.size:
        return codes[:0], np.zeros(0, np.intp), np.zeros(0)
    keys = np.ascontiguousarray(codes + 2).view(f"S{codes.shape[1]}")[:, 0]
    _, first, place, weight = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    return codes[first], place, weight.astype(float)
