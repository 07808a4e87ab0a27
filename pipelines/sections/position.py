"""Position rows: what the order in which responses are shown does to labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipelines.estimates import ALL
from pipelines.panel import AB, BA, UNKNOWN
from pipelines.sections.view import ONE_HUMAN, View, detectable, row, undefined
from pipelines.stats.agreement import shares, total
from pipelines.stats.consistency import flip
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
NO_ORDER = "the order in which the responses were shown is not known"
ONE_ORDER = "one fixed order: a preference for the place cannot be told from one for the response"
NOT_DRAWN = (
    "not identified: the order goes with the model or the length, so it was not drawn at random"
)
NO_SWAPS = "no comparison was labelled in both orders"
NO_FLIPS = "no preference changed with the order"
DRAWN = "holds if the order was drawn at random"
_FURTHEST = 3.29  # standard errors from one half: a fair draw is further once in a thousand


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
    sides = turned_to_first(one, other)[items]
    yield row(view, SECTION, "primacy_share", name, "preferences that changed",
              view.of_ratio(sides, items, proportion=True, undefined=NO_FLIPS),
              n_items=n_items, n_labels=n_labels, method=method)  # fmt: skip


def _effect(view: View, name: str, ab: Floats, ba: Floats) -> Iterator[Estimate]:
    """The position effect: of swapped pairs where there are any, else of orders drawn at random."""
    values = swapped_effect(ab, ba)
    items, note = np.isfinite(values), None
    if name != ONE_HUMAN and items.any():
        columns = np.stack([values[items], np.ones(items.sum())]).T
        single = int(((total(ab) > 0) ^ (total(ba) > 0)).sum())
        note = f"left out: {single:,} comparisons in one order" if single else None
        how = SWAPPED
    else:
        items = total(ab) + total(ba) > 0
        why = _not_identified(view, ab, ba)
        if why is not None:
            if view.name == ALL:
                yield undefined(view, SECTION, "position_effect", name, SHOWN, why,
                                unit="share difference")  # fmt: skip
            return
        columns, how, note = first_score_counts(ab, ba)[items], "orders drawn", DRAWN
    found: Interval = view.of_ratio(columns, items, bounds=(-0.5, 0.5))
    n_items, n_labels = int(items.sum()), int((ab[items] + ba[items]).sum())
    method = f"{how} ties=half {view.rules.without_wrong}"
    yield row(view, SECTION, "position_effect", name, SHOWN, found, n_items=n_items,
              n_labels=n_labels, unit="share difference", method=method, note=note)  # fmt: skip
    yield from detectable(view, SECTION, "detectable_position_effect", name, SHOWN, found,
                          n_items, n_labels, method)  # fmt: skip


def _not_identified(view: View, ab: Floats, ba: Floats) -> str | None:
    """Why labels in one order each do not show the effect; None where they do.

    Judged by which model (or longer response) came first, as a and b are arbitrary names.
    """
    turned = view.panel.turned()[view.keep]
    first = float(np.where(turned, total(ba), total(ab)).sum())
    second = float(np.where(turned, total(ab), total(ba)).sum())
    n = first + second
    if n == 0:
        return NO_ORDER
    if min(first, second) == 0:
        return ONE_ORDER
    return NOT_DRAWN if abs(first - n / 2) > _FURTHEST * np.sqrt(n) / 2 else None
