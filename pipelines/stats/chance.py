"""Agreement beyond chance: Scott's pi, Gwet's AC1, Fleiss's kappa, Krippendorff's alpha.

All are functions of nine totals, in the order a, tie, b of the first x a, tie, b of the second, as
`confusion`, `pair_confusion` and `coincidences` give them per item. So a cluster sum is all that an
interval needs. The functions take leading axes, (..., 9) to (...), and complex numbers; they give
NaN without labels and where chance agreement is 1.

Which response is called a is arbitrary, yet each coefficient moves with it, as chance does. The
headline forms take `symmetrised` cells: a and b then have the same share, (p_a + p_b)/2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.stats.agreement import TIE, A, B, pair_confusion, shares, total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[Any]

_TURNED = np.arange(9).reshape(3, 3)[[B, TIE, A]][:, [B, TIE, A]].ravel()
_NO_ROOM = 1e-12  # chance this close to 1 is 1 but for rounding


# cells of an item


def symmetrised(cells: Numbers) -> Numbers:
    """Cells (..., 9) as if the slots a and b of each item were named by the toss of a coin.

    The mean of the table and of the one with a and b exchanged in both its rows and its columns:
    what agrees still does, and a and b get the same share. Exchanging the slots of an item swaps
    the two terms of each mean, and x + y = y + x holds of rounded numbers too. So per-item cells
    do not change in any digit, whichever items are exchanged, nor does what is computed from them.
    Of totals the result is the same but for rounding; of symmetrised cells it is themselves.
    """
    return (cells + cells[..., _TURNED]) / 2


def coincidences(humans: Floats) -> Floats:
    """Krippendorff's coincidences of labels per item: counts (n, 3) to (n, 9), adding up to m.

    The m (m - 1) ordered pairs of an item weigh 1/(m - 1). Every item needs two labels: one label
    coincides with none and takes no part in alpha.
    """
    return pair_confusion(humans) * total(humans)[:, None]


# coefficients of nine totals


def raw_agreement(totals: Numbers) -> Any:
    """The share on the diagonal; NaN without labels."""
    return _agreeing(_table(totals))


def cohen_kappas(totals: Numbers) -> Any:
    """Cohen's kappa (1960) of many tables: `cohen_kappa` with leading axes."""
    table = _table(totals)
    chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1)
    return _beyond(_agreeing(table), chance)


def scott_pi(totals: Numbers) -> Any:
    """Scott's pi (1955): by chance both draw from the classes of both, sum of ((row + column)/2)^2.

    Of two who give one label each it is Fleiss's kappa. Undefined where only one class occurs.
    """
    table = _table(totals)
    return _beyond(_agreeing(table), (_pooled(table) ** 2).sum(axis=-1))


def symmetrised_pi(totals: Numbers) -> Any:
    """Scott's pi with (p_a + p_b)/2 in place of the shares of a and of b: the headline.

    Chance is (p_a + p_b)^2 / 2 + p_tie^2. Undefined where all labels are ties only: if both always
    say a it is 1, as with slots named by a coin they would say a and b in unison. Exactly invariant
    to the naming of slots where the totals are of `symmetrised` cells.
    """
    return scott_pi(symmetrised(totals))


def gwet_ac1(totals: Numbers, classes: int = 3) -> Any:
    """Gwet's AC1 (2008): chance is sum of pi (1 - pi) over classes, divided by their number - 1.

    `classes` is how many the annotators could choose from, 2 where ties were not allowed. Chance is
    at most 1/classes, so it is undefined without labels only. Of `pair_confusion` it is the form
    for many annotators.
    """
    table = _table(totals)
    pooled = _pooled(table)
    return _beyond(_agreeing(table), (pooled * (1 - pooled)).sum(axis=-1) / (classes - 1))


def fleiss_kappa(totals: Numbers) -> Any:
    """Fleiss's kappa (1971) from totals of `pair_confusion`: of items with two labels or more.

    The general form for numbers of labels that differ: each item weighs the same, in the observed
    agreement and in the class shares, the mean over items of c / m. With the same m for all it is
    Fleiss's own. Undefined where only one class occurs.
    """
    return scott_pi(totals)


def krippendorff_alpha(totals: Numbers) -> Any:
    """Krippendorff's nominal alpha from totals of `coincidences`; missing labels are no matter.

    1 - (n - 1) sum_(k != l) o_kl / sum_(k != l) n_k n_l (Krippendorff 2011), n labels, of which n_k
    are of class k: labels weigh the same, not items, and chance draws two without putting back.
    Undefined where only one class occurs.
    """
    with np.errstate(all="ignore"):
        n = totals.sum(axis=-1)
        drawn_twice = (n - 1) / n
        return 1 - drawn_twice * (1 - scott_pi(totals))


def symmetrised_alpha(totals: Numbers) -> Any:
    """Krippendorff's alpha with (n_a + n_b)/2 in place of n_a and of n_b: the headline.

    As `symmetrised_pi`: undefined where all labels are ties only, exactly invariant of totals of
    `symmetrised` cells.
    """
    return krippendorff_alpha(symmetrised(totals))


def _table(totals: Numbers) -> Numbers:
    """Shares (..., 3, 3) of totals (..., 9)."""
    with np.errstate(all="ignore"):
        found: Numbers = (totals / totals.sum(axis=-1, keepdims=True)).reshape(
            *totals.shape[:-1], 3, 3
        )
    return found


def _agreeing(table: Numbers) -> Any:
    return (table[..., A, A] + table[..., B, B]) + table[..., TIE, TIE]


def _pooled(table: Numbers) -> Numbers:
    """Class shares (..., 3) over the labels of both."""
    found: Numbers = (table.sum(axis=-1) + table.sum(axis=-2)) / 2
    return found


def _beyond(observed: Any, chance: Any) -> Any:
    """(observed - chance) / (1 - chance); NaN where chance is 1."""
    room = 1 - chance
    with np.errstate(all="ignore"):
        return np.where(np.abs(np.real(room)) < _NO_ROOM, np.nan, (observed - chance) / room)[()]


# trivial judges, as class shares per item


def longer_response(longer: NDArray[np.int8]) -> Floats:
    """Shares (n, 3) of who always prefers the longer response, half and half where they are equal.

    `longer` (n,) is +1 where a is longer, -1 where b is, 0 where neither.
    """
    a = (1.0 + longer) / 2
    return _decided(a, 1 - a)


def first_shown(n_ab: Floats, n_ba: Floats) -> Floats:
    """Shares (n, 3) of who always prefers what was shown first.

    From how many labels saw a first (n,) and how many b; NaN where neither is known.
    """
    with np.errstate(invalid="ignore"):
        return _decided(n_ab / (n_ab + n_ba), n_ba / (n_ab + n_ba))


def random_choice(n_items: int) -> Floats:
    """Shares (n, 3) of who tosses a coin between a and b."""
    half = np.full(n_items, 0.5)
    return _decided(half, half)


def most_frequent_class(humans: Floats) -> int:
    """The class that one human gives most often, items weighing the same; the first if several.

    Counts (n, 3), every item with a label.
    """
    return int(shares(humans).sum(axis=0).argmax())


def ties_lead(humans: Floats) -> bool:
    """Whether one human says tie more often than (a + b)/2: the most frequent class by any name.

    Counts (n, 3), every item with a label. Exactly invariant to the naming of slots.
    """
    given = shares(humans)
    return bool(given[:, TIE].sum() > ((given[:, A] + given[:, B]) / 2).sum())


def _decided(a: Floats, b: Floats) -> Floats:
    return np.stack([a, np.zeros(len(a)), b], axis=1)
