"""Position rows: what the order in which responses are shown does to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import norm

from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN
from pipelines.sections.view import ONE_HUMAN, View, detectable, row, undefined
from pipelines.stats.agreement import shares, total
from pipelines.stats.consistency import flip
from pipelines.stats.intervals import where_all_are_alike
from pipelines.stats.position import (
    first_score_counts,
    first_shown_counts,
    order_consistency,
    swapped_effect,
    turned_to_first,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipelines.estimates import Estimate
    from pipelines.stats.intervals import Interval

    Floats = NDArray[np.float64]

SECTION = "bias"
SHOWN, SWAPPED = "order shown", "orders swapped"
HALF = (-0.5, 0.5)
NO_ORDER = "the order in which the responses were shown is not known"
ONE_ORDER = "one fixed order: a preference for the place cannot be told from one for the response"
NOT_DRAWN = (
    "not identified: the order goes with a model or the length, so it was not drawn at random"
)
NO_SWAPS = "no comparison was labelled in both orders"
NO_FLIPS = "no preference changed with the order"
DRAWN = "holds if the order was drawn at random"
DRAWN_ERROR = 0.001  # how often orders drawn at random are refused


def position_rows(view: View, name: str, counts: Floats) -> Iterator[Estimate]:
    """Of one subject, from its usable labels (3, n, 3) by order shown.

    Swapped pairs only of judges: two humans in two orders differ for other reasons.
    """
    ab, ba = counts[AB], counts[BA]
    if name != ONE_HUMAN:
        yield from _swapped(view, name, ab, ba)
    yield from _effect(view, name, ab, ba)
    items = total(ab) + total(ba) > 0
    if items.any():
        chosen = first_shown_counts(ab, ba)[items]
        yield row(view, SECTION, "first_shown_share", name, SHOWN,
                  view.of_ratio(chosen, items, proportion=True),
                  n_items=int(items.sum()), n_labels=int(chosen[:, 1].sum()),
                  method=f"ties=counted {view.rules.without_wrong}",
                  note=_order_note(counts))  # fmt: skip
    elif view.name == ALL:
        yield undefined(view, SECTION, "first_shown_share", name, SHOWN, NO_ORDER)


def _order_note(counts: Floats) -> str | None:
    n_ab, n_ba, n_unknown = (int(counts[order].sum()) for order in (AB, BA, UNKNOWN))
    parts = [ONE_ORDER] if n_ab == 0 or n_ba == 0 else []
    if n_unknown:
        parts.append(f"left out: {n_unknown:,} labels whose order is not known")
    return "; ".join(parts) or None


def _swapped(view: View, name: str, ab: Floats, ba: Floats) -> Iterator[Estimate]:
    """How often a swap changes the preference, and to which side."""
    one, other = shares(ab), shares(ba)
    values = order_consistency(one, other)
    items = np.isfinite(values)
    method = f"ties=class {view.rules.without_wrong}"
    if not items.any():
        for statistic in ("position_consistency", "flip_rate") if view.name == ALL else ():
            yield undefined(view, SECTION, statistic, name, SWAPPED, NO_SWAPS, method=method)
        return
    n_items, n_labels = int(items.sum()), int((ab[items] + ba[items]).sum())
    for statistic, found in (("position_consistency", values), ("flip_rate", flip(one, other))):
        yield row(view, SECTION, statistic, name, SWAPPED, view.mean(found, items),
                  n_items=n_items, n_labels=n_labels, method=method)  # fmt: skip
    sides = np.nan_to_num(turned_to_first(one, other))
    changed = sides[:, 1] > 0
    yield row(view, SECTION, "primacy_share", name, "preferences that changed",
              view.of_ratio(sides[changed], changed, proportion=True, undefined=NO_FLIPS),
              n_items=int(changed.sum()), n_labels=int((ab[changed] + ba[changed]).sum()),
              method=method)  # fmt: skip


def _effect(view: View, name: str, ab: Floats, ba: Floats) -> Iterator[Estimate]:
    """The position effect: of swapped pairs where most are, else of orders drawn at random."""
    values = swapped_effect(ab, ba)
    items, labelled = np.isfinite(values), total(ab) + total(ba) > 0
    if name != ONE_HUMAN and 2 * items.sum() >= max(labelled.sum(), 1):
        columns = np.stack([values[items], np.ones(items.sum())]).T
        single = int((labelled & ~items).sum())
        note = f"left out: {single:,} comparisons in one order" if single else None
        how = SWAPPED
    else:
        why = _not_identified(view, ab, ba)
        if why is not None:
            if view.name == ALL:
                yield undefined(view, SECTION, "position_effect", name, SHOWN, why,
                                unit="share difference")  # fmt: skip
            return
        items, how, note = labelled, "orders drawn", DRAWN
        columns = first_score_counts(ab, ba)[items]
    found: Interval = view.of_ratio(columns, items, bounds=HALF)
    found = where_all_are_alike(found, HALF) if how == SWAPPED else found
    n_items, n_labels = int(items.sum()), int((ab[items] + ba[items]).sum())
    method = f"{how} ties=half {view.rules.without_wrong}"
    yield row(view, SECTION, "position_effect", name, SHOWN, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=method, note=note)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_position_effect", name, SHOWN, found,
                          n_items, n_labels, method)  # fmt: skip


def _not_identified(view: View, ab: Floats, ba: Floats) -> str | None:
    """Why labels in one order each do not show the effect; None where they do.

    What was shown first may go with no model and not with length; a and b are arbitrary names.
    """
    if total(ab).sum() + total(ba).sum() == 0:
        return NO_ORDER
    if total(ab).sum() == 0 or total(ba).sum() == 0:
        return ONE_ORDER
    a_first = total(ab) - total(ba)
    panel, keep = view.panel, view.keep
    signs = [view.longer] + [
        (panel.model_a[keep] == m) * 1 - (panel.model_b[keep] == m)
        for m in range(len(panel.models))
    ]
    furthest = norm.isf(DRAWN_ERROR / 2 / len(signs))
    for sign in signs:
        by_prompt = np.bincount(view.prompt, sign * a_first)
        if abs(by_prompt.sum()) > furthest * np.sqrt(by_prompt @ by_prompt):
            return NOT_DRAWN
    return None
