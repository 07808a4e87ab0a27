"""What a routing rule sees of a comparison: its score, or the features of a learned rule.

`items` marks the comparisons of the view (n,) that are asked about, m of them. The same functions
serve the choice of a strategy and its application to other comparisons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.panel import AB, BA
from pipelines.stats.agreement import TIE, A, total
from pipelines.stats.consistency import flip
from pipelines.stats.routing import certainty_score, disagreement_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipelines.sections.view import Mask, View

    Floats = NDArray[np.float64]

RANDOM, FLIP, CERTAINTY, DISAGREEMENT, LEARNED = (
    "at random", "order flip", "stated certainty", "judges disagree", "learned gain",
)  # fmt: skip
RULES = (RANDOM, FLIP, CERTAINTY, DISAGREEMENT, LEARNED)
FLIPS, STATED = "order flip of the judge", "certainty that the judge states"


def score_of(shares: Floats) -> Floats:
    """P(a) with ties half (m,) of class shares (m, 3)."""
    result: Floats = shares[:, A] + shares[:, TIE] / 2
    return result


def flips_of(view: View, k: int, items: Mask) -> Floats:
    """P(the label turns with the order) (m,); NaN without labels in both orders."""
    counts = view.counts_by_order(k)[:, items]
    with np.errstate(invalid="ignore"):
        one, other = (counts[order] / total(counts[order])[:, None] for order in (AB, BA))
    found: Floats = flip(one, other)
    return found


def stated_by(view: View, k: int, items: Mask) -> Floats:
    """The judge's mean stated P(a preferred) (m,); NaN where none is stated."""
    start, end = np.searchsorted(view.panel.labels["annotator"], np.array([k, k + 1]))
    item = view.panel.labels["item"][start:end]
    p = np.asarray(view.panel.labels["p_a"][start:end], dtype=float)
    known = np.isfinite(p)
    n = view.panel.n_items
    with np.errstate(invalid="ignore"):
        mean = np.bincount(item[known], p[known], n) / np.bincount(item[known], minlength=n)
    return np.asarray(mean[view.keep][items], dtype=float)


def of_all(values: Floats) -> Floats | None:
    """The values where they are known of every item, else None."""
    return values if np.isfinite(values).all() else None


def rule_score(rule: str, view: View, asked: Sequence[int], items: Mask) -> Floats:
    """The score (m,) of a rule that learns nothing; NaN where labels for it are missing."""
    if rule == RANDOM:
        return np.ones(int(items.sum()))
    if rule == FLIP:
        return flips_of(view, asked[0], items)
    if rule == CERTAINTY:
        return certainty_score(stated_by(view, asked[0], items))
    return disagreement_score(*(view.shares(k)[items] for k in asked[:2]))


def router_features(view: View, k: int, others: Sequence[int], items: Mask) -> dict[str, Floats]:
    """What a router may see, by name: labels whichever response is a, and what the texts are like.

    The order flip and the stated certainty are there where they are known of every item.
    """
    shares = view.shares(k)[items]
    own, panel = score_of(shares), view.panel
    # toward the response that this judge prefers: nothing hangs on which one is called a
    turn = np.sign(np.round(own - 0.5, 12))
    found = {"preference": turn * (own - 0.5), "tie": shares[:, TIE]}
    for place, j in enumerate(others):
        other = view.shares(j)[items]
        found[f"preference of judge {place + 2}"] = turn * (score_of(other) - 0.5)
        found[f"tie of judge {place + 2}"] = other[:, TIE]
    found["longer"] = turn * panel.longer[view.keep][items]
    found["length"] = panel.length[view.keep][items]
    for name, values in panel.features.items():
        found[f"feature {name}"] = turn * values[view.keep][items]
    flips, stated = of_all(flips_of(view, k, items)), of_all(stated_by(view, k, items))
    found |= {} if flips is None else {FLIPS: flips}
    found |= {} if stated is None else {STATED: certainty_score(stated)}
    return {name: np.asarray(values, dtype=float) for name, values in found.items()}
